//! The promises of [`Storage`], each a function over any of them.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use modelferry::storage::{Expected, Part, StageName, Staged, Storage, StorageError, StorageKey};
use modelferry_providers::Sha256;
use sha2::Digest;

use super::Bench;

pub const PART: usize = 8 * 1024 * 1024;

pub fn name(index: u32) -> StageName {
    StageName {
        upload: "upload_1".to_owned(),
        index,
    }
}

/// Bytes that repeat nowhere near.
pub fn content(length: usize) -> Bytes {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

pub fn hash(bytes: &[u8]) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(bytes).into())
}

pub fn known(bytes: &[u8]) -> Expected {
    Expected {
        sha256: Some(hash(bytes)),
        size: Some(bytes.len() as u64),
    }
}

pub fn unknown_hash(bytes: &[u8]) -> Expected {
    Expected {
        sha256: None,
        size: Some(bytes.len() as u64),
    }
}

pub async fn write(storage: &dyn Storage, staged: &Staged, bytes: &Bytes) -> Vec<Part> {
    let mut parts = Vec::new();
    let count = bytes.len().div_ceil(PART).max(1);
    for number in 0..count {
        parts.push(write_one(storage, staged, bytes, number).await);
    }
    parts
}

pub async fn write_one(
    storage: &dyn Storage,
    staged: &Staged,
    bytes: &Bytes,
    number: usize,
) -> Part {
    let (start, end) = (number * PART, ((number + 1) * PART).min(bytes.len()));
    let middle = start + (end - start) / 2;
    let chunks = vec![bytes.slice(start..middle), bytes.slice(middle..end)];
    storage
        .write_part(staged, number as u32, start as u64, chunks)
        .await
        .unwrap()
}

/// Brings content in, from the first byte to its name.
pub async fn bring(storage: &dyn Storage, index: u32, bytes: &Bytes, expected: Expected) -> Sha256 {
    let staged = storage.stage(&name(index), expected).await.unwrap();
    let parts = write(storage, &staged, bytes).await;
    storage.flush(&staged).await.unwrap();
    let sha256 = hash(bytes);
    storage.publish(&staged, &parts, &sha256).await.unwrap();
    sha256
}

pub async fn read_all(storage: &dyn Storage, sha256: Sha256) -> Vec<u8> {
    let mut content = storage.open(&StorageKey::Blob(sha256)).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        bytes
    })
    .await
    .unwrap()
}

async fn is_there(storage: &dyn Storage, sha256: Sha256) -> bool {
    storage
        .stat(&StorageKey::Blob(sha256))
        .await
        .unwrap()
        .is_some()
}

async fn staged_uploads(storage: &dyn Storage) -> Vec<String> {
    let staged = storage.staged_uploads().await.unwrap();
    staged.into_iter().map(|it| it.upload).collect()
}

pub async fn a_published_blob_reads_back_as_it_was(bench: &Bench) {
    let storage = &*bench.storage;
    let lengths = [0, 1, 70_000, 2_000_000, PART, PART + 1, 2 * PART + 12_345];
    let mut index = 0;
    for length in lengths {
        let bytes = content(length);
        for expected in [known(&bytes), unknown_hash(&bytes), Expected::default()] {
            index += 1;
            let sha256 = bring(storage, index, &bytes, expected).await;
            let key = StorageKey::Blob(sha256);
            assert_eq!(storage.stat(&key).await.unwrap(), Some(length as u64));
            assert!(
                read_all(storage, sha256).await == bytes,
                "{length} {expected:?}"
            );
            storage.remove(&key).await.unwrap();
        }
    }
}

pub async fn a_blob_has_no_name_until_it_is_published(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(PART + 100);
    let sha256 = hash(&bytes);
    for (index, expected) in [(1, known(&bytes)), (2, unknown_hash(&bytes))] {
        let staged = storage.stage(&name(index), expected).await.unwrap();
        assert!(!is_there(storage, sha256).await);
        let parts = write(storage, &staged, &bytes).await;
        storage.flush(&staged).await.unwrap();
        assert!(!is_there(storage, sha256).await);
        storage.publish(&staged, &parts, &sha256).await.unwrap();
        assert!(is_there(storage, sha256).await);
        storage.remove(&StorageKey::Blob(sha256)).await.unwrap();
    }
}

pub async fn another_process_goes_on_with_staged_parts(bench: &Bench) {
    let bytes = content(2 * PART + 5);
    for (index, expected) in [(1, known(&bytes)), (2, unknown_hash(&bytes))] {
        let saved = {
            let staged = bench.storage.stage(&name(index), expected).await.unwrap();
            let first = write_one(&*bench.storage, &staged, &bytes, 0).await;
            bench.storage.flush(&staged).await.unwrap();
            serde_json::to_string(&(staged, first)).unwrap()
        };
        let other = bench.another_process();
        let (staged, first): (Staged, Part) = serde_json::from_str(&saved).unwrap();
        assert!(other.is_staged(&staged).await.unwrap());
        let mut parts = vec![first];
        for number in [1, 2] {
            parts.push(write_one(&*other, &staged, &bytes, number).await);
        }
        let sha256 = hash(&bytes);
        other.publish(&staged, &parts, &sha256).await.unwrap();
        assert!(read_all(&*other, sha256).await == bytes);
        other.remove(&StorageKey::Blob(sha256)).await.unwrap();
    }
}

