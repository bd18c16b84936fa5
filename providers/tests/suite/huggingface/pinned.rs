//! What the hub says on its redirect, held against what was pinned.

use super::super::raw::redirect;
use super::*;

const OID: &str = "abababababababababababababababababababababababababababababababab";

/// A raw hub with one LFS file of one byte, whose redirect carries `headers`.
async fn redirecting(headers: &str) -> (Raw, HuggingFace, Artifact) {
    let headers = headers.to_owned();
    let (server, provider) = raw_hub(move |line, _| {
        if line.contains("/tree/") {
            return json(&format!(
                r#"[{{"type":"file","path":"f.bin","size":1,"oid":"00","lfs":{{"oid":"{OID}","size":1}}}}]"#
            ));
        }
        if line.contains("/paths-info/") {
            return answer("404 Not Found", "", "");
        }
        if line.contains("/storage") {
            return answer("200 OK", "ETag: \"cafe\"\r\n", "x");
        }
        answer("302 Found", &format!("Location: /storage\r\n{headers}"), "")
    })
    .await;
    let file = resolve_raw(&provider).await.unwrap().artifacts.remove(0);
    (server, provider, file)
}

#[tokio::test]
async fn a_redirect_that_speaks_of_another_file_is_a_changed_source() {
    let other = "cd".repeat(32);
    for (headers, is_changed) in [
        (String::new(), false),
        (format!("X-Repo-Commit: {SHA}\r\n"), false),
        (format!("X-Repo-Commit: {}\r\n", SHA.to_uppercase()), false),
        (format!("X-Repo-Commit: {}\r\n", "f".repeat(40)), true),
        ("X-Linked-Size: 1\r\n".into(), false),
        ("X-Linked-Size: 2\r\n".into(), true),
        (format!("X-Linked-ETag: \"{OID}\"\r\n"), false),
        (format!("X-Linked-ETag: {OID}\r\n"), false),
        (format!("X-Linked-ETag: W/\"{OID}\"\r\n"), false),
        (format!("X-Linked-ETag: \"{other}\"\r\n"), true),
        // The hash of a file kept in git is another sort of hash.
        (format!("X-Linked-ETag: \"{SHA}\"\r\n"), false),
    ] {
        let (_server, provider, file) = redirecting(&headers).await;
        let auth = Auth::anonymous();
        for outcome in [
            provider.may_read(&file, &auth).await,
            provider
                .open(&file, &ByteRange::whole(), &auth)
                .await
                .map(drop),
        ] {
            let kind = outcome.map_err(|error| failure::<()>(Err(error)).kind);
            let expected = if is_changed {
                Err(ErrorKind::SourceChanged)
            } else {
                Ok(())
            };
            assert_eq!(kind, expected, "{headers}");
        }
    }
}

#[tokio::test]
async fn a_later_revision_of_a_branch_is_another_plan_and_the_old_one_still_opens() {
    let harbour = standard().await;
    let before = harbour.plan("acme/tiny").await;
    let config = |plan: &Plan| {
        let mut files = plan.artifacts.iter();
        files
            .find(|file| file.path.as_str() == "config.json")
            .unwrap()
            .clone()
    };
    harbour.hub.change_scene(|scene| {
        let repo = scene.repo_mut("acme/tiny").unwrap();
        repo.commit(|tree| tree.put(RepoFile::plain("config.json", Content::bytes("{}"))));
    });
    let after = harbour.plan("acme/tiny").await;
    assert_ne!(before.revision, after.revision);
    assert_eq!(harbour.bytes(&config(&after)).await, b"{}");
    assert!(
        harbour.bytes(&config(&before)).await.len() > 2,
        "the commit pinned then"
    );
}

#[tokio::test]
async fn a_circle_of_the_hubs_own_redirects_ends() {
    let (server, provider) = raw_hub(|line, _| match line {
        tree if tree.contains("/tree/") => json(r#"[{"type":"file","path":"f","size":1}]"#),
        _ => redirect("/again"),
    })
    .await;
    let file = resolve_raw(&provider).await.unwrap().artifacts.remove(0);
    let before = server.heads().len();
    let error = failure(provider.may_read(&file, &Auth::anonymous()).await);
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(server.heads().len() - before <= 11);
}
