use super::*;

fn sources(text: &str, format: Format) -> Vec<(usize, String)> {
    let lines = parse(text, format, &Wanted::default()).unwrap();
    lines
        .into_iter()
        .map(|line| (line.number, line.entry.unwrap().source))
        .collect()
}

#[test]
fn a_plain_list_is_read_without_its_comments() {
    let cases: &[(&str, &[(usize, &str)])] = &[
        ("", &[]),
        ("\n\n  \n", &[]),
        ("acme/tiny", &[(1, "acme/tiny")]),
        (
            "\u{feff}acme/tiny\r\nacme/data\r\n",
            &[(1, "acme/tiny"), (2, "acme/data")],
        ),
        (
            "# all of it\n\n  acme/tiny  # the small one\n",
            &[(3, "acme/tiny")],
        ),
        ("https://h/x#part\n", &[(1, "https://h/x#part")]),
        ("\t#x\n#\n", &[]),
    ];
    for (text, expected) in cases {
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, s)| (*n, (*s).to_owned()))
            .collect();
        assert_eq!(sources(text, Format::Lines), expected, "{text:?}");
    }
}

#[test]
fn a_table_gives_each_row_its_own_choice_and_the_rest_the_command_lines() {
    let text = "source,kind,revision,include,exclude,sha256\n\
                acme/tiny,model,v1,*.json; *.safetensors,tok*,\n\
                # a comment\n\
                \"https://h/a,b\",,,,,abababababababababababababababababababababababababababababababab\n";
    let mut wanted = Wanted::default();
    wanted.selection.revision = Some("main".into());
    let lines = parse(text, Format::Csv, &wanted).unwrap();
    let [first, second] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let (first, second) = (
        first.entry.as_ref().unwrap(),
        second.entry.as_ref().unwrap(),
    );
    assert_eq!(first.wanted.selection.revision.as_deref(), Some("v1"));
    assert_eq!(first.wanted.selection.include, ["*.json", "*.safetensors"]);
    assert_eq!(first.wanted.selection.exclude, ["tok*"]);
    assert!(first.wanted.kind.is_some() && first.wanted.selection.sha256.is_none());
    assert_eq!(second.source, "https://h/a,b");
    assert_eq!(second.wanted.selection.revision.as_deref(), Some("main"));
    assert!(second.wanted.selection.sha256.is_some());
    assert_eq!(lines[1].number, 4);
}

#[test]
fn json_lines_take_globs_as_a_list_or_a_text() {
    let text = "{\"source\":\"acme/tiny\",\"include\":[\"a;b\",\"c\"]}\n\n{\"source\":\"acme/data\",\"exclude\":\"a; b\"}\n";
    let lines = parse(text, Format::Jsonl, &Wanted::default()).unwrap();
    assert_eq!(
        lines[0].entry.as_ref().unwrap().wanted.selection.include,
        ["a;b", "c"]
    );
    assert_eq!(
        lines[1].entry.as_ref().unwrap().wanted.selection.exclude,
        ["a", "b"]
    );
    assert_eq!(lines[1].number, 3);
}

#[test]
fn a_header_that_can_not_be_used_refuses_the_whole_list() {
    let cases = [
        ("url,kind\nacme/tiny,model\n", "no column `url`"),
        ("kind\nmodel\n", "no column `source`"),
        ("source,source\na/b,a/b\n", "`source` is there twice"),
        ("acme/tiny\nacme/data\n", "no column `acme/tiny`"),
    ];
    for (text, why) in cases {
        let error = parse(text, Format::Csv, &Wanted::default()).unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        assert!(error.message.contains(why), "{}", error.message);
        assert!(error.hint.unwrap().contains("source,kind,revision"));
    }
}

#[test]
fn a_bad_line_is_kept_with_its_number_and_what_is_wrong() {
    let cases = [
        (Format::Csv, "source,kind\na/b\n", 2, "header"),
        (Format::Csv, "source,kind\na/b,poem\n", 2, "its kind"),
        (Format::Csv, "source,sha256\na/b,12\n", 2, "its sha256"),
        (
            Format::Jsonl,
            "{\"source\":\"a/b\"}\n{\"source\":1}\n",
            2,
            "no JSON object",
        ),
        (Format::Jsonl, "{\"sauce\":\"a/b\"}\n", 1, "sauce"),
        (Format::Jsonl, "{\"kind\":\"model\"}\n", 1, "source"),
        (Format::Jsonl, "acme/tiny\n", 1, "no JSON object"),
    ];
    for (format, text, number, why) in cases {
        let lines = parse(text, format, &Wanted::default()).unwrap();
        let bad = lines.last().unwrap();
        assert_eq!(bad.number, number, "{text}");
        let error = bad.entry.as_ref().unwrap_err();
        assert!(error.message.contains(why), "{text}: {}", error.message);
    }
}

#[test]
fn the_name_tells_the_format() {
    for (name, format) in [
        ("list", Format::Lines),
        ("list.txt", Format::Lines),
        ("-", Format::Lines),
        ("a.CSV", Format::Csv),
        ("a.jsonl", Format::Jsonl),
        ("a.ndjson", Format::Jsonl),
    ] {
        assert_eq!(Format::of_name(name), format, "{name}");
    }
}
