//! Asking again, waiting, and proxies.

use std::time::{Duration, Instant};

use modelferry_providers::http::{HttpSettings, Request, RetryPolicy};
use modelferry_providers::{ErrorKind, Http, SafeUrl, Token};

use super::raw::{Play, Raw, answer, client, quick};

#[tokio::test]
async fn what_passes_is_asked_for_again() {
    for status in ["500 Oops", "502 Bad Gateway", "503 Busy", "520 Cloudflare"] {
        let server =
            Raw::start(move |_, nth| answer(if nth == 0 { status } else { "200 OK" }, "", ""))
                .await;
        let got = client()
            .send(&Request::get(server.url("/x")))
            .await
            .unwrap();
        assert_eq!((got.status, server.heads().len()), (200, 2), "{status}");
    }
}

#[tokio::test]
async fn the_last_answer_of_all_tries_is_given_back() {
    let server = Raw::start(|_, _| answer("503 Busy", "", "no")).await;
    let got = client()
        .send(&Request::get(server.url("/x")))
        .await
        .unwrap();
    assert_eq!((got.status, server.heads().len()), (503, 3));
}

#[tokio::test]
async fn what_stays_is_asked_for_once() {
    for status in [
        "400 No", "401 No", "403 No", "404 No", "410 Gone", "416 No", "451 No", "501 No",
    ] {
        let server = Raw::start(move |_, _| answer(status, "", "")).await;
        client()
            .send(&Request::get(server.url("/x")))
            .await
            .unwrap();
        assert_eq!(server.heads().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_tried_again() {
    let server = Raw::start(|_, nth| match nth {
        0 => Play::Send(Vec::new()),
        _ => answer("200 OK", "", ""),
    })
    .await;
    let got = client()
        .send(&Request::get(server.url("/x")))
        .await
        .unwrap();
    assert_eq!((got.status, server.heads().len()), (200, 2));
}

#[tokio::test]
async fn a_host_that_refuses_connections_is_named_in_plain_words() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = SafeUrl::parse(&format!("http://{address}/x?sig=s3cret")).unwrap();
    let error = client().send(&Request::get(url)).await.unwrap_err();
    assert_eq!(error.message, format!("{address} refuses connections"));
    assert!(error.hint.is_some() && error.is_transient());
}

#[tokio::test]
async fn what_is_good_to_know_and_no_more_is_asked_for_once() {
    let server = Raw::start(|_, _| answer("503 Busy", "Retry-After: 60\r\n", "")).await;
    let http = client();
    let request = Request::get(server.url("/x")).best_effort();
    assert_eq!(http.send(&request).await.unwrap().status, 503);
    let start = Instant::now();
    let error = http.send(&request).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::RateLimited,
        "the host is left alone meanwhile"
    );
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_pause_that_one_request_is_told_holds_for_all_to_that_host() {
    let server = Raw::start(|head, nth| match nth {
        0 => answer("429 Slow down", "Retry-After: 1\r\n", ""),
        _ if head.starts_with("GET /first") => answer("200 OK", "", "first"),
        _ => answer("200 OK", "", "second"),
    })
    .await;
    let http = client();
    let start = Instant::now();
    let (first, second) = (
        Request::get(server.url("/first")),
        Request::get(server.url("/second")),
    );
    let later = async {
        while server.heads().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        http.send(&second).await.unwrap();
        start.elapsed()
    };
    let (first, later) = tokio::join!(http.send(&first), later);
    assert_eq!(first.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(
        later >= Duration::from_secs(1),
        "the other request did not wait: {later:?}"
    );
}

#[tokio::test]
async fn a_wait_longer_than_we_would_sit_out_is_an_error_at_once() {
    for header in ["Retry-After: 9999", "RateLimit: \"api\";r=0;t=9998"] {
        let headers = format!("{header}\r\n");
        let server = Raw::start(move |_, _| answer("429 Slow down", &headers, "")).await;
        let http = client();
        for _ in 0..2 {
            let error = http
                .send(&Request::get(server.url("/x")))
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::RateLimited);
            let wait = error.retry_after.unwrap();
            assert!((9990..=9999).contains(&wait.as_secs()), "{wait:?}");
            assert!(error.hint.is_some());
        }
        assert_eq!(
            server.heads().len(),
            1,
            "{header}: the host was asked within its pause"
        );
    }
}

/// Run by the test below in a process with proxies in its environment.
#[tokio::test]
async fn a_plain_request_reaches_its_server() {
    let server = Raw::start(|_, _| answer("200 OK", "", "direct")).await;
    let got = client()
        .send(&Request::get(server.url("/x")))
        .await
        .unwrap();
    assert_eq!(got.text(100).await.unwrap(), "direct");
}

#[test]
fn proxies_of_the_environment_are_ignored() {
    let nobody = "http://127.0.0.1:1";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "http::a_plain_request_reaches_its_server"])
        .envs(
            [
                "HTTP_PROXY",
                "http_proxy",
                "ALL_PROXY",
                "all_proxy",
                "HTTPS_PROXY",
            ]
            .map(|name| (name, nobody)),
        )
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_configured_proxy_is_asked_for_everything() {
    let proxy = Raw::start(|_, _| answer("200 OK", "", "by proxy")).await;
    let settings = HttpSettings {
        proxy: Some(proxy.url("")),
        ..quick()
    };
    let http = Http::new(settings).unwrap();
    let url = SafeUrl::parse("http://models.example/x").unwrap();
    let got = http.send(&Request::get(url)).await.unwrap();
    assert_eq!(got.text(100).await.unwrap(), "by proxy");
    assert!(
        proxy.heads()[0].starts_with("GET http://models.example/x "),
        "{:?}",
        proxy.heads()
    );
}

/// The proxy's login is the proxy's alone, beside whatever goes to the host.
#[tokio::test]
async fn a_login_goes_to_the_proxy() {
    let proxy = Raw::start(|_, _| answer("200 OK", "", "by proxy")).await;
    let settings = HttpSettings {
        proxy: Some(proxy.url("")),
        proxy_login: Token::new("ferry:s3cret"),
        ..quick()
    };
    assert!(!format!("{settings:?}").contains("s3cret"));
    let http = Http::new(settings).unwrap();
    let url = SafeUrl::parse("http://models.example/x").unwrap();
    http.send(&Request::get(url)).await.unwrap();
    let head = proxy.heads()[0].to_ascii_lowercase();
    assert!(
        head.contains("proxy-authorization: basic zmvycnk6cznjcmv0"),
        "{head}"
    );
}

#[tokio::test]
async fn a_configured_endpoint_is_reached_and_nothing_else_beside_it() {
    let server = Raw::start(|_, _| answer("200 OK", "", "")).await;
    let neighbour = Raw::start(|_, _| answer("200 OK", "", "")).await;
    let settings = HttpSettings {
        endpoints: vec![server.url("")],
        retry: RetryPolicy {
            retries: 0,
            ..RetryPolicy::default()
        },
        ..HttpSettings::default()
    };
    let http = Http::new(settings).unwrap();
    assert_eq!(
        http.send(&Request::get(server.url("/x")))
            .await
            .unwrap()
            .status,
        200
    );
    let error = http
        .send(&Request::get(neighbour.url("/x")))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::BlockedAddress);
    assert!(neighbour.heads().is_empty());
}
