//! Listings that no hub would send.

use super::*;

/// What comes of a repository whose tree is `entries`.
async fn listed(entries: &str) -> Result<Plan, ProviderError> {
    let body = format!("[{entries}]");
    let (_server, provider) = raw_hub(move |line, _| match line {
        tree if tree.contains("/tree/") => json(&body),
        _ => answer("404 Not Found", "", ""),
    })
    .await;
    resolve_raw(&provider).await
}

fn file(path: &str) -> String {
    let path = serde_json::to_string(path).unwrap();
    format!(r#"{{"type":"file","path":{path},"size":1,"oid":"{SHA}"}}"#)
}

#[tokio::test]
async fn names_that_can_not_be_created_safely_are_refused_by_name() {
    for path in [
        "../x",
        "a/../../x",
        "..",
        ".",
        "a/./b",
        "/etc/passwd",
        "a//b",
        "a/",
        "",
        "a\\b",
        "..\\x",
        "C:x",
        "C:/x",
        "CON",
        "a/nul.txt",
        "COM1.bin",
        "a.",
        "a ",
        "a:b",
        "x\u{202e}gpj",
        "a\u{200b}b",
        "a\u{0}b",
        "a\nb",
        "a\u{1b}[31m",
    ] {
        let error = failure(listed(&file(path)).await);
        assert_eq!(error.kind, ErrorKind::Upstream, "{path:?}");
        assert!(
            !error.message.chars().any(char::is_control),
            "{path:?}: {error}"
        );
    }
    for long in ["x".repeat(256), vec!["d"; 2100].join("/")] {
        assert_eq!(
            failure(listed(&file(&long)).await).kind,
            ErrorKind::Upstream
        );
    }
}

#[tokio::test]
async fn a_bad_name_that_is_left_out_does_no_harm() {
    let body = format!("[{},{}]", file("a:b"), file("good.bin"));
    let (_server, provider) = raw_hub(move |line, _| match line {
        tree if tree.contains("/tree/") => json(&body),
        _ => answer("404 Not Found", "", ""),
    })
    .await;
    let mut reference = provider.parse("a/b").unwrap().unwrap();
    reference.selection.exclude = vec!["a?b".into()];
    let plan = provider
        .resolve(&reference, &Auth::anonymous())
        .await
        .unwrap();
    assert_eq!(paths(&plan), ["good.bin"]);
}

#[tokio::test]
async fn no_two_files_of_a_plan_have_one_path() {
    for (first, second) in [
        ("a.bin", "a.bin"),
        ("caf\u{e9}.bin", "cafe\u{301}.bin"),
        ("a", "a/b"),
        ("a/b/c", "a/b"),
    ] {
        let error = failure(listed(&format!("{},{}", file(first), file(second))).await);
        assert_eq!(error.kind, ErrorKind::Upstream, "{first} and {second}");
    }
}

#[tokio::test]
async fn names_that_some_file_systems_take_for_one_are_warned_of() {
    for (first, second) in [
        ("README.md", "readme.md"),
        ("\u{fb01}le", "file"),
        ("STRASSE", "strasse"),
    ] {
        let plan = listed(&format!("{},{}", file(first), file(second)))
            .await
            .unwrap();
        assert_eq!(codes(&plan), ["case_twins"], "{first} and {second}");
        assert!(plan.warnings[0].message.contains(second));
        assert_eq!(plan.artifacts.len(), 2, "both land");
    }
}

#[tokio::test]
async fn sizes_that_no_file_has_are_refused() {
    let sized =
        |size: &str| format!(r#"{{"type":"file","path":"f{size}","size":{size},"oid":"{SHA}"}}"#);
    for size in [
        "9223372036854775808",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1.5",
        "\"7\"",
    ] {
        assert_eq!(
            failure(listed(&sized(size)).await).kind,
            ErrorKind::Upstream,
            "{size}"
        );
    }
    let half = sized("4503599627370497");
    let again = half.replace("\"path\":\"f", "\"path\":\"g");
    assert!(listed(&half).await.is_ok());
    let error = failure(listed(&format!("{half},{again}")).await);
    assert_eq!(
        error.kind,
        ErrorKind::Upstream,
        "their sum overflows what is counted exactly"
    );
}

#[tokio::test]
async fn hashes_that_are_none_are_refused_and_missing_ones_told() {
    let entry = |rest: &str| format!(r#"{{"type":"file","path":"f","size":1{rest}}}"#);
    for rest in [
        r#","oid":"xyz""#,
        r#","oid":"""#,
        r#","oid":"00","lfs":{"oid":"abc","size":1}"#,
        r#","oid":"00","lfs":{"oid":"sha256:abc","size":1}"#,
    ] {
        let error = failure(listed(&entry(rest)).await);
        assert_eq!(error.kind, ErrorKind::Upstream, "{rest}");
        assert!(error.message.contains("hash"), "{error}");
    }
    for rest in [
        "",
        r#","oid":null"#,
        r#","lfs":{}"#,
        r#","xetHash":"ab","oid":"cd""#,
    ] {
        let plan = listed(&entry(rest)).await.unwrap();
        assert_eq!(codes(&plan), ["no_hash"], "{rest}");
        assert_eq!(plan.artifacts[0].digests, Default::default());
    }
}

#[tokio::test]
async fn a_size_of_the_pointer_is_not_the_files() {
    let oid = "ab".repeat(32);
    let entry = format!(
        r#"{{"type":"file","path":"f","size":134,"oid":"{SHA}","lfs":{{"oid":"{oid}","size":9000,"pointerSize":134}}}}"#
    );
    let plan = listed(&entry).await.unwrap();
    assert_eq!(plan.artifacts[0].size, Size::Exact(9000));
    assert_eq!(plan.artifacts[0].digests.sha256.unwrap().to_string(), oid);
    assert_eq!(
        plan.artifacts[0].digests.git_sha1, None,
        "that is the pointer's"
    );
}

#[tokio::test]
async fn entries_of_unknown_sorts_are_passed_over() {
    let odd = r#"{"type":"submodule","path":"vendored","oid":"x"}"#;
    let plan = listed(&format!("{odd},{}", file("f"))).await.unwrap();
    assert_eq!(paths(&plan), ["f"]);
}

#[tokio::test]
async fn a_commit_that_is_none_is_never_pinned() {
    for sha in ["null", "\"main\"", "\"../../x\"", "7"] {
        let body = format!(r#"{{"id":"a/b","sha":{sha},"gated":false,"private":false}}"#);
        let server = Raw::start(move |_, _| json(&body)).await;
        let error = failure(resolve_raw(&provider_at(&server.url(""))).await);
        assert_eq!(error.kind, ErrorKind::Upstream, "{sha}");
    }
}

#[tokio::test]
async fn a_name_of_today_that_is_none_is_not_believed() {
    let server = Raw::start(|head, _| {
        if head.contains("/revision/main ") {
            return json(&format!(
                r#"{{"id":"../../etc","sha":"{SHA}","gated":false,"private":false}}"#
            ));
        }
        json(&format!("[{}]", file("f")))
    })
    .await;
    let plan = resolve_raw(&provider_at(&server.url(""))).await.unwrap();
    assert_eq!(plan.name, "a/b");
}
