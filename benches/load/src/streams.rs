//! Open event streams while uploads change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use modelferry::records::{Claim, Database, Records, Terms};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Result;
use crate::connection::{Connection, Target};
use crate::figures::Times;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,
    /// The server's database, to move uploads as a worker does.
    #[arg(long)]
    database: Database,
    /// Streams to hold open.
    #[arg(long, default_value_t = 10_000)]
    streams: usize,
    /// Uploads that they follow.
    #[arg(long, default_value_t = 1000)]
    uploads: usize,
    /// Uploads of these that a worker has, with progress twice a second.
    #[arg(long, default_value_t = 50)]
    moving: usize,
    /// How long progress goes on.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

#[derive(Default)]
struct Heard {
    events: AtomicUsize,
    ended: AtomicUsize,
    cut: AtomicUsize,
}

pub async fn run(options: Options) -> Result<()> {
    let records = Records::open(&options.database).await?;
    let uploads = make(&options).await?;
    let heard = Arc::new(Heard::default());
    let (began, mut followers) = (Instant::now(), JoinSet::new());
    open(&options, &uploads, &heard, &mut followers).await?;
    println!(
        "streams   {} open after {:.1} s",
        options.streams,
        began.elapsed().as_secs_f64()
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    let claims = claim(&records, &options).await?;
    let (before, began) = (heard.events.load(Ordering::Relaxed), Instant::now());
    let writes = progress(&records, &claims, options.seconds).await?;
    let seconds = began.elapsed().as_secs_f64();
    let events = heard.events.load(Ordering::Relaxed) - before;
    println!(
        "progress  {:.0} writes a second on {} uploads; {:.0} events a second to the streams",
        writes as f64 / seconds,
        claims.len(),
        events as f64 / seconds
    );
    end(&options, &uploads, followers, &heard).await
}

/// The uploads to follow.
async fn make(options: &Options) -> Result<Vec<(usize, String)>> {
    let mut connection = Connection::open(&options.target.server).await?;
    let mut uploads = Vec::new();
    for number in 0..options.uploads {
        let owner = number % options.target.keys.len();
        let body = format!(r#"{{"url":"https://example.com/{number}.bin","kind":"asset"}}"#);
        let authorization = options.target.authorization(owner);
        let answer = connection
            .call("POST", "/v1/uploads", &authorization, &body)
            .await?;
        let id = answer["upload"]["id"].as_str().ok_or("no id")?;
        uploads.push((owner, id.to_owned()));
    }
    Ok(uploads)
}

/// Opens every stream, a hundred at a time, and keeps reading each.
async fn open(
    options: &Options,
    uploads: &[(usize, String)],
    heard: &Arc<Heard>,
    followers: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let opening = Arc::new(Semaphore::new(100));
    for nth in 0..options.streams {
        let turn = opening.clone().acquire_owned().await?;
        let (owner, id) = &uploads[nth % uploads.len()];
        let (server, authorization) = (
            options.target.server.clone(),
            options.target.authorization(*owner),
        );
        let (path, heard) = (format!("/v1/uploads/{id}/events"), heard.clone());
        followers.spawn(async move {
            let mut connection = Connection::open(&server).await?;
            connection.follow(&path, &authorization).await?;
            drop(turn);
            listen(connection, &heard).await
        });
    }
    // All of them: the last has its turn behind it.
    let _all = opening.acquire_many(100).await?;
    Ok(())
}

async fn listen(mut connection: Connection, heard: &Heard) -> Result<()> {
    let mut is_over = false;
    loop {
        let text = connection.next().await?;
        if text.is_empty() {
            heard
                .cut
                .fetch_add(usize::from(!is_over), Ordering::Relaxed);
            return Ok(());
        }
        let events = text.matches("event: ").count();
        heard.events.fetch_add(events, Ordering::Relaxed);
        if !is_over && text.contains("\"cancelled\"") {
            is_over = true;
            heard.ended.fetch_add(1, Ordering::Relaxed);
        }
        // The last chunk of an answer that ends.
        if is_over && text.ends_with("0\r\n\r\n") {
            return Ok(());
        }
    }
}

async fn claim(records: &Records, options: &Options) -> Result<Vec<Claim>> {
    let terms = Terms {
        worker: "load".to_owned(),
        lease: Duration::from_secs(600),
        attempts: 10,
    };
    let mut claims = VecDeque::new();
    while claims.len() < options.moving {
        claims.push_back(
            records
                .claim_next(&terms)
                .await?
                .ok_or("nothing to claim")?,
        );
    }
    Ok(claims.into())
}

/// What recorders write while bytes move.
async fn progress(records: &Records, claims: &[Claim], seconds: u64) -> Result<usize> {
    let mut pace = tokio::time::interval(Duration::from_millis(500));
    let mut writes = 0;
    for round in 0..seconds * 2 {
        pace.tick().await;
        for claim in claims {
            records.save_progress(claim, round * 1000 + 1).await?;
            writes += 1;
        }
    }
    Ok(writes)
}

/// Cancels every upload, and waits until each stream has told so.
async fn end(
    options: &Options,
    uploads: &[(usize, String)],
    mut followers: JoinSet<Result<()>>,
    heard: &Heard,
) -> Result<()> {
    let mut connection = Connection::open(&options.target.server).await?;
    let (began, mut times) = (Instant::now(), Times::default());
    for (owner, id) in uploads {
        let asked = Instant::now();
        let path = format!("/v1/uploads/{id}/action");
        let authorization = options.target.authorization(*owner);
        connection
            .call("POST", &path, &authorization, r#"{"action":"cancel"}"#)
            .await?;
        times.add(asked.elapsed());
    }
    let cancelled = began.elapsed().as_secs_f64();
    while let Some(ended) = followers.join_next().await {
        ended??;
    }
    println!(
        "ends      {} cancelled in {cancelled:.1} s ({times}); the last stream told so after {:.1} s",
        uploads.len(),
        began.elapsed().as_secs_f64()
    );
    println!(
        "streams   {} told the end, {} were cut before it",
        heard.ended.load(Ordering::Relaxed),
        heard.cut.load(Ordering::Relaxed)
    );
    Ok(())
}
