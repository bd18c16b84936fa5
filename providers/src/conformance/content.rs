//! The bytes, and what was promised of them.

use futures_util::{StreamExt, TryStreamExt};
use sha2::{Digest as _, Sha256};

use super::{Factory, failure, first, open, plan, read};
use crate::{Artifact, ByteRange, ErrorKind, Size};

/// What a plan states of a file is so.
pub async fn sizes_and_hashes_are_true_to_the_bytes<F: Factory>(world: &F) {
    for source in [world.good(), world.gated()] {
        for file in plan(world, &source).await.artifacts {
            let body = open(world, &file, &ByteRange::whole()).await.unwrap();
            assert_eq!(body.offset, 0);
            let (end, total) = (body.end, body.total);
            let bytes = read(body).await;
            assert!(
                bytes == world.content(&source, &file.path),
                "{} differs",
                file.path
            );
            let length = bytes.len() as u64;
            for stated in [end, total].into_iter().flatten() {
                assert_eq!(stated, length, "{}", file.path);
            }
            check_plan(&file, &bytes);
        }
    }
}

fn check_plan(file: &Artifact, bytes: &[u8]) {
    let length = bytes.len() as u64;
    match file.size {
        Size::Exact(stated) => assert_eq!(stated, length, "{}", file.path),
        Size::About(stated) => {
            let off = stated.abs_diff(length);
            assert!(
                off <= 1024 + length / 100,
                "{}: {stated} for {length}",
                file.path
            );
        }
        Size::Unknown => {}
    }
    if let Some(stated) = file.digests.sha256 {
        assert_eq!(
            stated.as_bytes()[..],
            Sha256::digest(bytes)[..],
            "{}",
            file.path
        );
    }
    if let Some(stated) = file.digests.git_sha1 {
        let mut hasher = sha1::Sha1::new();
        hasher.update(format!("blob {length}\0"));
        hasher.update(bytes);
        assert_eq!(
            stated.as_bytes()[..],
            hasher.finalize()[..],
            "{}",
            file.path
        );
    }
}

/// The body says where it starts, and its bytes are the file's from there on.
pub async fn a_range_is_of_the_bytes_asked_for<F: Factory>(world: &F) {
    let file = first(world).await;
    let truth = world.content(&world.good(), &file.path);
    let length = truth.len() as u64;
    for (start, end) in [
        (0, Some(1)),
        (1000, Some(3000)),
        (length - 10, Some(length)),
        (length / 2, None),
    ] {
        let asked = ByteRange {
            start,
            end,
            validator: None,
        };
        let body = open(world, &file, &asked).await.unwrap();
        assert!(body.offset <= start, "{} for {start}", body.offset);
        let from = usize::try_from(body.offset).unwrap();
        let stated = body.end;
        let bytes = read(body).await;
        assert!(bytes == truth[from..from + bytes.len()], "{start}..{end:?}");
        let reached = (from + bytes.len()) as u64;
        assert!(
            reached >= end.unwrap_or(length),
            "{start}..{end:?} ends at {reached}"
        );
        assert!(stated.is_none_or(|stated| stated == reached));
    }
}

/// Where a server sends the whole file in place of a part, the body says so.
pub async fn a_server_that_ignores_ranges_answers_from_zero<F: Factory>(world: &F) {
    let file = first(world).await;
    let truth = world.content(&world.good(), &file.path);
    let opened = open(world, &file, &ByteRange::whole()).await.unwrap();
    world.ignore_ranges();
    for validator in [None, opened.validator] {
        let asked = ByteRange {
            start: 1000,
            end: Some(2000),
            validator,
        };
        let body = open(world, &file, &asked).await.unwrap();
        assert_eq!(body.offset, 0);
        assert!(read(body).await == truth);
    }
}

