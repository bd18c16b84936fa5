//! Names and addresses: what needs a resolver of our own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use reqwest::dns::{Addrs, Name, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::connect::NoPublicAddress;
use super::*;

/// Answers each question with the next list; the last one for ever.
#[derive(Debug)]
struct Scripted(Mutex<Vec<Vec<IpAddr>>>);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let read = |list: &&[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(read).collect())))
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: Name) -> Resolving {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        };
        let found = answer.into_iter().map(|ip| SocketAddr::new(ip, 0));
        Box::pin(async move { Ok(Box::new(found) as Addrs) })
    }
}

async fn filtered(answers: &[&str], allow: &str) -> Result<Vec<IpAddr>, String> {
    let resolver = GuardedResolver {
        guard: AddressGuard::new(vec![allow.parse().unwrap()], vec![]),
        inner: Scripted::new(&[answers]),
    };
    let found = resolver.resolve("host.example".parse().unwrap()).await;
    let found = found.map_err(|error| {
        assert!(error.is::<NoPublicAddress>(), "{error}");
        error.to_string()
    })?;
    Ok(found.map(|address| address.ip()).collect())
}

#[tokio::test]
async fn a_private_answer_among_public_ones_is_dropped() {
    let answers = [
        "10.0.0.1",
        "8.8.8.8",
        "::ffff:127.0.0.1",
        "2606:4700::1",
        "fe80::1",
    ];
    let open = filtered(&answers, "192.0.2.0/24").await.unwrap();
    assert_eq!(
        open,
        ["8.8.8.8", "2606:4700::1"].map(|ip| ip.parse::<IpAddr>().unwrap())
    );
}

#[tokio::test]
async fn a_name_with_private_answers_alone_is_blocked() {
    let answers = [
        "127.0.0.1",
        "169.254.169.254",
        "64:ff9b::7f00:1",
        "fd00:ec2::254",
    ];
    assert!(filtered(&answers, "192.0.2.0/24").await.is_err());
}

/// Answers 200 on 127.0.0.2 and 127.0.0.1 at one port; counts whom it heard.
async fn twins() -> (u16, Arc<Mutex<Vec<IpAddr>>>) {
    let first = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    for listener in [first, second] {
        let heard = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                heard
                    .lock()
                    .unwrap()
                    .push(socket.local_addr().unwrap().ip());
                let mut head = [0; 4096];
                let _ = socket.read(&mut head).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = socket.write_all(answer).await;
            }
        });
    }
    (port, heard)
}

fn http(resolver: Arc<Scripted>) -> Http {
    let settings = HttpSettings {
        allow_nets: vec!["127.0.0.2/32".parse().unwrap()],
        ..HttpSettings::default()
    };
    Http::resolving_by(settings, resolver).unwrap()
}

async fn ask(http: &Http, port: u16) -> Result<u16, ErrorKind> {
    let url = SafeUrl::parse(&format!("http://models.example:{port}/x")).unwrap();
    let answer = http.send(&Request::get(url)).await;
    answer
        .map(|answer| answer.status)
        .map_err(|error| error.kind)
}

#[tokio::test]
async fn only_the_allowed_address_of_a_name_is_connected_to() {
    let (port, heard) = twins().await;
    let http = http(Scripted::new(&[&["127.0.0.1", "127.0.0.2"]]));
    assert_eq!(ask(&http, port).await, Ok(200));
    assert_eq!(
        *heard.lock().unwrap(),
        ["127.0.0.2".parse::<IpAddr>().unwrap()]
    );
}

#[tokio::test]
async fn a_name_that_turns_private_between_two_requests_is_not_followed() {
    let (port, heard) = twins().await;
    let http = http(Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"]]));
    assert_eq!(ask(&http, port).await, Ok(200));
    assert_eq!(ask(&http, port).await, Err(ErrorKind::BlockedAddress));
    assert_eq!(
        heard.lock().unwrap().len(),
        1,
        "one connection, to the public one"
    );
}

#[tokio::test]
async fn a_name_without_addresses_is_an_error_in_plain_words() {
    let settings = HttpSettings {
        retry: RetryPolicy {
            base: Duration::from_millis(1),
            ..RetryPolicy::default()
        },
        ..HttpSettings::default()
    };
    let http = Http::resolving_by(settings, Scripted::new(&[&[]])).unwrap();
    let url = SafeUrl::parse("https://no-such-host.example/x?token=s3cret").unwrap();
    let error = http.send(&Request::get(url)).await.unwrap_err();
    assert_eq!(
        error.message,
        "the name no-such-host.example can't be resolved"
    );
    assert!(error.hint.is_some() && !format!("{error:?}").contains("s3cret"));
}
