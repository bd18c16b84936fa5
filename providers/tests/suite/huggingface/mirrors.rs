//! Mirrors with ways of their own.

use super::*;

fn with(change: impl FnOnce(&mut Mirror)) -> Mirror {
    let mut mirror = Mirror::default();
    change(&mut mirror);
    mirror
}

/// Each way by itself, and all of them at once.
fn awkward() -> Vec<(&'static str, Mirror)> {
    let upstream = || Some("https://huggingface.co".to_owned());
    vec![
        ("the hub itself", Mirror::default()),
        ("no range", with(|m| m.no_range = true)),
        ("no length", with(|m| m.no_length = true)),
        ("unquoted tags", with(|m| m.unquoted_etag = true)),
        ("form only", with(|m| m.form_only_paths_info = true)),
        ("no xet", with(|m| m.xet = false)),
        ("serves itself", with(|m| m.serves_directly = true)),
        ("tree with a slash", with(|m| m.tree_slash = true)),
        ("gzip unless told", with(|m| m.gzip_if_unsaid = true)),
        ("upstream link", with(|m| m.link_host = upstream())),
        ("relative link", with(|m| m.relative_link = true)),
        ("small pages", with(|m| m.page_size = 2)),
        (
            "all at once",
            Mirror {
                page_size: 3,
                expanded_page_size: 1,
                link_host: upstream(),
                relative_link: false,
                no_range: true,
                no_length: true,
                unquoted_etag: true,
                form_only_paths_info: true,
                xet: false,
                serves_directly: true,
                tree_slash: true,
                gzip_if_unsaid: true,
            },
        ),
    ]
}

#[tokio::test]
async fn every_mirror_gives_the_same_plan_and_the_same_bytes() {
    let expected = standard().await.plan("acme/tiny").await.artifacts;
    for (name, mirror) in awkward() {
        let harbour = harbour(Scene::standard().mirror(mirror)).await;
        let plan = harbour.plan("acme/tiny").await;
        assert_eq!(plan.artifacts, expected, "{name}");
        let held = harbour.held("acme/tiny");
        for file in &plan.artifacts {
            harbour
                .provider
                .may_read(file, &Auth::anonymous())
                .await
                .unwrap();
            let bytes = harbour.bytes(file).await;
            assert_eq!(
                bytes,
                held[file.path.as_str()].to_vec(),
                "{name}: {}",
                file.path
            );
        }
        let one = harbour.plan("hf://acme/tiny/sub/extra.bin").await;
        assert_eq!(paths(&one), ["sub/extra.bin"], "{name}");
        let folder = harbour.plan("hf://acme/tiny/sub").await;
        assert_eq!(folder.artifacts.len(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_part_from_any_mirror_says_where_it_starts() {
    for (name, mirror) in awkward() {
        let ignores_ranges = mirror.no_range;
        let harbour = harbour(Scene::standard().mirror(mirror)).await;
        let file = harbour
            .plan("hf://acme/tiny/model.safetensors")
            .await
            .artifacts
            .remove(0);
        let first = harbour
            .open(&file, &part(0, Some(100), None))
            .await
            .unwrap();
        let asked = part(5000, Some(6000), first.validator.clone());
        let body = harbour.open(&file, &asked).await.unwrap();
        let expected = if ignores_ranges { 0 } else { 5000 };
        assert_eq!(body.offset, expected, "{name}");
        let truth = harbour.held("acme/tiny")["model.safetensors"].to_vec();
        let bytes = read(body).await;
        let from = expected as usize;
        assert_eq!(bytes, truth[from..from + bytes.len()], "{name}");
    }
}

#[tokio::test]
async fn a_mirror_without_paths_info_is_searched_by_its_listing() {
    for status in [404, 405, 422, 501] {
        let harbour = standard().await;
        harbour.hub.order(Fault::status(status).path("paths-info"));
        let one = harbour.plan("hf://acme/tiny/sub/extra.bin").await;
        assert_eq!(paths(&one), ["sub/extra.bin"], "{status}");
        let folder = harbour.plan("hf://acme/tiny/sub").await;
        assert_eq!(folder.artifacts.len(), 2, "{status}");
        let error = failure(harbour.resolve("hf://acme/tiny/nothing.bin").await);
        assert_eq!(error.kind, ErrorKind::NotFound, "{status}");
    }
}

#[tokio::test]
async fn an_endpoint_below_a_prefix_is_asked_below_it() {
    let server = Raw::start(|_, _| answer("404 Not Found", "", "")).await;
    let endpoint = server.url("/hf");
    let provider = provider_at(&endpoint);
    let pasted = endpoint.as_url().to_string() + "/acme/tiny/tree/main";
    for source in ["acme/tiny", pasted.as_str()] {
        let reference = provider.parse(source).unwrap().unwrap();
        failure(provider.resolve(&reference, &Auth::anonymous()).await);
    }
    for head in server.heads() {
        assert!(
            head.starts_with("GET /hf/api/models/acme/tiny/revision/main "),
            "{head}"
        );
    }
}

#[tokio::test]
async fn a_hub_address_is_asked_of_the_configured_endpoint() {
    let harbour = standard().await;
    let plan = harbour.plan("https://huggingface.co/acme/tiny").await;
    assert_eq!(plan.artifacts.len(), 7);
    assert!(plan.page.starts_with(&harbour.hub.huggingface_url()));
}