pub async fn the_later_of_two_writes_of_a_part_counts(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(PART + 9);
    let staged = storage.stage(&name(1), known(&bytes)).await.unwrap();
    let garbage = vec![Bytes::from(vec![7; PART])];
    storage.write_part(&staged, 0, 0, garbage).await.unwrap();
    let parts = write(storage, &staged, &bytes).await;
    let sha256 = hash(&bytes);
    storage.publish(&staged, &parts, &sha256).await.unwrap();
    assert!(read_all(storage, sha256).await == bytes);
}

pub async fn parts_may_be_written_out_of_order(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(2 * PART + 77);
    let staged = storage.stage(&name(1), known(&bytes)).await.unwrap();
    let mut parts = Vec::new();
    for number in [2, 0, 1] {
        parts.push(write_one(storage, &staged, &bytes, number).await);
    }
    let sha256 = hash(&bytes);
    storage.publish(&staged, &parts, &sha256).await.unwrap();
    assert!(read_all(storage, sha256).await == bytes);
}

pub async fn what_is_there_already_is_replaced_by_the_same(bench: &Bench) {
    let storage = &*bench.storage;
    for length in [100, PART + 3] {
        let bytes = content(length);
        for expected in [known(&bytes), unknown_hash(&bytes)] {
            let first = bring(storage, 1, &bytes, expected).await;
            let second = bring(storage, 2, &bytes, expected).await;
            assert_eq!(first, second);
            assert!(read_all(storage, first).await == bytes);
        }
    }
    assert_eq!(staged_uploads(storage).await, Vec::<String>::new());
}

pub async fn nothing_stays_staged_after_a_publish(bench: &Bench) {
    let storage = &*bench.storage;
    for length in [0, 100, 2_000_000, PART + 3] {
        let bytes = content(length);
        for expected in [known(&bytes), unknown_hash(&bytes), Expected::default()] {
            bring(storage, 1, &bytes, expected).await;
            assert_eq!(
                staged_uploads(storage).await,
                Vec::<String>::new(),
                "{length}"
            );
        }
    }
    assert_eq!(storage.strays().await.unwrap(), []);
}

pub async fn publishing_again_leaves_the_blob_whole(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(PART + 3);
    let sha256 = hash(&bytes);
    for (index, expected) in [(1, known(&bytes)), (2, unknown_hash(&bytes))] {
        let staged = storage.stage(&name(index), expected).await.unwrap();
        let parts = write(storage, &staged, &bytes).await;
        storage.publish(&staged, &parts, &sha256).await.unwrap();
        // A folder has nothing left to publish and says so; the blob is as it was either way.
        let _ = storage.publish(&staged, &parts, &sha256).await;
        assert!(read_all(storage, sha256).await == bytes);
    }
}

pub async fn other_bytes_than_the_expected_get_no_name(bench: &Bench) {
    let storage = &*bench.storage;
    for length in [50, PART + 50] {
        let (right, wrong) = (content(length), Bytes::from(vec![1; length]));
        let staged = storage.stage(&name(1), known(&right)).await.unwrap();
        write(storage, &staged, &wrong).await;
        storage.discard(&name(1)).await.unwrap();
        assert!(!is_there(storage, hash(&right)).await);
        assert!(!is_there(storage, hash(&wrong)).await);
    }
}

pub async fn staging_again_starts_over(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(PART + 1);
    let first = storage.stage(&name(1), known(&bytes)).await.unwrap();
    write(storage, &first, &Bytes::from(vec![9; PART + 1])).await;
    bring(storage, 1, &bytes, known(&bytes)).await;
    assert!(read_all(storage, hash(&bytes)).await == bytes);
    assert!(!storage.is_staged(&first).await.unwrap());
}

pub async fn what_is_discarded_is_gone(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(PART + 1);
    for expected in [known(&bytes), unknown_hash(&bytes)] {
        let staged = storage.stage(&name(1), expected).await.unwrap();
        write(storage, &staged, &bytes).await;
        assert!(storage.is_staged(&staged).await.unwrap());
        storage.discard(&name(1)).await.unwrap();
        assert!(!storage.is_staged(&staged).await.unwrap());
        storage.discard(&name(1)).await.unwrap();
        assert!(!is_there(storage, hash(&bytes)).await);
    }
    assert_eq!(staged_uploads(storage).await, Vec::<String>::new());
}

