//! Servers that drip, lie, bomb and stall.

use std::time::{Duration, Instant};

use modelferry_providers::http::{HttpSettings, LeastRate, Request};
use modelferry_providers::{ErrorKind, Http, ProviderError, SafeUrl};

use tokio::io::AsyncWriteExt;

use super::raw::{Play, Raw, answer, client, quick};

fn sends(text: &str) -> impl Fn(&str, usize) -> Play + Send + Sync + 'static {
    let bytes = text.as_bytes().to_vec();
    move |_, _| Play::Send(bytes.clone())
}

/// Asks once without retries and reads the body.
async fn text_of(
    play: impl Fn(&str, usize) -> Play + Send + Sync + 'static,
) -> Result<String, ProviderError> {
    let server = Raw::start(play).await;
    let request = Request::get(server.url("/model.bin?sig=s3cret")).best_effort();
    let outcome = match client().send(&request).await {
        Ok(answer) => answer.text(1000).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        assert!(error.hint.is_some(), "{error}");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
    outcome
}

#[tokio::test]
async fn an_honest_answer_is_read() {
    assert_eq!(
        text_of(|_, _| answer("200 OK", "", "hello")).await.unwrap(),
        "hello"
    );
}

#[tokio::test]
async fn dripping_headers_run_into_a_deadline() {
    let start = Instant::now();
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1000));
    let error =
        text_of(move |_, _| Play::Drip(head.clone().into_bytes(), Duration::from_millis(100)))
            .await
            .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Stalled);
    assert!(error.is_transient());
    let took = start.elapsed();
    assert!(
        took >= quick().header_timeout && took < Duration::from_secs(6),
        "{took:?}"
    );
}

#[tokio::test]
async fn slow_headers_within_the_deadline_are_waited_for_longer_than_a_read_is() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let pause = quick().read_timeout * 2 / head.len() as u32;
    let text = text_of(move |_, _| Play::Drip(format!("{head}ok").into_bytes(), pause)).await;
    assert_eq!(text.unwrap(), "ok");
}

#[tokio::test]
async fn header_bombs_are_refused_and_not_asked_for_again() {
    let wide = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    for bomb in [wide, many] {
        let server = Raw::start(sends(&bomb)).await;
        let error = client()
            .send(&Request::get(server.url("/x")))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Upstream, "{error}");
        assert!(error.message.contains("more headers"), "{error}");
        assert_eq!(server.heads().len(), 1);
    }
}

#[tokio::test]
async fn lengths_that_lie_never_pass() {
    use ErrorKind::{Truncated, Upstream};
    let cases = [
        (
            "Content-Length: 3\r\nContent-Length: 5\r\n",
            "hello",
            Upstream,
        ),
        ("Content-Length: -1\r\n", "hello", Upstream),
        ("Content-Length: five\r\n", "hello", Upstream),
        (
            "Content-Length: 99999999999999999999999\r\n",
            "hello",
            Upstream,
        ),
        ("Content-Length: 9\r\n", "hello", Truncated),
        (
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n",
            Truncated,
        ),
        ("Transfer-Encoding: chunked\r\n", "9\r\nhello", Truncated),
        ("Transfer-Encoding: chunked\r\n", "zz\r\nhello", Truncated),
    ];
    for (headers, body, kind) in cases {
        let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}");
        let error = text_of(sends(&text)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{headers}: {error}");
    }
}

#[tokio::test]
async fn bytes_after_the_promised_length_are_not_read() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more";
    assert_eq!(text_of(sends(text)).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_length_beside_chunks_is_not_believed() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let server = Raw::start(sends(text)).await;
    let answer = client()
        .send(&Request::get(server.url("/x")))
        .await
        .unwrap();
    assert_eq!(answer.content_length(), None);
    assert_eq!(answer.text(100).await.unwrap(), "hello");
}

