//! What goes wrong on the way: the right bytes in the end, or the right code,
//! and never a wrong blob.

use std::time::Duration;

use modelferry::error::{Code, Error};
use modelferry::upload::{UploadStatus, Verification};
use modelferry_fixtures::{Content, DigestHeader, Fault, Hub, PlainFile, Repo, Scene, Site};

use crate::support::pipeline::{Ended, Knobs, MIB, Pipeline, hub_with, parted};

/// Imports a file of three parts from a hub with these faults, its hash given.
async fn hashed(faults: Vec<Fault>) -> Result<Ended, Error> {
    let file = parted(1);
    let sha256 = file.content.sha256();
    import(file, faults, Some(sha256)).await
}

/// The same with nothing but a validator to go by.
async fn unhashed(faults: Vec<Fault>) -> Result<Ended, Error> {
    import(parted(2), faults, None).await
}

async fn import(
    file: PlainFile,
    faults: Vec<Fault>,
    sha256: Option<String>,
) -> Result<Ended, Error> {
    let expected = file.content.clone();
    let (hub, url) = hub_with(file).await;
    faults.into_iter().for_each(|fault| hub.order(fault));
    let knobs = Knobs {
        read_timeout: Duration::from_secs(2),
        ..Knobs::default()
    };
    let pipeline = Pipeline::with(&hub, knobs).await;
    match pipeline.import(&url, sha256.as_deref()).await {
        Ok(ended) => {
            assert_eq!(ended.detail.upload.status, UploadStatus::Imported);
            assert!(pipeline.blob(&expected.sha256()) == expected.to_vec());
            assert_eq!(pipeline.staged(), [""; 0], "nothing stays staged");
            Ok(ended)
        }
        Err((error, ended)) => {
            assert_eq!(ended.detail.upload.status, UploadStatus::Failed);
            assert_eq!(pipeline.assert_blobs_match_their_names(), 0);
            assert!(error.hint.is_some(), "{error}");
            if !error.code.keeps_staged() {
                assert_eq!(pipeline.staged(), [""; 0], "nothing stays staged");
            }
            Err(error)
        }
    }
}

#[tokio::test]
async fn a_byte_flipped_once_is_repaired() {
    let ended = hashed(vec![Fault::flip_byte(9 * MIB).method("GET").times(1)])
        .await
        .unwrap();
    assert!(ended.files[0].repaired);
    assert!(ended.files[0].bytes_transferred >= 2 * (20 * MIB + 7));
}