pub async fn discarding_an_upload_takes_all_of_its_files(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(PART + 1);
    let mut staged = Vec::new();
    for (index, expected) in [
        (1, known(&bytes)),
        (2, unknown_hash(&bytes)),
        (3, Expected::default()),
    ] {
        staged.push(storage.stage(&name(index), expected).await.unwrap());
        write_one(storage, &staged[staged.len() - 1], &bytes, 0).await;
    }
    storage.discard_upload("upload_1").await.unwrap();
    for staged in staged {
        assert!(!storage.is_staged(&staged).await.unwrap());
    }
    storage.discard_upload("upload_1").await.unwrap();
    assert_eq!(staged_uploads(storage).await, Vec::<String>::new());
}

pub async fn uploads_with_staged_bytes_are_listed(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(PART + 1);
    for upload in ["upload_a", "upload_b"] {
        let stage = StageName {
            upload: upload.to_owned(),
            index: 0,
        };
        storage.stage(&stage, known(&bytes)).await.unwrap();
    }
    let mut listed = staged_uploads(storage).await;
    listed.sort();
    assert_eq!(listed, ["upload_a", "upload_b"]);
}

pub async fn a_small_thing_is_put_whole_and_replaced(bench: &Bench) {
    let storage = &*bench.storage;
    let key = StorageKey::Manifest {
        entity: "model_1".to_owned(),
    };
    for text in ["{\"first\":1}", "{}"] {
        storage.put(&key, Bytes::from(text)).await.unwrap();
        let mut read = String::new();
        let mut content = storage.open(&key).await.unwrap();
        tokio::task::spawn_blocking(move || {
            content.read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        })
        .await
        .unwrap();
    }
}

pub async fn any_range_can_be_read(bench: &Bench) {
    let storage = &*bench.storage;
    let bytes = content(1_500_000);
    let key = StorageKey::Blob(bring(storage, 1, &bytes, known(&bytes)).await);
    for range in [
        0..1,
        0..1_500_000,
        700_000..1_200_001,
        1_499_999..1_500_000,
        5..5,
    ] {
        let stream = storage
            .read(&key, range.start as u64..range.end as u64)
            .await
            .unwrap();
        let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
        assert!(chunks.concat() == bytes[range.clone()], "{range:?}");
    }
}

pub async fn a_reader_can_go_to_and_fro(bench: &Bench) {
    let storage: Arc<dyn Storage> = bench.storage.clone();
    let bytes = content(PART + 1_000_000);
    let key = StorageKey::Blob(bring(&*storage, 1, &bytes, known(&bytes)).await);
    let mut reader = storage.open(&key).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let end = bytes.len();
        let places = [0, 10, end - 100, 300_000, PART, 299_000, 0, end - 1];
        for at in places {
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            let mut read = Vec::new();
            (&mut reader).take(200_000).read_to_end(&mut read).unwrap();
            assert!(read == bytes[at..(at + 200_000).min(end)], "from {at}");
        }
        assert_eq!(reader.seek(SeekFrom::End(-4)).unwrap(), end as u64 - 4);
        let mut tail = Vec::new();
        reader.read_to_end(&mut tail).unwrap();
        assert_eq!(tail, bytes[end - 4..]);
        assert!(reader.seek(SeekFrom::Current(-(end as i64) - 1)).is_err());
    })
    .await
    .unwrap();
}

pub async fn what_is_not_there_is_missing_and_not_an_error_to_remove(bench: &Bench) {
    let storage = &*bench.storage;
    let key = StorageKey::Blob(hash(b"never stored"));
    assert_eq!(storage.stat(&key).await.unwrap(), None);
    let opened = storage.open(&key).await.map(drop);
    assert!(
        matches!(opened, Err(StorageError::Missing(_))),
        "{opened:?}"
    );
    let read = storage.read(&key, 0..1).await.map(drop);
    assert!(matches!(read, Err(StorageError::Missing(_))), "{read:?}");
    storage.remove(&key).await.unwrap();
}

pub async fn blobs_and_manifests_are_listed(bench: &Bench) {
    let storage = &*bench.storage;
    let mut stored = Vec::new();
    for length in [1, 2, 3] {
        let bytes = content(length);
        stored.push((
            bring(storage, 1, &bytes, known(&bytes)).await,
            length as u64,
        ));
    }
    for entity in ["model_1", "asset_2"] {
        let key = StorageKey::Manifest {
            entity: entity.to_owned(),
        };
        storage.put(&key, Bytes::from("{}")).await.unwrap();
    }
    let blobs: Vec<_> = storage.blobs().try_collect().await.unwrap();
    let mut blobs: Vec<_> = blobs.iter().map(|blob| (blob.sha256, blob.size)).collect();
    stored.sort_by_key(|(_, size)| *size);
    blobs.sort_by_key(|(_, size)| *size);
    assert_eq!(blobs, stored);
    let mut manifests = storage.manifests().await.unwrap();
    manifests.sort();
    assert_eq!(manifests, ["asset_2", "model_1"]);
}