/// What came before the break is the file's, and nothing comes after it.
pub async fn a_body_that_breaks_off_ends_in_an_error<F: Factory>(world: &F) {
    let file = first(world).await;
    let truth = world.content(&world.good(), &file.path);
    world.cut_bodies(20_000);
    let mut body = open(world, &file, &ByteRange::whole()).await.unwrap();
    let mut held = Vec::new();
    let error = loop {
        match body.bytes.next().await {
            Some(Ok(chunk)) => held.extend_from_slice(&chunk),
            Some(Err(error)) => break failure::<()>(Err(error)),
            None => panic!("{} bytes passed for {}", held.len(), truth.len()),
        }
    };
    assert_eq!(error.kind, ErrorKind::Truncated, "{error:?}");
    assert!(error.is_transient(), "the rest can be had");
    assert!(truth.starts_with(&held));
    assert!(
        body.bytes.next().await.is_none(),
        "an error ends the stream"
    );
}

/// Two requests' bytes, held together by a validator, are one file.
pub async fn a_read_goes_on_where_another_ended<F: Factory>(world: &F) {
    let file = first(world).await;
    let truth = world.content(&world.good(), &file.path);
    let mut body = open(world, &file, &ByteRange::whole()).await.unwrap();
    let validator = body.validator.clone();
    let mut held = body.bytes.try_next().await.unwrap().unwrap().to_vec();
    drop(body);
    held.truncate(5000);
    let rest = ByteRange {
        start: held.len() as u64,
        end: None,
        validator,
    };
    let body = open(world, &file, &rest).await.unwrap();
    held.truncate(usize::try_from(body.offset).unwrap());
    held.extend(read(body).await);
    assert!(held == truth, "the joined file differs");
}

/// A link that expired is replaced without the caller noticing.
pub async fn files_open_after_their_links_expired<F: Factory>(world: &F) {
    let file = first(world).await;
    let truth = world.content(&world.good(), &file.path);
    for _ in 0..2 {
        let body = open(world, &file, &ByteRange::whole()).await.unwrap();
        assert!(read(body).await == truth);
        world.expire_links();
    }
}

/// The same within one file: a later part may need another link.
pub async fn a_read_in_several_parts_survives_expiring_links<F: Factory>(world: &F) {
    const PART: u64 = 30_000;
    let file = first(world).await;
    let truth = world.content(&world.good(), &file.path);
    let mut held = Vec::new();
    let mut validator = None;
    while held.len() < truth.len() {
        let start = held.len() as u64;
        let end = (start + PART).min(truth.len() as u64);
        let asked = ByteRange {
            start,
            end: Some(end),
            validator: validator.clone(),
        };
        let body = open(world, &file, &asked).await.unwrap();
        held.truncate(usize::try_from(body.offset).unwrap());
        validator = body.validator.clone();
        held.extend(read(body).await);
        if held.len() as u64 <= PART * 2 {
            world.expire_links();
        }
    }
    assert!(held == truth, "the joined file differs");
}

/// Other content under the same address is an error, whatever part is asked for.
pub async fn changed_content_is_noticed_and_never_joined<F: Factory>(world: &F) {
    let file = first(world).await;
    let body = open(world, &file, &ByteRange::whole()).await.unwrap();
    let validator = body.validator.clone();
    assert!(validator.is_some(), "nothing names this content");
    drop(body);
    world.change_content();
    for (start, end) in [(1000, Some(2000)), (1000, None)] {
        let later = ByteRange {
            start,
            end,
            validator: validator.clone(),
        };
        let error = failure(open(world, &file, &later).await);
        assert_eq!(error.kind, ErrorKind::SourceChanged, "{error:?}");
        assert!(!error.is_transient(), "it stays changed");
    }
}

/// An artifact holds all that its provider needs, in another process too.
pub async fn an_artifact_opens_from_its_stored_form<F: Factory>(world: &F) {
    let file = first(world).await;
    let stored = serde_json::to_string(&file).unwrap();
    let file: Artifact = serde_json::from_str(&stored).unwrap();
    let body = open(world, &file, &ByteRange::whole()).await.unwrap();
    assert!(read(body).await == world.content(&world.good(), &file.path));
}
