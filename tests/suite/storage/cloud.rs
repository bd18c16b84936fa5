//! What only a bucket has to stand: lost answers, stores that go away, uploads
//! that vanish, copies over the limit, and refusals in plain words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use modelferry::storage::{Door, Part, Staged, Storage, StorageError, StorageKey};

use super::moto;
use super::promises::{
    PART, bring, content, hash, known, name, read_all, unknown_hash, write, write_one,
};
use super::s3::{Address, Fault, Server, ask};

const BUCKET: &str = "models";

async fn staged(storage: &dyn Storage, bytes: &Bytes) -> (Staged, Vec<Part>) {
    let staged = storage.stage(&name(1), known(bytes)).await.unwrap();
    let parts = write(storage, &staged, bytes).await;
    (staged, parts)
}

fn is_complete(method: &str, path: &str) -> bool {
    method == "POST" && path.contains("uploadId=")
}

/// Publishes while the store treats the request to put the parts together so.
async fn published_despite(fault: Fault) {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let bytes = content(PART + 10);
    let (staged, parts) = staged(&*storage, &bytes).await;
    server.order(move |method, path| is_complete(method, path).then(|| fault.clone()));
    let sha256 = hash(&bytes);
    storage.publish(&staged, &parts, &sha256).await.unwrap();
    assert!(read_all(&*storage, sha256).await == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_complete_is_no_failure() {
    published_despite(Fault::Afterwards(400, "RequestTimeout")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_complete_that_the_server_refuses_is_no_failure() {
    published_despite(Fault::Afterwards(404, "NoSuchUpload")).await;
    published_despite(Fault::Afterwards(403, "AccessDenied")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_complete_gladly_changes_nothing() {
    let storage = moto::address().await.open();
    let bytes = content(PART + 10);
    let (staged, parts) = staged(&*storage, &bytes).await;
    let sha256 = hash(&bytes);
    for _ in 0..3 {
        storage.publish(&staged, &parts, &sha256).await.unwrap();
        assert!(read_all(&*storage, sha256).await == bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_complete_leaves_no_name_and_can_be_repeated() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let bytes = content(PART + 10);
    let (staged, parts) = staged(&*storage, &bytes).await;
    let sha256 = hash(&bytes);
    server.order(|method, path| is_complete(method, path).then_some(Fault::Answer(400, "Odd")));
    assert!(storage.publish(&staged, &parts, &sha256).await.is_err());
    assert_eq!(storage.stat(&StorageKey::Blob(sha256)).await.unwrap(), None);
    server.order(|_, _| None);
    assert!(storage.is_staged(&staged).await.unwrap());
    storage.publish(&staged, &parts, &sha256).await.unwrap();
    assert!(read_all(&*storage, sha256).await == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_for_a_while_is_waited_for() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let bytes = content(PART + 10);
    let back = Instant::now() + Duration::from_secs(3);
    server.order(move |_, _| {
        (Instant::now() < back).then_some(Fault::Answer(503, "ServiceUnavailable"))
    });
    let sha256 = bring(&*storage, 1, &bytes, known(&bytes)).await;
    server.order(|_, _| None);
    assert!(Instant::now() >= back);
    assert!(read_all(&*storage, sha256).await == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_can_not_be_reached_is_said_to_be_so() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut address = Address::new(
        &format!("http://{}", closed.local_addr().unwrap()),
        BUCKET,
        "k",
        "s",
    );
    drop(closed);
    address.tuning.patience = Duration::from_millis(600);
    let error = address.open().staged_uploads().await.unwrap_err();
    let StorageError::Refused { message, hint } = error else {
        panic!("{error:?}");
    };
    assert!(message.contains("s3://models/some/folder"), "{message}");
    assert!(message.to_lowercase().contains("connect"), "{message}");
    assert!(hint.contains("AWS_ENDPOINT_URL"), "{hint}");
}

/// What is said when the first request of a session is refused.
async fn refusal(address: &Address) -> (String, String) {
    match address.open().staged_uploads().await.unwrap_err() {
        StorageError::Refused { message, hint } => (message, hint),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_and_a_missing_bucket_are_refused_in_plain_words() {
    let server = Server::start().await;
    let right = server.place(BUCKET);
    let with = |name: &str, value: &str| {
        let mut address = right.clone();
        address.variables.insert(name.to_owned(), value.to_owned());
        address
    };
    let (message, hint) = refusal(&with("AWS_SECRET_ACCESS_KEY", "wrong")).await;
    assert!(message.contains("SignatureDoesNotMatch"), "{message}");
    assert!(hint.contains("AWS_SECRET_ACCESS_KEY"), "{hint}");
    assert!(!message.contains("wrong") && !hint.contains("wrong"));

    let unknown = refusal(&with("AWS_ACCESS_KEY_ID", "NOBODY")).await;
    assert!(unknown.1.contains("AWS_ACCESS_KEY_ID"), "{unknown:?}");

    let missing = Address {
        place: modelferry::storage::Place::parse("s3://no-such-bucket").unwrap(),
        ..right.clone()
    };
    let (message, hint) = refusal(&missing).await;
    assert!(message.contains("NoSuchBucket"), "{message}");
    assert!(hint.contains("no-such-bucket"), "{hint}");

    server.order(|_, _| Some(Fault::Answer(403, "RequestTimeTooSkewed")));
    assert!(refusal(&right).await.1.contains("clock"));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_pair_of_keys_is_refused_at_once() {
    let mut address = Address::new("http://127.0.0.1:1", BUCKET, "k", "s");
    address.variables.remove("AWS_SECRET_ACCESS_KEY");
    let variables = modelferry::storage::Variables::gather(&address.variables);
    let error = address.place.open(&variables).unwrap_err();
    let StorageError::Refused { hint, .. } = error else {
        panic!("{error:?}");
    };
    assert!(hint.contains("AWS_SECRET_ACCESS_KEY"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_vanished_starts_over() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let bytes = content(2 * PART);
    let staged = storage.stage(&name(1), known(&bytes)).await.unwrap();
    write_one(&*storage, &staged, &bytes, 0).await;
    server.order(|method, path| {
        (method == "PUT" && path.contains("uploadId="))
            .then_some(Fault::Answer(404, "NoSuchUpload"))
    });
    let chunk = vec![bytes.slice(PART..)];
    let error = storage
        .write_part(&staged, 1, PART as u64, chunk)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StorageError::Refused { hint, .. } if hint.contains("starts over")),
        "{error:?}"
    );
    server.order(|_, _| None);
    assert!(!storage.is_staged(&staged).await.unwrap());
    bring(&*storage, 1, &bytes, known(&bytes)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_over_the_limit_is_made_in_parts() {
    let server = Server::start().await;
    let mut on_s3s = server.place(BUCKET);
    let mut on_moto = moto::address().await;
    for address in [&mut on_s3s, &mut on_moto] {
        address.tuning.copy_at_once = PART as u64;
        address.tuning.copy_part = 6 << 20;
        let storage = address.open();
        let bytes = content(2 * PART + 100);
        let sha256 = bring(&*storage, 1, &bytes, unknown_hash(&bytes)).await;
        assert!(read_all(&*storage, sha256).await == bytes);
        assert!(storage.staged_uploads().await.unwrap().is_empty());
    }
    let copies = server.requests();
    let copies = copies
        .iter()
        .filter(|it| it.starts_with("PUT") && it.contains("X-Amz-Signature"));
    assert_eq!(copies.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_put_together_and_copied_fetches_nothing_again() {
    let server = Server::start().await;
    let address = server.place(BUCKET);
    let bytes = content(2 * PART + 1);
    let sha256 = hash(&bytes);
    let storage = address.open();
    let staged = storage.stage(&name(1), unknown_hash(&bytes)).await.unwrap();
    let parts = write(&*storage, &staged, &bytes).await;
    server.order(|method, path| {
        (method == "PUT" && path.contains("/blobs/")).then_some(Fault::Answer(400, "Odd"))
    });
    assert!(storage.publish(&staged, &parts, &sha256).await.is_err());
    server.order(|_, _| None);

    let other = address.open();
    assert!(other.is_staged(&staged).await.unwrap());
    // The last checkpoint may be older than the last part.
    let mut again = parts[..2].to_vec();
    again.push(write_one(&*other, &staged, &bytes, 2).await);
    other.publish(&staged, &again, &sha256).await.unwrap();
    assert!(read_all(&*other, sha256).await == bytes);
    assert!(other.staged_uploads().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nothing_names_is_found_and_ended() {
    let address = moto::address().await;
    let storage = address.open();
    let bytes = content(PART + 1);
    let (named, _) = staged(&*storage, &bytes).await;
    // As when a process dies after it began an upload and before it wrote that down.
    let endpoint = &address.variables["AWS_ENDPOINT_URL"];
    let bucket = address
        .place
        .to_string()
        .split('/')
        .nth(2)
        .unwrap()
        .to_owned();
    let blob = StorageKey::Blob(hash(b"lost")).object_name();
    let begun = format!("{endpoint}/{bucket}/some/folder/{blob}?uploads");
    assert_eq!(ask("POST", &begun, b"").await.0, 200);

    let strays = storage.strays().await.unwrap();
    let found: Vec<_> = strays.iter().map(|stray| stray.name.as_str()).collect();
    assert_eq!(found, [blob]);
    storage.end_stray(&strays[0]).await.unwrap();
    storage.end_stray(&strays[0]).await.unwrap();
    assert_eq!(storage.strays().await.unwrap(), []);
    assert!(storage.is_staged(&named).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_can_not_list_uploads_has_no_strays() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    staged(&*storage, &content(PART + 1)).await;
    assert_eq!(storage.strays().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_frees_the_parts_at_the_server() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let bytes = content(PART + 1);
    staged(&*storage, &bytes).await;
    assert!(server.parts() > 0);
    storage.discard_upload("upload_1").await.unwrap();
    assert_eq!(server.parts(), 0);
    assert_eq!(server.objects(BUCKET), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_costs_one_or_two_requests() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let bytes = content(5_000);
    for (expected, most) in [(known(&bytes), 2), (unknown_hash(&bytes), 1)] {
        server.requests();
        bring(&*storage, 1, &bytes, expected).await;
        let requests = server.requests();
        assert!(requests.len() <= most, "{requests:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_read_with_one_request_and_a_whole_file_with_few() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let bytes = content(4 * PART);
    let sha256 = bring(&*storage, 1, &bytes, known(&bytes)).await;
    server.requests();
    let mut reader = storage.open(&StorageKey::Blob(sha256)).await.unwrap();
    tokio::task::spawn_blocking(move || {
        std::io::Read::read_exact(&mut reader, &mut [0; 4096]).unwrap()
    })
    .await
    .unwrap();
    assert_eq!(server.requests().len(), 1);
    read_all(&*storage, sha256).await;
    let requests = server.requests().len();
    assert!(requests <= 10, "{requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_urls_give_and_take_without_credentials() {
    let server = Server::start().await;
    let storage: Arc<dyn Storage> = server.place(BUCKET).open();
    let bytes = content(PART + 500);
    let expires = Duration::from_secs(60);
    let staged = storage.stage(&name(1), known(&bytes)).await.unwrap();
    let mut parts = Vec::new();
    for (number, range) in [(0, 0..PART), (1, PART..PART + 500)] {
        let url = storage
            .presign_part(&staged, number, expires)
            .await
            .unwrap()
            .unwrap();
        let body = &bytes[range.clone()];
        let (status, headers, _) = ask("PUT", &url, body).await;
        assert_eq!(status, 200);
        let tag = headers
            .into_iter()
            .find(|(name, _)| name == "etag")
            .unwrap()
            .1;
        parts.push(Part {
            number,
            offset: range.start as u64,
            size: body.len() as u64,
            tag,
        });
    }
    let sha256 = hash(&bytes);
    storage.publish(&staged, &parts, &sha256).await.unwrap();
    let key = StorageKey::Blob(sha256);
    let url = storage.presign_get(&key, expires).await.unwrap().unwrap();
    let (status, _, body) = ask("GET", &url, b"").await;
    assert_eq!(status, 200);
    assert!(body == bytes);
    let other = url.replace("X-Amz-Expires=60", "X-Amz-Expires=90");
    assert_eq!(ask("GET", &other, b"").await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_breaks_off_is_sent_again() {
    let server = Server::start().await;
    let storage = server.place(BUCKET).open();
    let broken = Arc::new(AtomicU32::new(0));
    let count = broken.clone();
    server.order(move |method, path| {
        let part = method == "PUT" && path.contains("partNumber=2");
        (part && count.fetch_add(1, Ordering::Relaxed) < 2)
            .then_some(Fault::Answer(500, "InternalError"))
    });
    let bytes = content(2 * PART);
    let sha256 = bring(&*storage, 1, &bytes, known(&bytes)).await;
    assert_eq!(broken.load(Ordering::Relaxed), 3);
    assert!(read_all(&*storage, sha256).await == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_parts_of_several_pages_is_read_to_its_end() {
    // The store shows 1,000 at a time, and takes no others' word for what is there.
    let storage = moto::address().await.open();
    let staged = storage.open_intake(&name(0), Door::Store).await.unwrap();
    let expires = Duration::from_secs(600);
    let sent = futures_util::stream::iter(0..1_003).map(|number| {
        let (storage, staged) = (storage.clone(), staged.clone());
        async move {
            let url = storage.presign_part(&staged, number, expires).await;
            let body = number.to_string();
            ask("PUT", &url.unwrap().unwrap(), body.as_bytes()).await.0
        }
    });
    let statuses: Vec<u16> = sent.buffer_unordered(8).collect().await;
    assert!(statuses.iter().all(|status| *status == 200));
    let there = storage.brought(&staged).await.unwrap();
    let numbers: Vec<u32> = there.iter().map(|part| part.number).collect();
    assert_eq!(numbers, (0..1_003).collect::<Vec<u32>>());
    assert_eq!((there[1_002].size, there[1_002].offset), (4, 2_898));
}