#[tokio::test]
async fn the_same_wrong_bytes_twice_are_the_publishers_fault() {
    let error = hashed(vec![Fault::flip_byte(9 * MIB).method("GET")])
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::HashMismatch);
    assert!(
        error.message.contains("twice with the same bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn different_wrong_bytes_are_blamed_on_the_way() {
    let faults = vec![
        Fault::flip_byte(9 * MIB).method("GET").times(1),
        Fault::flip_byte(17 * MIB).method("GET").skip(1).times(1),
    ];
    let error = hashed(faults).await.unwrap_err();
    assert_eq!(error.code, Code::HashMismatch);
    assert!(
        error.message.contains("twice with different bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn a_broken_off_answer_is_gone_on_with() {
    for fault in [Fault::cut(MIB), Fault::reset(3 * MIB)] {
        let ended = unhashed(vec![fault.method("GET").times(3)]).await.unwrap();
        let moved = ended.files[0].bytes_transferred;
        assert!(
            moved < 21 * MIB,
            "only what was missing is asked for again: {moved}"
        );
    }
}

#[tokio::test]
async fn a_server_that_always_breaks_off_is_given_up() {
    let error = unhashed(vec![Fault::cut(0).method("GET").skip(1)])
        .await
        .unwrap_err();
    assert!(
        matches!(error.code, Code::Truncated | Code::UpstreamError),
        "{error:?}"
    );
    assert!(error.code.keeps_staged());
}

#[tokio::test]
async fn a_retry_goes_on_from_what_a_failure_left() {
    let file = PlainFile::new("/big.bin", Content::seeded(7, 80 * MIB));
    let sha256 = file.content.sha256();
    let (hub, url) = hub_with(file).await;
    // Room for ten parts before the host has had enough.
    hub.order(Fault::cut(0).method("GET").skip(10));
    let pipeline = Pipeline::on(&hub).await;
    let (error, ended) = pipeline.import(&url, Some(&sha256)).await.unwrap_err();
    assert!(error.code.keeps_staged(), "{error:?}");
    hub.clear_faults();
    hub.forget_requests();
    let ended = pipeline.retry(&ended).await.unwrap();
    assert_eq!(ended.detail.upload.status, UploadStatus::Imported);
    let again = hub.bytes_sent(Site::Files);
    assert!(
        again < 80 * MIB,
        "what was stored is not asked for again: {again}"
    );
    assert_eq!(pipeline.assert_blobs_match_their_names(), 1);
}

#[tokio::test]
async fn a_length_that_lies_is_an_error() {
    for length in [30 * MIB, 5 * MIB] {
        let faults = vec![Fault::claim_length(length).method("GET")];
        let error = hashed(faults).await.unwrap_err();
        let expected = [
            Code::UpstreamError,
            Code::Truncated,
            Code::SizeMismatch,
            Code::SourceChanged,
        ];
        assert!(expected.contains(&error.code), "{length}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_ignores_ranges_gives_one_stream() {
    let ended = unhashed(vec![Fault::ignore_range()]).await.unwrap();
    assert!(ended.files[0].bytes_transferred < 21 * MIB);
}

#[tokio::test]
async fn a_server_that_stops_honouring_ranges_midway_is_no_reason_to_splice() {
    let ended = hashed(vec![Fault::ignore_range().skip(2).times(1)]).await;
    if let Err(error) = ended {
        assert_eq!(error.code, Code::SourceChanged, "{error}");
    }
}

#[tokio::test]
async fn compressed_bytes_are_refused() {
    let error = hashed(vec![Fault::gzip()]).await.unwrap_err();
    assert_eq!(error.code, Code::UpstreamError);
    assert!(error.message.contains("gzip"), "{error}");
}

#[tokio::test]
async fn a_file_that_changes_midway_starts_over_as_it_is_now() {
    let file = parted(3);
    let changed = file.content.changed();
    let (hub, url) = hub_with(file).await;
    hub.order(Fault::change_file().method("GET").skip(2));
    let pipeline = Pipeline::on(&hub).await;
    match pipeline.import(&url, None).await {
        Ok(_) => assert!(pipeline.blob(&changed.sha256()) == changed.to_vec()),
        Err((error, _)) => assert_eq!(error.code, Code::SourceChanged, "{error}"),
    }
}

#[tokio::test]
async fn a_file_that_changed_under_its_hash_is_refused() {
    let error = hashed(vec![Fault::change_file().method("GET").skip(2)])
        .await
        .unwrap_err();
    assert!(
        matches!(error.code, Code::SourceChanged | Code::HashMismatch),
        "{error:?}"
    );
}

#[tokio::test]
async fn another_range_than_asked_for_is_never_taken() {
    let error = unhashed(vec![Fault::wrong_content_range().skip(1)])
        .await
        .unwrap_err();
    assert!(
        matches!(error.code, Code::UpstreamError | Code::SourceChanged),
        "{error:?}"
    );
}

#[tokio::test]
async fn shifted_bytes_under_the_right_words_are_caught_by_the_hash() {
    let error = hashed(vec![Fault::shift_range(1).method("GET")])
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::HashMismatch);
    let once = hashed(vec![Fault::shift_range(1).method("GET").skip(2).times(1)]).await;
    assert!(once.unwrap().files[0].repaired);
}

#[tokio::test]
async fn several_parts_in_one_answer_are_refused() {
    let error = hashed(vec![Fault::multipart()]).await.unwrap_err();
    assert_eq!(error.code, Code::UpstreamError);
}

#[tokio::test]
async fn a_limit_in_the_middle_is_waited_out() {
    let faults = vec![
        Fault::status(429)
            .header("retry-after", "1")
            .method("GET")
            .skip(2)
            .times(2),
        Fault::overloaded(1).method("GET").skip(3).times(1),
    ];
    let ended = unhashed(faults).await.unwrap();
    assert_eq!(ended.files[0].verification, Some(Verification::Length));
}

#[tokio::test]
async fn silence_ends_a_range_and_it_is_asked_for_again() {
    let stall = Fault::stall(2 * MIB, Duration::from_secs(600))
        .method("GET")
        .times(2);
    let ended = unhashed(vec![stall]).await.unwrap();
    assert!(ended.files[0].bytes_transferred < 21 * MIB);
}

#[tokio::test]
async fn a_file_that_can_not_be_told_from_another_is_never_joined() {
    let cut = |times| vec![Fault::cut(9 * MIB).method("GET").times(times)];
    let file = || parted(4).without_validators();
    let ended = import(file(), cut(1), None).await.unwrap();
    assert!(
        ended.files[0].bytes_transferred > 29 * MIB,
        "it starts over instead of asking for the rest"
    );
    let error = import(file(), cut(2), None).await.unwrap_err();
    assert_eq!(error.code, Code::SourceChanged);
}

#[tokio::test]
async fn a_digest_header_is_held_against_the_bytes() {
    let told = parted(5).digest(DigestHeader::ReprDigest);
    let ended = import(told, vec![], None).await.unwrap();
    assert_eq!(
        ended.files[0].verification,
        Some(Verification::DigestHeader)
    );
    let lying = parted(5).digest(DigestHeader::ReprDigest).lying();
    let error = import(lying, vec![], None).await.unwrap_err();
    assert_eq!(error.code, Code::HashMismatch);
}

#[tokio::test]
async fn links_that_expire_midway_are_asked_for_anew() {
    let content = Content::seeded(6, 20 * MIB);
    let repo = Repo::model("acme/large").lfs("model.bin", content.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    hub.order(Fault::expire_links().on(Site::Cdn).skip(1).times(1));
    hub.order(Fault::cut(MIB).on(Site::Cdn).method("GET").times(2));
    let pipeline = Pipeline::on(&hub).await;
    let ended = pipeline.import("acme/large", None).await.unwrap();
    assert_eq!(ended.files[0].verification, Some(Verification::Sha256));
    assert!(pipeline.blob(&content.sha256()) == content.to_vec());
}
