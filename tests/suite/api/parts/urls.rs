use modelferry::credentials::SecretKey;
use modelferry::parts::{PartUrl, Signer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const SECRET: &str = "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f";

#[tokio::test(flavor = "multi_thread")]
async fn a_late_url_and_a_changed_one_are_refused_and_the_parts_stay() {
    let home = Home::alone().with("MODELFERRY_SECRET_KEY", SECRET);
    let server = Server::in_home(home, "1").await;
    let file = bytes(1, 3000);
    let upload = open(&server, 3000, 1).await;
    let good = url(&upload, 1);
    put_well(&good, &file).await;

    let id = upload["id"].as_str().unwrap();
    let late = PartUrl {
        upload: id,
        number: 1,
        expires: 1_700_000_000,
    };
    let signer = Signer::new(&SecretKey::parse(SECRET).unwrap().derive("part URLs"));
    let late = format!(
        "{}/v1/parts/{id}/1?expires={}&signature={}",
        server.url,
        late.expires,
        signer.sign(&late)
    );
    let answer = put(&late, &bytes(2, 3000)).await;
    answer.assert_problem(403, "access_denied");
    assert!(answer.body["hint"].as_str().unwrap().contains("fresh URLs"));

    let expires = good
        .split("expires=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let later = (expires.parse::<i64>().unwrap() + 1).to_string();
    let other = open(&server, 3000, 1).await;
    let changed = [
        (good.replace(expires, &later), 403, "access_denied"),
        (good.replace("/1?", "/2?"), 403, "access_denied"),
        (good.replace("/1?", "/0?"), 403, "access_denied"),
        (good.replace("/1?", "/-1?"), 400, "invalid_request"),
        (good.replace("/1?", "/one?"), 400, "invalid_request"),
        (
            good.replace(id, other["id"].as_str().unwrap()),
            403,
            "access_denied",
        ),
        (good[..good.len() - 2].to_owned(), 403, "access_denied"),
        (format!("{good}00"), 403, "access_denied"),
        (
            good.split("&signature").next().unwrap().to_owned(),
            400,
            "invalid_request",
        ),
        (
            good.split('?').next().unwrap().to_owned(),
            400,
            "invalid_request",
        ),
    ];
    for (changed, status, code) in changed {
        put(&changed, &bytes(2, 3000))
            .await
            .assert_problem(status, code);
    }
    // An API key is no way around it.
    let request = server.request(Method::PUT, &format!("/v1/parts/{id}/1"), &server.key);
    assert_eq!(request.body("x").send().await.unwrap().status(), 400);

    act(&server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(served(&server, &record).await, file);
    put(&good, &file)
        .await
        .assert_problem(409, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_one_server_is_taken_by_every_other_on_the_same_home() {
    let first = server("0").await;
    let upload = open(&first, 3000, 1).await;
    let listen = format!("127.0.0.1:{}", super::super::free_port());
    let second = first
        .home
        .start(&["serve", "--listen", &listen, "--workers", "1"]);
    let there = url(&upload, 1).replace(&first.url, &format!("http://{listen}"));
    super::super::until("the second server answers", async || {
        Client::new()
            .get(format!("http://{listen}/healthz"))
            .send()
            .await
            .is_ok()
    })
    .await;
    put_well(&there, &bytes(3, 3000)).await;
    act(&first, &upload, "complete").await.upload();
    assert_eq!(first.ended(&upload).await["status"], "imported");
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_wrong_length_is_refused_at_once() {
    let server = server("0").await;
    let upload = open(&server, 12 * MIB, 2).await;
    let first = url(&upload, 1);
    put(&first, &bytes(1, LEAST - 1))
        .await
        .assert_problem(422, "size_mismatch");
    put(&first, &[]).await.assert_problem(422, "size_mismatch");
    put(&first, &bytes(1, 12 * MIB))
        .await
        .assert_problem(413, "too_large");
    put_well(&first, &bytes(1, 7 * MIB)).await;
    // No more than the file has in all.
    put(&url(&upload, 2), &bytes(2, 6 * MIB + 1))
        .await
        .assert_problem(413, "too_large");
    assert_eq!(put(&url(&upload, 2), &bytes(2, 5 * MIB)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_value_that_does_not_match_keeps_what_was_there() {
    let server = server("1").await;
    let file = bytes(1, 3000);
    let upload = open(&server, 3000, 1).await;
    put_well(&url(&upload, 1), &file).await;
    let send = async |md5: &str, body: &[u8]| {
        let request = Client::new()
            .put(url(&upload, 1))
            .header("content-md5", md5)
            .body(body.to_vec());
        Answer::read(request.send().await.unwrap()).await
    };
    let other = bytes(2, 3000);
    send("1B2M2Y8AsgTpgAmY7PhCfg==", &other)
        .await
        .assert_problem(422, "hash_mismatch");
    send("no base64", &other)
        .await
        .assert_problem(400, "invalid_request");
    act(&server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(served(&server, &record).await, file);
}

/// Sends these bytes of a request, and perhaps closes before it is whole.
async fn send_raw(url: &str, head: &str, body: &[u8], breaks_off: bool) -> String {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head =
        format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{head}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    if breaks_off {
        stream.shutdown().await.unwrap();
    }
    let mut answer = String::new();
    // A connection that is reset has no answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_keeps_what_was_there() {
    let server = server("1").await;
    let file = bytes(1, 2 * MIB);
    let upload = open(&server, 2 * MIB, 1).await;
    put_well(&url(&upload, 1), &file).await;
    let half = bytes(2, MIB);
    let length = format!("Content-Length: {}", 2 * MIB);
    send_raw(&url(&upload, 1), &length, &half, true).await;
    let chunk = [format!("{:x}\r\n", half.len()).as_bytes(), &half, b"\r\n"].concat();
    send_raw(&url(&upload, 1), "Transfer-Encoding: chunked", &chunk, true).await;
    super::super::until("nothing of them is left", async || {
        server.home.files("storage/staging").len() == 1
    })
    .await;
    act(&server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(served(&server, &record).await, file);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_is_taken() {
    let server = server("0").await;
    let file = bytes(1, 100_000);
    let upload = open(&server, 100_000, 1).await;
    let chunk = [
        format!("{:x}\r\n", file.len()).as_bytes(),
        &file,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let answer = send_raw(
        &url(&upload, 1),
        "Transfer-Encoding: chunked",
        &chunk,
        false,
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let too_much = bytes(1, 100_001);
    let chunk = [
        format!("{:x}\r\n", too_much.len()).as_bytes(),
        &too_much,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let answer = send_raw(
        &url(&upload, 1),
        "Transfer-Encoding: chunked",
        &chunk,
        false,
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(act(&server, &upload, "complete").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_may_send_parts() {
    let server = server("0").await;
    let upload = open(&server, 3000, 1).await;
    let asked = Client::new()
        .request(Method::OPTIONS, url(&upload, 1))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "PUT");
    let allowed = asked.send().await.unwrap();
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "*");
    assert_eq!(allowed.headers()["access-control-allow-methods"], "PUT");
    let sent = Client::new().put(url(&upload, 1)).body(bytes(1, 3000));
    let sent = sent.send().await.unwrap();
    assert_eq!(sent.headers()["access-control-expose-headers"], "ETag");
}
