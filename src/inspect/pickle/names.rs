//! Names in pickles: how Python 2 ones are mapped, and which are dangerous whatever they are given.

/// Whether `text` is an ASCII Python identifier.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether `text` is one or more identifiers joined by dots.
pub(super) fn is_dotted_identifier(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

/// The module that CPython takes under protocols 0 to 2 for a Python 2 module name
/// (`Lib/_compat_pickle.py`, the entries whose new module matters to a rule here).
pub(super) fn modern_module(module: &str) -> &str {
    match module {
        "__builtin__" => "builtins",
        "copy_reg" => "copyreg",
        "cPickle" => "pickle",
        "commands" => "subprocess",
        "Queue" => "queue",
        "SocketServer" => "socketserver",
        "SimpleXMLRPCServer" => "xmlrpc.server",
        "BaseHTTPServer" | "SimpleHTTPServer" | "CGIHTTPServer" => "http.server",
        "httplib" => "http.client",
        "StringIO" | "cStringIO" => "io",
        "UserDict" | "UserList" | "UserString" => "collections",
        "urllib2" => "urllib.request",
        other => other,
    }
}

/// Whether a pair can never be added to an allow-list: it runs code, or reaches files, processes
/// or the network, whatever its arguments are.
pub(super) fn never_allowed(module: &str, name: &str) -> bool {
    let module = modern_module(module);
    if name.contains('.') || !is_dotted_identifier(module) {
        return true;
    }
    // `numpy.__builtins__`, `torch.os`: what a module happens to hold beside its own names.
    if name.starts_with("__") || is_dangerous_package(name) {
        return true;
    }
    let package = module.split('.').next().unwrap_or(module);
    match (module, name) {
        ("builtins", _) => is_dangerous_builtin(name),
        ("torch", "load" | "save" | "compile") => true,
        ("torch.storage", "_load_from_bytes") => true,
        ("torch.serialization", "load" | "_load" | "_legacy_load" | "save") => true,
        ("numpy", "load" | "loads" | "fromfile" | "memmap" | "save" | "savez") => true,
        ("pandas", "read_pickle" | "eval") => true,
        ("logging.config", _) => true,
        _ if module.starts_with("torch.hub") || module.starts_with("torch.utils.cpp_extension") => {
            true
        }
        _ if module.starts_with("torch.jit") || module.starts_with("torch.package") => true,
        _ if RUNNERS.iter().any(|runner| module.starts_with(runner)) => true,
        _ if module.starts_with("multiprocessing")
            || module.starts_with("torch.multiprocessing") =>
        {
            true
        }
        _ => is_dangerous_package(package),
    }
}

/// Modules of PyTorch and NumPy whose functions compile, run or fetch what they are given.
const RUNNERS: [&str; 11] = [
    "torch._dynamo",
    "torch._inductor",
    "torch.distributed.nn.jit",
    "torch.fx.experimental",
    "torch.utils._config_module",
    "torch.utils.bottleneck",
    "torch.utils.collect_env",
    "torch.utils.data.datapipes.utils.decoder",
    "numpy.f2py",
    "numpy.distutils",
    "numpy.testing",
];

fn is_dangerous_builtin(name: &str) -> bool {
    matches!(
        name,
        "getattr"
            | "setattr"
            | "delattr"
            | "eval"
            | "exec"
            | "execfile"
            | "compile"
            | "__import__"
            | "open"
            | "file"
            | "input"
            | "raw_input"
            | "globals"
            | "locals"
            | "vars"
            | "dir"
            | "apply"
            | "reload"
            | "breakpoint"
            | "memoryview"
            | "map"
            | "filter"
            | "reduce"
            | "classmethod"
            | "staticmethod"
            | "property"
            | "super"
            | "type"
            | "help"
            | "__build_class__"
            | "exit"
            | "quit"
    )
}

fn is_dangerous_package(package: &str) -> bool {
    matches!(
        package,
        "os" | "posix"
            | "nt"
            | "posixpath"
            | "ntpath"
            | "sys"
            | "subprocess"
            | "_posixsubprocess"
            | "shutil"
            | "pty"
            | "popen2"
            | "platform"
            | "importlib"
            | "imp"
            | "_imp"
            | "runpy"
            | "pkgutil"
            | "zipimport"
            | "code"
            | "codeop"
            | "pdb"
            | "bdb"
            | "cProfile"
            | "profile"
            | "trace"
            | "timeit"
            | "doctest"
            | "unittest"
            | "pydoc"
            | "idlelib"
            | "lib2to3"
            | "ctypes"
            | "_ctypes"
            | "cffi"
            | "socket"
            | "_socket"
            | "ssl"
            | "socketserver"
            | "http"
            | "urllib"
            | "urllib2"
            | "requests"
            | "aiohttp"
            | "httpx"
            | "smtplib"
            | "ftplib"
            | "telnetlib"
            | "poplib"
            | "imaplib"
            | "xmlrpc"
            | "webbrowser"
            | "asyncio"
            | "asyncore"
            | "io"
            | "_io"
            | "tempfile"
            | "fileinput"
            | "glob"
            | "pickle"
            | "_pickle"
            | "cloudpickle"
            | "dill"
            | "joblib"
            | "marshal"
            | "shelve"
            | "dbm"
            | "sqlite3"
            | "yaml"
            | "site"
            | "signal"
            | "threading"
            | "_thread"
            | "sched"
            | "concurrent"
            | "operator"
            | "_operator"
            | "functools"
            | "_functools"
            | "itertools"
            | "inspect"
            | "types"
            | "gc"
            | "ast"
            | "dis"
            | "linecache"
            | "ensurepip"
            | "pip"
            | "setuptools"
            | "distutils"
            | "venv"
            | "builtins"
            | "ultralytics"
            | "resource"
            | "mmap"
            | "readline"
            | "atexit"
            | "nturl2path"
            | "winreg"
            | "_winreg"
            | "msilib"
            | "_winapi"
            | "test"
            | "faulthandler"
            | "mailcap"
            | "uuid"
            | "_osx_support"
            | "_aix_support"
            | "_pyrepl"
            | "nntplib"
            | "cgitb"
            | "pyclbr"
            | "antigravity"
            | "hydra"
            | "numexpr"
    )
}
