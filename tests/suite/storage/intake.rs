//! The promises about parts that a client brings, each a function over any
//! storage.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use modelferry::error::{Code, Error};
use modelferry::storage::{Incoming, Part, Staged, Storage, StorageError, StorageKey};

use super::Bench;
use super::promises::{content, hash, name, read_all};
use super::s3::ask;

/// The least that S3 takes of every part but the last.
const LEAST: usize = 5 * 1024 * 1024;

async fn open(bench: &Bench) -> Staged {
    let opened = bench.storage.open_intake(&name(0), bench.door).await;
    opened.unwrap()
}

/// A body as it comes over the wire.
fn body(bytes: &Bytes) -> Vec<Result<Bytes, Error>> {
    bytes
        .chunks(300_000)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect()
}

fn incoming(bytes: &Bytes) -> Incoming {
    stream::iter(body(bytes)).boxed()
}

fn broken(bytes: &Bytes) -> Incoming {
    let mut body = body(bytes);
    body.push(Err(Error::new(Code::Truncated, "it broke off")));
    stream::iter(body).boxed()
}

/// Sends a part as a client does: to the store, or to this program.
async fn send(storage: &dyn Storage, staged: &Staged, number: u32, bytes: &Bytes) {
    let expires = Duration::from_secs(60);
    match storage.presign_part(staged, number, expires).await.unwrap() {
        Some(url) => assert_eq!(ask("PUT", &url, bytes).await.0, 200),
        None => storage
            .take_part(staged, number, incoming(bytes))
            .await
            .unwrap(),
    }
}

/// A file of three parts, none as long as another.
fn file() -> (Bytes, Vec<Bytes>) {
    let whole = content(2 * LEAST + 70_123);
    let cuts = [0, LEAST + 11, 2 * LEAST + 11, whole.len()];
    let parts = cuts.windows(2).map(|cut| whole.slice(cut[0]..cut[1]));
    let parts = parts.collect();
    (whole, parts)
}

async fn send_all(bench: &Bench, staged: &Staged) -> (Bytes, Vec<Part>) {
    let (whole, parts) = file();
    for (number, part) in (0..).zip(&parts) {
        send(&*bench.storage, staged, number, part).await;
    }
    let there = bench.storage.brought(staged).await.unwrap();
    (whole, there)
}

async fn read_back(storage: &dyn Storage, staged: &Staged, length: usize) -> Vec<u8> {
    let read = storage.read_staged(staged, 0..length as u64).await.unwrap();
    let chunks: Vec<Bytes> = read.try_collect().await.unwrap();
    chunks.concat()
}

async fn publish(storage: &dyn Storage, staged: &Staged, parts: &[Part], whole: &Bytes) {
    let sha256 = hash(whole);
    storage.publish(staged, parts, &sha256).await.unwrap();
    assert!(read_all(storage, sha256).await == *whole);
    assert_eq!(storage.staged_uploads().await.unwrap(), []);
}

pub async fn brought_parts_become_the_file(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    assert_eq!(storage.brought(&staged).await.unwrap(), []);
    let (whole, parts) = file();
    send(storage, &staged, 2, &parts[2]).await;
    send(storage, &staged, 0, &content(LEAST + 5)).await;
    send(storage, &staged, 1, &parts[1]).await;
    send(storage, &staged, 0, &parts[0]).await;
    let there = storage.brought(&staged).await.unwrap();
    let mut at = 0;
    for (number, (found, sent)) in (0..).zip(there.iter().zip(&parts)) {
        let expected = (number, at, sent.len() as u64);
        assert_eq!((found.number, found.offset, found.size), expected);
        at += found.size;
    }
    assert_eq!(there.len(), 3);
    let assembled = storage.assemble(&staged, &there).await.unwrap();
    assert!(read_back(storage, &assembled, whole.len()).await == whole);
    let some = storage.read_staged(&assembled, 5_300_000..5_300_010).await;
    let some: Vec<Bytes> = some.unwrap().try_collect().await.unwrap();
    assert_eq!(some.concat(), whole[5_300_000..5_300_010]);
    publish(storage, &assembled, &there, &whole).await;
}

pub async fn another_process_puts_them_together(bench: &Bench) {
    let staged = open(bench).await;
    let (whole, there) = send_all(bench, &staged).await;
    let saved = serde_json::to_string(&(staged, there)).unwrap();
    let (staged, there): (Staged, Vec<Part>) = serde_json::from_str(&saved).unwrap();
    let other = bench.another_process();
    let assembled = other.assemble(&staged, &there).await.unwrap();
    let third = bench.another_process();
    assert!(third.is_staged(&assembled).await.unwrap());
    publish(&*third, &assembled, &there, &whole).await;
}

