//! Creates a second, and how long a record takes to read beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Result;
use crate::connection::{Connection, Target};
use crate::figures::Times;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,
    /// How long.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Connections that ask for uploads.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Creates a second in all; 0 is as many as are answered.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Connections that read records.
    #[arg(long, default_value_t = 4)]
    readers: usize,
    /// Reads a second in all.
    #[arg(long, default_value_t = 100)]
    reads: u32,
}

struct Shared {
    options: Options,
    /// Uploads made, with the owner that can read each.
    made: Mutex<Vec<(usize, String)>>,
    count: AtomicUsize,
    over: AtomicBool,
    until: Instant,
}

pub async fn run(options: Options) -> Result<()> {
    let shared = Arc::new(Shared {
        until: Instant::now() + Duration::from_secs(options.seconds),
        options,
        made: Mutex::default(),
        count: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let (mut makers, mut readers) = (JoinSet::new(), JoinSet::new());
    let began = Instant::now();
    for nth in 0..shared.options.connections {
        makers.spawn(make(shared.clone(), nth));
    }
    for nth in 0..shared.options.readers {
        readers.spawn(read(shared.clone(), nth));
    }
    let (mut creates, mut reads) = (Times::default(), Times::default());
    while let Some(times) = makers.join_next().await {
        creates.extend(times??);
    }
    let seconds = began.elapsed().as_secs_f64();
    shared.over.store(true, Ordering::Relaxed);
    while let Some(times) = readers.join_next().await {
        reads.extend(times??);
    }
    println!(
        "creates   {:.0} a second ({} in {seconds:.1} s over {} connections); {creates}",
        creates.len() as f64 / seconds,
        creates.len(),
        shared.options.connections,
    );
    println!(
        "retrieves {:.0} a second beside them; {reads}",
        reads.len() as f64 / seconds
    );
    Ok(())
}

async fn make(shared: Arc<Shared>, nth: usize) -> Result<Times> {
    let options = &shared.options;
    let mut connection = Connection::open(&options.target.server).await?;
    let mut times = Times::default();
    let mut pace = pace(options.rate, options.connections, nth);
    while Instant::now() < shared.until {
        let due = pace.wait().await;
        let number = shared.count.fetch_add(1, Ordering::Relaxed);
        let owner = number % options.target.keys.len();
        let authorization = options.target.authorization(owner);
        let body = format!(r#"{{"url":"https://example.com/{number}.bin","kind":"asset"}}"#);
        let answer = connection
            .call("POST", "/v1/uploads", &authorization, &body)
            .await?;
        times.add(due.elapsed());
        let id = answer["upload"]["id"].as_str().ok_or("no id")?.to_owned();
        shared.made.lock().await.push((owner, id));
    }
    Ok(times)
}

async fn read(shared: Arc<Shared>, nth: usize) -> Result<Times> {
    let options = &shared.options;
    let mut connection = Connection::open(&options.target.server).await?;
    let mut times = Times::default();
    let mut pace = pace(options.reads, options.readers, nth);
    let mut any: usize = nth;
    while !shared.over.load(Ordering::Relaxed) {
        let due = pace.wait().await;
        // Any of those made so far: a step that shares no factor with most counts.
        any = any.wrapping_add(7919);
        let chosen = {
            let made = shared.made.lock().await;
            made.get(any % made.len().max(1)).cloned()
        };
        let Some((owner, id)) = chosen else { continue };
        let authorization = options.target.authorization(owner);
        let path = format!("/v1/uploads/{id}");
        connection.call("GET", &path, &authorization, "").await?;
        times.add(due.elapsed());
    }
    Ok(times)
}

/// When each request of one connection is due. A time is measured from then:
/// a request that had to wait for the one before it counts its wait.
struct Pace {
    every: Option<Duration>,
    due: Instant,
}

fn pace(rate: u32, connections: usize, nth: usize) -> Pace {
    let every = (rate > 0).then(|| Duration::from_secs_f64(connections as f64 / f64::from(rate)));
    let share = every
        .unwrap_or_default()
        .mul_f64(nth as f64 / connections as f64);
    Pace {
        every,
        due: Instant::now() + share,
    }
}

impl Pace {
    async fn wait(&mut self) -> Instant {
        let Some(every) = self.every else {
            return Instant::now();
        };
        let due = self.due;
        tokio::time::sleep_until(due).await;
        self.due = due + every;
        due
    }
}
