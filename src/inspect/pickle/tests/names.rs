//! Names: exact, mapped as CPython maps them, and some that nobody can allow.

use super::{AllowList, Pickle, assert_harmless, assert_violates, of_protocol_2};

#[test]
fn a_listed_name_is_exactly_itself() {
    for (module, name) in [
        ("collections", "ordereddict"),
        ("collections", "OrderedDict "),
        (" collections", "OrderedDict"),
        ("collections.abc", "OrderedDict"),
        ("collections", "OrderedDict.fromkeys"),
        ("torch", "_utils._rebuild_tensor_v2"),
        ("torch", "serialization.os.system"),
        ("pathlib", "os.system"),
        ("numpy", "__builtins__"),
        ("torch._utils", "importlib"),
        ("torch._utils", "_import_dotted_name"),
        ("Collections", "OrderedDict"),
        ("collections\r", "OrderedDict"),
        ("", ""),
    ] {
        assert_violates(&of_protocol_2().global(module, name).stop(), "it names");
    }
}

#[test]
fn names_of_python_2_are_mapped_only_under_its_protocols() {
    assert_harmless(&of_protocol_2().global("__builtin__", "set").stop());
    assert_violates(
        &Pickle::protocol(3).global("__builtin__", "set").stop(),
        "`__builtin__.set`",
    );
    assert_violates(
        &of_protocol_2().global("__builtin__", "eval").stop(),
        "`builtins.eval`",
    );
    assert_violates(
        &of_protocol_2().global("commands", "getoutput").stop(),
        "`subprocess.getoutput`",
    );
}

#[test]
fn every_published_way_out_is_on_no_list() {
    for (module, name) in DANGEROUS {
        assert_violates(&of_protocol_2().global(module, name).stop(), "it names");
    }
}

#[test]
fn what_runs_code_can_not_be_allowed() {
    for line in [
        "os system",
        "posix system",
        "nt system",
        "sys modules",
        "subprocess Popen",
        "builtins eval",
        "builtins getattr",
        "__builtin__ eval",
        "builtins __import__",
        "builtins open",
        "torch load",
        "torch.storage _load_from_bytes",
        "torch.hub load",
        "importlib import_module",
        "operator attrgetter",
        "functools partial",
        "pickle loads",
        "numpy load",
        "types CodeType",
        "ultralytics.nn.tasks DetectionModel",
        "multiprocessing.spawn prepare",
        "runpy run_path",
        "shutil copy",
        "io open",
        "pip main",
        "numpy __builtins__",
        "torch os",
        "torch.serialization io",
        "uuid _get_command_stdout",
        "numpy.testing._private.utils runstring",
    ] {
        let error = AllowList::parse(line).unwrap_err().to_string();
        assert!(error.contains("can't be allowed"), "{error}");
    }
}

#[test]
fn a_line_is_a_module_and_a_name() {
    assert!(
        AllowList::parse("# note\n\nargparse Namespace\nomegaconf.listconfig ListConfig\n").is_ok()
    );
    for (line, number) in [
        ("argparse", 1),
        ("argparse  Namespace", 1),
        (" argparse Namespace", 1),
        ("argparse Namespace.x", 1),
        ("argparse *", 1),
        ("\nargparse.* x", 2),
        ("arg\u{200b}parse Namespace", 1),
    ] {
        assert_eq!(AllowList::parse(line).unwrap_err().line, number, "{line}");
    }
}

/// Names that published bypasses of scanners called.
const DANGEROUS: [(&str, &str); 30] = [
    ("numpy.f2py.crackfortran", "getlincoef"),
    ("numpy.testing._private.utils", "runstring"),
    ("torch._dynamo.guards", "GuardBuilder.get"),
    ("torch.utils.bottleneck.__main__", "run_cprofile"),
    (
        "torch.fx.experimental.symbolic_shapes",
        "ShapeEnv.evaluate_guards_expression",
    ),
    ("torch.utils.collect_env", "run"),
    ("torch.jit.unsupported_tensor_ops", "execWrapper"),
    ("torch.utils.data.datapipes.utils.decoder", "basichandlers"),
    ("idlelib.pyshell", "ModifiedInterpreter.runcommand"),
    ("lib2to3.pgen2.pgen", "ParserGenerator.make_label"),
    ("ensurepip", "_run_pip"),
    ("timeit", "timeit"),
    ("cProfile", "run"),
    ("trace", "Trace.run"),
    ("doctest", "debug_script"),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
    ("distutils.file_util", "write_file"),
    ("_io", "FileIO"),
    ("pkgutil", "resolve_name"),
    ("uuid", "_get_command_stdout"),
    ("imaplib", "IMAP4_stream"),
    ("_pyrepl.pager", "pipe_pager"),
    ("_osx_support", "_read_output"),
    ("_aix_support", "_read_cmd_output"),
    ("mailcap", "findmatch"),
    ("logging.config", "_resolve"),
    ("code", "InteractiveInterpreter.runcode"),
    ("venv", "create"),
    ("ctypes", "CDLL"),
    ("cloudpickle.cloudpickle", "_make_function"),
];
