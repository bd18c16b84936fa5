use super::{is_text, sort};
use crate::inspect::{Format, tests::look};

#[test]
fn text_is_told_from_binary() {
    let yes: [&[u8]; 6] = [
        b"hello\r\n\tworld",
        "grüße".as_bytes(),
        b"\xff\xfeh\0i\0",
        b"caf\xe9 au lait, s'il vous plait",
        b"\x1b[31mred",
        b"a\xc3",
    ];
    for text in yes {
        assert!(is_text(text, false), "{text:?}");
    }
    let no: [&[u8]; 3] = [b"a\0b", b"\x01\x02\x03", b"\xe9\xe9\xe9\xe9"];
    for binary in no {
        assert!(!is_text(binary, false), "{binary:?}");
    }
    assert!(
        is_text(b"caf\xc3 \xe0 la carte", true),
        "an old encoding, to its end"
    );
}

#[test]
fn sorts_of_text_are_told_apart() {
    let table: [(&str, &str, Format); 18] = [
        ("a", "<!doctype HTML><p>", Format::Html),
        ("a.txt", "\u{feff}  <!-- c --><html>", Format::Html),
        ("a", "<header>", Format::Text),
        ("a.svg", "<svg xmlns='x'/>", Format::Svg),
        ("a", "<?xml version='1.0'?><svg/>", Format::Svg),
        ("a", "<?xml version='1.0'?><a/>", Format::Xml),
        ("a.xml", "<a/>", Format::Xml),
        ("a.gltf", "{\"asset\":{}}", Format::Gltf),
        ("a.json", "{\"asset\":{}}", Format::Json),
        ("a.json", "[1, 2]", Format::Json),
        ("a.cfg", "{ \"a\": 1}", Format::Json),
        ("a.cfg", "[section]", Format::Text),
        ("a.obj", "# cube\nv 0 0 0\nf 1 2 3\n", Format::Obj),
        ("a.yaml", "a: 1", Format::Yaml),
        ("a.ply", "ply\nformat ascii 1.0\n", Format::Ply),
        ("a.stl", "solid x\n facet normal 0 0 1\n", Format::Stl),
        ("a.fbx", "; FBX 7.3.0 project file", Format::Fbx),
        ("a.md", "# Title", Format::Text),
    ];
    for (path, text, format) in table {
        assert_eq!(sort(path, text.as_bytes()), format, "{path}: {text}");
    }
}

#[test]
fn what_other_programs_run_is_warned_of() {
    let table = [
        ("config.json", r#"{"auto_map": {}}"#, "auto_map"),
        (
            "tokenizer_config.json",
            r#"{"chat_template": "x"}"#,
            "Jinja",
        ),
        ("conf.yaml", "_target_: os.system", "Hydra"),
        ("conf.yml", "a: !!python/object:os.x", "YAML"),
        ("model.json", r#"{"class_name": "Lambda"}"#, "Keras Lambda"),
        ("modeling_x.py", "import os\n", "program code"),
    ];
    for (path, text, says) in table {
        let finding = look(path, text.as_bytes()).unwrap();
        assert!(
            finding.warnings[0].message.contains(says),
            "{path}: {finding:?}"
        );
    }
    assert!(
        look("README.md", b"`auto_map` is explained here")
            .unwrap()
            .warnings
            .is_empty()
    );
}
