//! Redirects: every hop guarded, tokens at home, no endless walk.

use modelferry_providers::http::Request;
use modelferry_providers::{ErrorKind, ProviderError, Token};

use super::raw::{Raw, answer, client, redirect};

/// Follows one redirect to `location` and says how it ended.
async fn led_to(location: &str) -> (ProviderError, usize) {
    let location = location.to_owned();
    let server = Raw::start(move |_, _| redirect(&location)).await;
    let error = client()
        .follow(&Request::get(server.url("/x?token=s3cret")))
        .await
        .unwrap_err();
    assert!(!format!("{error:?} {error}").contains("s3cret"));
    (error, server.heads().len())
}

#[tokio::test]
async fn a_redirect_to_an_address_that_is_not_public_is_not_followed() {
    let inner = Raw::at("127.0.0.2", |_, _| answer("200 OK", "", "inner")).await;
    let port = inner.port();
    for host in [
        "127.0.0.2",
        "127.2",
        "2130706434",
        "0x7f000002",
        "0177.0.0.2",
        "127.0.0.2.",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "%3127.0.0.2",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:2]",
        "[2002:7f00:2::]",
    ] {
        let (error, requests) =
            led_to(&format!("http://{host}:{port}/latest/meta-data?key=s3cret")).await;
        assert_eq!(error.kind, ErrorKind::BlockedAddress, "{host}");
        assert!(error.hint.is_some() && !error.is_transient(), "{host}");
        assert_eq!(requests, 1, "{host}: asked again although it can't help");
    }
    assert!(inner.heads().is_empty(), "the inner server was reached");
}

#[tokio::test]
async fn localhost_by_name_is_guarded_like_its_address() {
    // Loopback's v4 address alone is allowed here, so the name may be asked,
    // and whatever else it resolves to (`::1`) is not connected to.
    let server = Raw::start(|_, _| answer("200 OK", "", "here")).await;
    let url = format!("http://localhost:{}/", server.port());
    let url = modelferry_providers::SafeUrl::parse(&url).unwrap();
    assert_eq!(
        client()
            .follow(&Request::get(url.clone()))
            .await
            .unwrap()
            .status,
        200
    );
    let guarded = modelferry_providers::Http::new(Default::default()).unwrap();
    let error = guarded.follow(&Request::get(url)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BlockedAddress);
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_redirect_to_another_scheme_or_with_a_login_is_refused() {
    for location in [
        "file:///etc/passwd",
        "ftp://example.com/x",
        "gopher://127.0.0.1:70/_x",
        "data:text/plain,x",
        "javascript:alert(1)",
        "https://user:s3cret@example.com/x",
        "//user@127.0.0.1/x",
    ] {
        let (error, requests) = led_to(location).await;
        assert_eq!(error.kind, ErrorKind::BlockedAddress, "{location}");
        assert!(error.hint.is_some());
        assert_eq!(requests, 1, "{location}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_protocols_port_is_refused() {
    for port in [22, 25, 3306, 5432, 6379, 11211] {
        let (error, _) = led_to(&format!("http://127.0.0.1:{port}/")).await;
        assert_eq!(error.kind, ErrorKind::BlockedAddress, "{port}");
        assert!(error.message.contains(&port.to_string()));
    }
}

#[tokio::test]
async fn a_circle_is_noticed_at_its_first_turn() {
    let server = Raw::start(|head, _| {
        redirect(if head.starts_with("GET /a ") {
            "/b"
        } else {
            "/a"
        })
    })
    .await;
    let error = client()
        .follow(&Request::get(server.url("/a")))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(error.message.contains("circle"), "{error}");
    assert_eq!(server.heads().len(), 2);
}

#[tokio::test]
async fn a_step_to_itself_is_a_circle_already() {
    for location in ["/a", "?", "#top", ""] {
        let server = Raw::start(move |_, _| redirect(location)).await;
        let error = client().follow(&Request::get(server.url("/a"))).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Upstream, "{location:?}");
        assert!(server.heads().len() <= 2, "{location:?}");
    }
}

#[tokio::test]
async fn a_token_does_not_go_to_another_port_of_its_host() {
    let other = Raw::start(|_, _| answer("200 OK", "", "x")).await;
    let target = other.url("/x").as_url().to_string();
    let home = Raw::start(move |_, _| redirect(&target)).await;
    let token = Token::new("s3cret");
    let request = Request::get(home.url("/x")).bearer(token.as_ref());
    client().follow(&request).await.unwrap();
    assert!(home.heads()[0].to_lowercase().contains("authorization"));
    assert!(!other.heads()[0].to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn ten_redirects_are_followed_and_an_eleventh_is_not() {
    for (steps, good) in [(10, true), (11, false), (50, false)] {
        let server = Raw::start(move |_, nth| {
            if nth < steps {
                redirect(&format!("/{nth}"))
            } else {
                answer("200 OK", "", "there")
            }
        })
        .await;
        let outcome = client().follow(&Request::get(server.url("/start"))).await;
        assert_eq!(outcome.is_ok(), good, "{steps} steps");
        assert_eq!(server.heads().len(), 11, "{steps} steps");
        if let Err(error) = outcome {
            assert_eq!(error.kind, ErrorKind::Upstream);
        }
    }
}

#[tokio::test]
async fn a_token_stays_with_its_origin() {
    let cdn = Raw::start(|_, _| answer("200 OK", "", "bytes")).await;
    let target = cdn.url("/signed?sig=s3cret").as_url().to_string();
    let hub = Raw::start(move |_, nth| match nth {
        0 => redirect("/second"),
        _ => redirect(&target),
    })
    .await;
    let token = Token::new("s3cret");
    let request = Request::get(hub.url("/first")).bearer(token.as_ref());
    let answer = client().follow(&request).await.unwrap();
    assert_eq!(answer.text(100).await.unwrap(), "bytes");
    let sent = |head: &String| head.to_lowercase().contains("authorization: bearer s3cret");
    assert!(
        hub.heads().iter().all(sent),
        "its own origin asks for it twice"
    );
    assert!(
        !cdn.heads()
            .iter()
            .any(|head| head.to_lowercase().contains("authorization"))
    );
}

#[tokio::test]
async fn a_range_goes_along_to_where_a_redirect_leads() {
    let server = Raw::start(|head, nth| {
        assert!(
            head.to_lowercase().contains("range: bytes=3-5\r\n"),
            "{head}"
        );
        match nth {
            0 => redirect("/there"),
            _ => answer(
                "206 Partial Content",
                "Content-Range: bytes 3-5/9\r\n",
                "def",
            ),
        }
    })
    .await;
    let range = modelferry_providers::ByteRange {
        start: 3,
        end: Some(6),
        validator: None,
    };
    let answer = client()
        .follow(&Request::get(server.url("/x")).range(&range))
        .await
        .unwrap();
    assert_eq!(answer.text(100).await.unwrap(), "def");
}
