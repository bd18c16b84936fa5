//! Pages of a tree: how many requests, where they go, how they end.

use super::*;

fn many(count: u64) -> Repo {
    Repo::many("acme/large", count, 3)
}

#[tokio::test]
async fn a_repository_of_2500_files_resolves_in_eight_requests() {
    let harbour = with_repo(many(2500)).await;
    let plan = harbour.plan("acme/large").await;
    assert_eq!(plan.artifacts.len(), 2500);
    let asked: Vec<String> = harbour
        .hub
        .requests()
        .into_iter()
        .map(|seen| seen.path)
        .collect();
    let route = |path: &String| path.split('/').nth(5).unwrap().to_owned();
    let routes: Vec<String> = asked.iter().map(route).collect();
    // Its commit; 2525 entries at 1000 a page; the scanners' words on the first 200.
    let expected = [&["revision"][..], &["tree"; 3], &["paths-info"; 4]].concat();
    assert_eq!(routes, expected);
}

#[tokio::test]
async fn ten_thousand_files_cost_one_request_a_page() {
    let harbour = with_repo(many(10_000)).await;
    let plan = harbour.plan("acme/large").await;
    assert_eq!(plan.artifacts.len(), 10_000);
    let pages = harbour
        .hub
        .requests()
        .iter()
        .filter(|seen| seen.path.contains("/tree/"))
        .count();
    assert_eq!(pages, 11, "10,100 entries");
    assert_eq!(harbour.hub.requests().len(), pages + 5);
}

#[tokio::test]
async fn a_folder_is_listed_by_itself_and_a_file_not_at_all() {
    let harbour = with_repo(many(2500)).await;
    let trees = || {
        let asked = harbour.hub.requests();
        asked
            .iter()
            .filter(|seen| seen.path.contains("/tree/"))
            .count()
    };
    assert_eq!(
        harbour
            .plan("hf://acme/large/part-007")
            .await
            .artifacts
            .len(),
        100
    );
    assert_eq!(trees(), 1);
    harbour.hub.forget_requests();
    assert_eq!(
        harbour
            .plan("hf://acme/large/part-007/000700.bin")
            .await
            .artifacts
            .len(),
        1
    );
    assert_eq!((trees(), harbour.hub.requests().len()), (0, 2));
}

#[tokio::test]
async fn pages_are_asked_of_the_own_endpoint_wherever_the_link_points() {
    let upstream = standard().await;
    for mirror in [
        Mirror {
            link_host: Some(upstream.hub.huggingface_url()),
            ..Mirror::default()
        },
        Mirror {
            link_host: Some("https://huggingface.co".into()),
            ..Mirror::default()
        },
        Mirror {
            relative_link: true,
            ..Mirror::default()
        },
    ] {
        let scene = Scene::empty().repo(many(2500)).mirror(mirror);
        let harbour = harbour(scene).await;
        let plan = harbour
            .resolve_as("acme/large", &token("hf_good"))
            .await
            .unwrap();
        assert_eq!(plan.artifacts.len(), 2500);
        let distinct: std::collections::HashSet<_> = paths(&plan).into_iter().collect();
        assert_eq!(distinct.len(), 2500);
    }
    assert!(
        upstream.hub.requests().is_empty(),
        "neither asked nor given the token"
    );
}

/// A raw hub whose every tree page is `body` with this `Link`.
async fn pages(
    link: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    body: &str,
) -> (Raw, HuggingFace) {
    let body = body.to_owned();
    raw_hub(move |line, nth| {
        if !line.contains("/tree/") {
            return answer("404 Not Found", "", "");
        }
        let link = link(nth).map_or_else(String::new, |link| format!("Link: {link}\r\n"));
        answer(
            "200 OK",
            &format!("Content-Type: application/json\r\n{link}"),
            &body,
        )
    })
    .await
}

const NO_FILES: &str = r#"[{"type":"directory","path":"d"}]"#;

#[tokio::test]
async fn pages_that_go_round_in_a_circle_end() {
    for round in [1, 2, 3] {
        let link = move |nth| Some(format!("</x?cursor={}>; rel=\"next\"", nth % round));
        let (server, provider) = pages(link, NO_FILES).await;
        let error = failure(resolve_raw(&provider).await);
        assert_eq!(error.kind, ErrorKind::Upstream);
        assert!(error.message.contains("circle"), "{error}");
        assert!(server.heads().len() <= 2 + round, "{round}");
    }
}

#[tokio::test]
async fn pages_without_entries_do_not_go_on_for_ever() {
    let link = |nth| Some(format!("</x?cursor={nth}>; rel=\"next\""));
    let (server, provider) = pages(link, "[]").await;
    let error = failure(resolve_raw(&provider).await);
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(server.heads().len() < 10);
}

#[tokio::test]
async fn a_next_page_that_can_not_be_read_is_no_end_of_the_listing() {
    for link in [
        "<https://huggingface.co/api/x>; rel=\"next\"",
        "<https://huggingface.co/api/x?>; rel=\"next\"",
        "<file:///etc/passwd?x=1>; rel=\"next\"",
        "<https://u:p@h/x?cursor=1>; rel=\"next\"",
    ] {
        let (_server, provider) = pages(move |_| Some(link.to_owned()), NO_FILES).await;
        let error = failure(resolve_raw(&provider).await);
        assert_eq!(error.kind, ErrorKind::Upstream, "{link}");
        assert!(error.message.contains("next page"), "{link}: {error}");
    }
}

#[tokio::test]
async fn a_listing_without_end_is_too_large() {
    let entry = r#"{"type":"directory","path":"d"}"#;
    let body = format!("[{}]", vec![entry; 25_000].join(","));
    let link = |nth| Some(format!("</x?cursor={nth}>; rel=\"next\""));
    let (server, provider) = pages(link, &body).await;
    let error = failure(resolve_raw(&provider).await);
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(
        server.heads().len(),
        42,
        "a million entries, and one page more"
    );
}

#[tokio::test]
async fn an_answer_of_a_million_siblings_is_refused_at_its_bound() {
    let sibling = r#"{"rfilename":"a-file-with-a-name-of-usual-length-0000000.safetensors"},"#;
    let siblings = sibling.repeat(1_000_000);
    let body = format!(
        r#"{{"sha":"{SHA}","siblings":[{}]}}"#,
        siblings.trim_end_matches(',')
    );
    let server = Raw::start(move |_, _| json(&body)).await;
    let error = failure(resolve_raw(&provider_at(&server.url(""))).await);
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(error.message.contains("more than"), "{error}");
}
