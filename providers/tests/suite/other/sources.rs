//! Sources and selections.

use super::*;

#[test]
fn web_addresses_are_claimed_and_nothing_else() {
    let other = other();
    for source in [
        "https://example.com/model.safetensors",
        "HTTP://example.com:8080/x?sig=a%2Bb",
        "  https://example.com/x  ",
    ] {
        let read = other.parse(source).unwrap().unwrap();
        assert!(matches!(read.locator, Locator::Other { .. }), "{source}");
    }
    for source in [
        "acme/tiny",
        "hf://acme/tiny",
        "civitai:4384",
        "urn:air:sd1:model:civitai:1@2",
        "C:\\x",
        "",
    ] {
        assert!(other.parse(source).is_none(), "{source}");
    }
}

#[test]
fn malformed_addresses_are_refused_with_an_example() {
    let other = other();
    for (source, unsupported) in [
        ("https://", false),
        ("https:example.com/x", false),
        ("https://user:s3cret@example.com/x", false),
        ("https://hf.co@evil/", false),
        ("https://example.com/a b", false),
        ("https://example.com/a\r\nX: y", false),
        ("https://example.com:99999/", false),
        ("https://[fe80::1%25eth0]/", false),
        ("file:///etc/passwd", true),
        ("ftp://example.com/x", true),
        ("s3://bucket/key", true),
        ("javascript:alert(1)", true),
        ("https://drive.google.com/drive/folders/1AbC", true),
    ] {
        let error = other.parse(source).unwrap().unwrap_err();
        assert_eq!(error.unsupported, unsupported, "{source}");
        assert!(error.example.contains("https://"), "{source}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    let error = other
        .parse("https://user:pw@example.com/x")
        .unwrap()
        .unwrap_err();
    assert!(error.message.contains("credentials set"), "{error}");
}

#[tokio::test]
async fn a_selection_that_means_nothing_here_is_refused() {
    let hub = hub().await;
    let url = format!("{}/big.bin", hub.files_url());
    let refused = async |change: fn(&mut Reference)| {
        let mut source = at(&url);
        change(&mut source);
        other()
            .resolve(&source, &Auth::anonymous())
            .await
            .map(drop)
            .map_err(|error| error.kind)
    };
    let invalid = Err(ErrorKind::InvalidSource);
    assert_eq!(
        refused(|s| s.selection.revision = Some("main".into())).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.include = vec!["*.gguf".into()]).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.exclude = vec!["*".into()]).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.include = vec![String::new()]).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.include = vec!["*.bin".into()]).await,
        Ok(())
    );
}

#[tokio::test]
async fn the_users_sha256_is_what_the_file_must_hash_to() {
    let hub = hub().await;
    let mut source = at(&format!("{}/big.bin", hub.files_url()));
    source.selection.sha256 = "ab".repeat(32).parse().ok();
    let plan = other().resolve(&source, &Auth::anonymous()).await.unwrap();
    assert_eq!(plan.artifacts[0].digests.sha256, source.selection.sha256);
}
