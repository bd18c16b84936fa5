//! Claims a second, out of a long queue of many owners.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use modelferry::error::{Code, Error};
use modelferry::records::{Claim, Database, NewUpload, Records, Terms};
use modelferry::request::ImportRequest;
use modelferry_providers::http::HttpSettings;
use modelferry_providers::{Http, Providers, SafeUrl, Settings};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Result;
use crate::figures::Times;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// `postgres://…` or `sqlite:///…`.
    #[arg(long)]
    database: Database,
    /// Jobs in the queue.
    #[arg(long, default_value_t = 20_000)]
    jobs: usize,
    /// Whose they are.
    #[arg(long, default_value_t = 100)]
    owners: usize,
    /// Workers that claim at once.
    #[arg(long, default_value_t = 32)]
    workers: usize,
    /// Claims that each worker holds while it takes more.
    #[arg(long, default_value_t = 8)]
    holds: usize,
    /// Claims to take and not to end: the rate of claims alone.
    #[arg(long, default_value_t = 2000)]
    alone: usize,
}

pub async fn run(options: Options) -> Result<()> {
    let records = Records::open(&options.database).await?;
    fill(&records, &options).await?;
    let (seconds, times, claims) = take(&records, &options, options.alone, usize::MAX).await?;
    println!(
        "claims    {:.0} a second alone ({} by {} workers); {times}",
        times.len() as f64 / seconds,
        times.len(),
        options.workers
    );
    end(&records, claims).await?;
    let (seconds, times, claims) = take(&records, &options, usize::MAX, options.holds).await?;
    println!(
        "claims    {:.0} a second with the end of each ({} by {} workers, {} in flight); {times}",
        times.len() as f64 / seconds,
        times.len(),
        options.workers,
        options.workers * options.holds
    );
    end(&records, claims).await?;
    records.close().await;
    Ok(())
}

/// Makes the queue. Its length is what matters, not how fast it comes to be.
async fn fill(records: &Records, options: &Options) -> Result<()> {
    let request = Arc::new(request()?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut makers = JoinSet::new();
    let (jobs, owners) = (options.jobs, options.owners);
    for _ in 0..16 {
        let (records, request, next) = (records.clone(), request.clone(), next.clone());
        makers.spawn(async move {
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= jobs {
                    return Ok::<(), Error>(());
                }
                let mut request = (*request).clone();
                request.owner = format!("owner_{}", nth % owners);
                let new = NewUpload {
                    request: &request,
                    source: request.upload_source(),
                    file_name: "load",
                };
                records.create(&new).await?;
            }
        });
    }
    while let Some(made) = makers.join_next().await {
        made??;
    }
    Ok(())
}

fn request() -> Result<ImportRequest> {
    let settings = Settings {
        huggingface_endpoint: SafeUrl::parse("https://huggingface.co")?,
        civitai_endpoint: SafeUrl::parse("https://civitai.com")?,
    };
    let providers = Providers::new(&settings, &Http::new(HttpSettings::default())?);
    Ok(ImportRequest::local(providers.parse("acme/tiny")?, None))
}

/// Takes up to so many, each worker ending its oldest when it holds too many.
async fn take(
    records: &Records,
    options: &Options,
    most: usize,
    holds: usize,
) -> Result<(f64, Times, Vec<Claim>)> {
    let left = Arc::new(AtomicUsize::new(most));
    let mut workers = JoinSet::new();
    let began = Instant::now();
    for nth in 0..options.workers {
        let (records, left) = (records.clone(), left.clone());
        workers.spawn(async move {
            let terms = Terms {
                worker: format!("worker_{nth}"),
                lease: Duration::from_secs(600),
                attempts: 10,
            };
            let (mut times, mut held) = (Times::default(), VecDeque::new());
            while spend(&left) {
                let asked = Instant::now();
                let Some(claim) = records.claim_next(&terms).await? else {
                    break;
                };
                times.add(asked.elapsed());
                held.push_back(claim);
                if held.len() > holds
                    && let Some(oldest) = held.pop_front()
                {
                    records.fail(&oldest, &over()).await?;
                }
            }
            Ok::<_, Error>((times, held))
        });
    }
    let (mut times, mut claims) = (Times::default(), Vec::new());
    while let Some(done) = workers.join_next().await {
        let (some, held) = done??;
        times.extend(some);
        claims.extend(held);
    }
    Ok((began.elapsed().as_secs_f64(), times, claims))
}

fn spend(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

async fn end(records: &Records, claims: Vec<Claim>) -> Result<()> {
    for claim in claims {
        records.fail(&claim, &over()).await?;
    }
    Ok(())
}

fn over() -> Error {
    Error::new(Code::NotFound, "the load is over")
}
