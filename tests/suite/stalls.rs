//! Answers that get nowhere: drips, and ranges far behind their siblings.

use std::time::Duration;

use modelferry::error::Code;
use modelferry::transfer::{Limits, Patience};
use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Site};

use crate::support::pipeline::{Knobs, MIB, Pipeline, hub_with, parted};

async fn impatient(hub: &Hub, patience: Patience) -> Pipeline {
    let knobs = Knobs {
        patience,
        ..Knobs::default()
    };
    Pipeline::with(hub, knobs).await
}

#[tokio::test]
async fn a_drip_that_never_ends_is_a_stall() {
    let (hub, url) = hub_with(parted(21)).await;
    hub.order(Fault::drip(200).method("GET").skip(2));
    let patience = Patience {
        least_rate: 1024,
        window: Duration::from_millis(400),
        ..Patience::default()
    };
    let pipeline = impatient(&hub, patience).await;
    let (error, _) = pipeline.import(&url, None).await.unwrap_err();
    assert_eq!(error.code, Code::Stalled, "{error:?}");
    assert!(error.hint.is_some() && error.code.keeps_staged());
    assert_eq!(pipeline.assert_blobs_match_their_names(), 0);
}

#[tokio::test]
async fn a_drip_is_dropped_and_the_rest_asked_for_anew() {
    let file = parted(22);
    let content = file.content.clone();
    let (hub, url) = hub_with(file).await;
    hub.order(Fault::drip(200).method("GET").skip(2).times(2));
    let patience = Patience {
        least_rate: 1024,
        window: Duration::from_millis(400),
        ..Patience::default()
    };
    let pipeline = impatient(&hub, patience).await;
    pipeline.import(&url, None).await.unwrap();
    assert!(pipeline.blob(&content.sha256()) == content.to_vec());
}

#[tokio::test]
async fn headers_that_drip_are_looked_at_no_longer_than_patience_lasts() {
    let file = parted(28);
    let content = file.content.clone();
    let (hub, url) = hub_with(file).await;
    // The first GET is the plan's, the second looks at the headers: 64 KiB would take five minutes.
    hub.order(Fault::drip(200).method("GET").skip(1).times(1));
    let patience = Patience {
        least_rate: 1024,
        window: Duration::from_millis(400),
        ..Patience::default()
    };
    let pipeline = impatient(&hub, patience).await;
    let began = std::time::Instant::now();
    pipeline.import(&url, None).await.unwrap();
    assert!(pipeline.blob(&content.sha256()) == content.to_vec());
    // The HTTP layer would have ended it after 30 s.
    assert!(began.elapsed() < Duration::from_secs(25), "{began:?}");
}

#[tokio::test]
async fn a_range_far_behind_its_siblings_is_raced_and_the_first_one_wins() {
    let file = PlainFile::new("/big.bin", Content::seeded(23, 80 * MIB));
    let content = file.content.clone();
    let (hub, url) = hub_with(file).await;
    // Alone, this range would take more than an hour.
    hub.order(Fault::throttle(2000).method("GET").skip(5).times(1));
    let patience = Patience {
        grace: Duration::from_millis(300),
        least_rate: 1,
        ..Patience::default()
    };
    let pipeline = impatient(&hub, patience).await;
    let ended = pipeline.import(&url, None).await.unwrap();
    assert!(pipeline.blob(&content.sha256()) == content.to_vec());
    let moved = ended.files[0].bytes_transferred;
    assert!(
        moved < 90 * MIB,
        "only the laggard is asked for twice: {moved}"
    );
}

#[tokio::test]
async fn ranges_that_are_all_slow_are_not_raced() {
    let (hub, url) = hub_with(parted(24)).await;
    hub.order(Fault::throttle(16 * MIB));
    let patience = Patience {
        grace: Duration::from_millis(50),
        ..Patience::default()
    };
    let pipeline = impatient(&hub, patience).await;
    let ended = pipeline.import(&url, None).await.unwrap();
    assert_eq!(ended.files[0].bytes_transferred, 20 * MIB + 7);
}

#[tokio::test]
async fn little_memory_and_one_connection_are_enough() {
    let file = parted(25);
    let content = file.content.clone();
    let (hub, url) = hub_with(file).await;
    let knobs = Knobs {
        limits: Limits::new(1, 1, MIB, None),
        ..Knobs::default()
    };
    let pipeline = Pipeline::with(&hub, knobs).await;
    pipeline.import(&url, None).await.unwrap();
    assert!(pipeline.blob(&content.sha256()) == content.to_vec());
}

#[tokio::test]
async fn bytes_come_at_the_rate_that_was_set() {
    let file = parted(26);
    let (hub, url) = hub_with(file).await;
    let rate = 10 * MIB;
    let knobs = Knobs {
        limits: Limits::new(16, 8, 256 * MIB, Some(rate)),
        ..Knobs::default()
    };
    let pipeline = Pipeline::with(&hub, knobs).await;
    let began = std::time::Instant::now();
    pipeline.import(&url, None).await.unwrap();
    // A loaded machine may be slower; faster is never right.
    assert!(began.elapsed() >= Duration::from_secs_f64(2.0 * 0.9));
    assert!(hub.bytes_sent(Site::Files) >= 20 * MIB);
}

#[tokio::test]
async fn a_host_takes_no_more_connections_than_are_allowed() {
    let file = PlainFile::new("/big.bin", Content::seeded(27, 64 * MIB));
    let (hub, url) = hub_with(file).await;
    hub.order(Fault::throttle(40 * MIB).method("GET"));
    let knobs = Knobs {
        limits: Limits::new(16, 2, 256 * MIB, None),
        ..Knobs::default()
    };
    let pipeline = Pipeline::with(&hub, knobs).await;
    pipeline.import(&url, None).await.unwrap();
    assert_eq!(hub.most_connections(Site::Files), 2);
}

#[tokio::test]
async fn more_connections_are_opened_for_as_long_as_that_pays() {
    let file = PlainFile::new("/big.bin", Content::seeded(29, 160 * MIB));
    let (hub, url) = hub_with(file).await;
    // Four connections would need two seconds.
    hub.order(Fault::throttle(20 * MIB).method("GET"));
    let pipeline = Pipeline::on(&hub).await;
    pipeline.import(&url, None).await.unwrap();
    assert_eq!(hub.most_connections(Site::Files), 8);
}