#[tokio::test]
async fn something_other_than_http_is_named_as_such() {
    let error = text_of(sends("SSH-2.0-OpenSSH_9.9\r\n")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(error.message.contains("not HTTP"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn encoded_bytes_are_refused_since_they_are_not_the_files() {
    for encoding in ["gzip", "br", "deflate", "zstd, gzip"] {
        let headers = format!("Content-Encoding: {encoding}\r\n");
        let error = text_of(move |_, _| answer("200 OK", &headers, "\u{1f}\u{8b}..."))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Upstream, "{encoding}");
        assert!(error.message.contains("encoded"), "{error}");
    }
    let plain = text_of(|_, _| answer("200 OK", "Content-Encoding: identity\r\n", "x")).await;
    assert_eq!(plain.unwrap(), "x");
}

#[tokio::test]
async fn the_plain_bytes_are_asked_for() {
    let server = Raw::start(|_, _| answer("200 OK", "", "")).await;
    client()
        .send(&Request::get(server.url("/x")))
        .await
        .unwrap();
    let head = server.heads()[0].to_lowercase();
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
    assert!(head.contains("user-agent: modelferry/"), "{head}");
}

#[tokio::test]
async fn a_body_without_a_byte_for_too_long_is_stalled() {
    let start = Instant::now();
    let error =
        text_of(|_, _| Play::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_vec()))
            .await
            .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Stalled);
    assert!(start.elapsed() >= quick().read_timeout);
}

#[tokio::test]
async fn a_message_longer_than_its_bound_is_refused() {
    let body = "x".repeat(1001);
    let error = text_of(move |_, _| answer("200 OK", "", &body))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(error.message.contains("1000 bytes"), "{error}");
}

#[tokio::test]
async fn endless_chunks_end_at_the_bound() {
    let many = "5\r\nhello\r\n".repeat(100_000);
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{many}");
    let error = text_of(sends(&text)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Upstream);
}

#[tokio::test]
async fn a_host_that_speaks_no_tls_is_named_in_plain_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"220 mail.example ESMTP ready\r\n").await;
        }
    });
    let url = SafeUrl::parse(&format!("https://127.0.0.1:{port}/x?sig=s3cret")).unwrap();
    let error = client().send(&Request::get(url)).await.unwrap_err();
    assert_eq!(
        error.message,
        format!("no secure connection to 127.0.0.1:{port} could be agreed on")
    );
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let port = tls_server().await;
    let url = SafeUrl::parse(&format!("https://127.0.0.1:{port}/x?sig=s3cret")).unwrap();
    let error = client().send(&Request::get(url)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(error.message.contains("certificate"), "{error}");
    assert!(
        error
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("can't be switched off"))
    );
    assert!(!error.is_transient(), "no retry makes it good");
    assert!(!format!("{error:?}").contains("s3cret"));
}

/// Serves TLS with a certificate that it signed itself.
async fn tls_server() -> u16 {
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificate = CertificateDer::from(include_bytes!("data/self-signed.cert.der").to_vec());
    let key = include_bytes!("data/self-signed.key.der").to_vec();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key).unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let accepted = acceptor.accept(socket).await;
            assert!(accepted.is_err(), "the client accepted our certificate");
        }
    });
    port
}

#[tokio::test]
async fn a_body_that_drips_is_stalled_however_steady_it_is() {
    let settings = HttpSettings {
        least_rate: LeastRate {
            rate: 1000,
            window: Duration::from_millis(500),
        },
        ..quick()
    };
    let http = Http::new(settings).unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n".to_owned();
    let bytes = head + &"x".repeat(4000);
    let apart = Duration::from_millis(5);
    let server = Raw::start(move |_, _| Play::Drip(bytes.clone().into_bytes(), apart)).await;
    let request = Request::get(server.url("/x"));
    let body = http.send(&request).await.unwrap().text(5000).await;
    assert_eq!(body.unwrap_err().kind, ErrorKind::Stalled);
    let mut answer = http.send(&request).await.unwrap();
    let peeked = answer.peek(3000).await;
    assert_eq!(peeked.unwrap_err().kind, ErrorKind::Stalled);
}

#[tokio::test]
async fn line_breaks_in_a_header_are_no_headers_of_their_own() {
    for location in ["/a\rSet-Cookie: x=1", "/a\0b", "/a\nX: y"] {
        let text =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let server = Raw::start(sends(&text)).await;
        let outcome = client().follow(&Request::get(server.url("/x"))).await;
        let error = outcome.unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::Upstream | ErrorKind::BlockedAddress),
            "{location:?}: {error:?}"
        );
        let shown = format!("{error} {:?}", error.hint);
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(
            server
                .heads()
                .iter()
                .all(|head| head.starts_with("GET /x ") || head.starts_with("GET /a "))
        );
    }
}

#[tokio::test]
async fn a_head_of_thousands_of_bytes_is_still_a_head() {
    let text = format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok",
        "x".repeat(16_000)
    );
    assert_eq!(text_of(sends(&text)).await.unwrap(), "ok");
}

#[tokio::test]
async fn an_answer_of_another_version_or_an_early_hint_is_read() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
    let text = format!("{early}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(text_of(sends(&text)).await.unwrap(), "ok");
    assert_eq!(
        text_of(sends("HTTP/1.0 200 OK\r\n\r\nto the end"))
            .await
            .unwrap(),
        "to the end"
    );
}
