//! The hub's limits and notices.

use super::*;

#[tokio::test]
async fn a_spent_allowance_is_waited_for_and_the_resolve_goes_on() {
    let harbour = standard().await;
    harbour
        .hub
        .order(Fault::rate_limited(0).path("/tree/").times(1));
    let start = std::time::Instant::now();
    harbour.plan("acme/many").await;
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "a second more than told"
    );
    let statuses: Vec<_> = harbour
        .hub
        .requests()
        .iter()
        .map(|seen| seen.status)
        .collect();
    assert_eq!(statuses, [200, 429, 200]);
}

#[tokio::test]
async fn what_is_left_of_an_allowance_is_no_reason_to_wait() {
    let (_server, provider) = raw_hub(|line, _| match line {
        tree if tree.contains("/tree/") => answer(
            "200 OK",
            "RateLimit: \"api\";r=0;t=300\r\nRateLimit-Policy: \"fixed window\";\"api\";q=500;w=300\r\n",
            r#"[{"type":"file","path":"f.txt","size":1}]"#,
        ),
        _ => answer("404 Not Found", "", ""),
    })
    .await;
    resolve_raw(&provider).await.unwrap();
}

#[tokio::test]
async fn one_answer_of_429_holds_back_every_worker_of_the_process() {
    let harbour = standard().await;
    let endpoint = SafeUrl::parse(&harbour.hub.huggingface_url()).unwrap();
    let http = Http::new(settings(&endpoint)).unwrap();
    let workers = [
        HuggingFace::new(endpoint.clone(), http.clone()),
        HuggingFace::new(endpoint, http),
    ];
    harbour.hub.order(Fault::rate_limited(9000));
    for worker in &workers {
        let reference = worker.parse("acme/tiny").unwrap().unwrap();
        let error = failure(worker.resolve(&reference, &Auth::anonymous()).await);
        assert_eq!(error.kind, ErrorKind::RateLimited);
        assert!(error.retry_after.unwrap() > Duration::from_secs(8990));
        assert!(error.hint.unwrap().contains("token"));
    }
    assert_eq!(harbour.hub.requests().len(), 1, "the second did not ask");
}

#[tokio::test]
async fn trouble_that_passes_is_asked_through() {
    for status in [408, 500, 502, 503, 504] {
        let harbour = standard().await;
        harbour
            .hub
            .order(Fault::status(status).path("/tree/").times(2));
        harbour.plan("acme/many").await;
        assert_eq!(harbour.hub.requests().len(), 4, "{status}");
    }
    let harbour = standard().await;
    harbour
        .hub
        .order(Fault::hang_up().path("/revision/").times(1));
    harbour.plan("acme/many").await;
}

#[tokio::test]
async fn a_notice_of_the_hub_is_passed_on() {
    let server = Raw::start(|head, _| {
        if head.contains("/revision/main ") {
            let body = format!(r#"{{"sha":"{SHA}","gated":false,"private":false}}"#);
            return answer("200 OK", "X-HF-Warning: deprecation; use another name\r\n", &body);
        }
        json(r#"[{"type":"file","path":"f.txt","size":1,"oid":"0123456789abcdef0123456789abcdef01234567"}]"#)
    })
    .await;
    let plan = resolve_raw(&provider_at(&server.url(""))).await.unwrap();
    assert_eq!(codes(&plan), ["hub_notice"]);
    assert_eq!(plan.warnings[0].message, "deprecation; use another name");
}