pub async fn what_is_put_together_twice_is_the_same(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    let (whole, there) = send_all(bench, &staged).await;
    let first = storage.assemble(&staged, &there).await.unwrap();
    let second = bench.another_process();
    assert_eq!(second.assemble(&staged, &there).await.unwrap(), first);
    assert!(read_back(storage, &first, whole.len()).await == whole);
    publish(storage, &first, &there, &whole).await;
}

pub async fn a_part_that_is_another_since_is_told(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    let (_, there) = send_all(bench, &staged).await;
    send(storage, &staged, 1, &content(LEAST + 1)).await;
    let error = storage.assemble(&staged, &there).await.unwrap_err();
    assert!(matches!(error, StorageError::Missing(_)), "{error:?}");
}

pub async fn a_part_that_is_gone_is_told(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    let (_, there) = send_all(bench, &staged).await;
    storage.discard_upload("upload_1").await.unwrap();
    let error = storage.assemble(&staged, &there).await.unwrap_err();
    assert!(matches!(error, StorageError::Missing(_)), "{error:?}");
}

pub async fn opening_again_starts_over(bench: &Bench) {
    let storage = &*bench.storage;
    let first = open(bench).await;
    send(storage, &first, 0, &content(LEAST)).await;
    let staged = open(bench).await;
    assert_eq!(storage.brought(&staged).await.unwrap(), []);
    let (whole, there) = send_all(bench, &staged).await;
    let assembled = storage.assemble(&staged, &there).await.unwrap();
    publish(storage, &assembled, &there, &whole).await;
}

pub async fn what_was_brought_goes_with_its_upload(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    let (whole, there) = send_all(bench, &staged).await;
    let listed = storage.staged_uploads().await.unwrap();
    assert_eq!(listed.len(), 1);
    storage.discard_upload("upload_1").await.unwrap();
    assert_eq!(storage.staged_uploads().await.unwrap(), []);

    let staged_anew = open(bench).await;
    let (_, again) = send_all(bench, &staged_anew).await;
    assert_eq!(again.len(), there.len());
    let assembled = storage.assemble(&staged_anew, &again).await.unwrap();
    storage.discard_upload("upload_1").await.unwrap();
    assert!(!storage.is_staged(&assembled).await.unwrap());
    let key = StorageKey::Blob(hash(&whole));
    assert_eq!(storage.stat(&key).await.unwrap(), None);
    assert_eq!(storage.staged_uploads().await.unwrap(), []);
}

pub async fn a_part_that_breaks_off_is_not_taken(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    for bytes in [content(1000), content(2 * LEAST)] {
        let error = storage.take_part(&staged, 0, broken(&bytes)).await;
        assert_eq!(error.unwrap_err().code, Code::Truncated);
        assert_eq!(storage.brought(&staged).await.unwrap(), []);
    }
    let (whole, there) = send_all(bench, &staged).await;
    let error = storage.take_part(&staged, 0, broken(&content(9))).await;
    assert_eq!(error.unwrap_err().code, Code::Truncated);
    assert_eq!(storage.brought(&staged).await.unwrap(), there);
    let assembled = storage.assemble(&staged, &there).await.unwrap();
    publish(storage, &assembled, &there, &whole).await;
}

pub async fn of_two_at_once_one_is_taken_whole(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    let (one, other) = (content(LEAST), Bytes::from(vec![7; LEAST]));
    let (first, second) = tokio::join!(
        storage.take_part(&staged, 0, incoming(&one)),
        storage.take_part(&staged, 0, incoming(&other)),
    );
    first.and(second).unwrap();
    let there = storage.brought(&staged).await.unwrap();
    assert_eq!(there.len(), 1);
    let assembled = storage.assemble(&staged, &there).await.unwrap();
    let taken = read_back(storage, &assembled, LEAST).await;
    assert!(taken == one || taken == other);
}

pub async fn no_part_is_taken_once_they_are_put_together(bench: &Bench) {
    let storage = &*bench.storage;
    let staged = open(bench).await;
    let (whole, there) = send_all(bench, &staged).await;
    let assembled = storage.assemble(&staged, &there).await.unwrap();
    let late = storage.take_part(&staged, 0, incoming(&content(LEAST)));
    assert!(late.await.is_err());
    publish(storage, &assembled, &there, &whole).await;
    let later = storage.take_part(&staged, 0, incoming(&content(LEAST)));
    let _ = later.await;
    let key = StorageKey::Blob(hash(&whole));
    assert_eq!(storage.stat(&key).await.unwrap(), Some(whole.len() as u64));
}
