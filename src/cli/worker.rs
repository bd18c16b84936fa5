//! `worker`

use std::sync::Arc;

use super::output::Output;
use super::session::Session;
use super::{Exit, WorkerArgs};
use crate::api;
use crate::config::Config;
use crate::error::Error;
use crate::sync::Scheduler;
use crate::worker::{Pool, PoolSettings};

pub(super) async fn run(
    output: &Output,
    config: &Config,
    args: &WorkerArgs,
) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let records = session.ferry.records.clone();
    let listener = match args.listen {
        Some(address) => Some(api::listen(address).await?),
        None => None,
    };
    let workers = args.workers.unwrap_or(config.workers);
    output.note(&format!(
        "{workers} workers wait for uploads; Ctrl-C stops them"
    ));
    let operators = session.api(config);
    let deliverer = session.deliverer(config)?;
    let worker = Arc::new(session.worker);
    let scheduler = Scheduler::new(worker.clone(), session.ferry.clone(), config.lease);
    let pool = Pool::new(
        worker,
        session.ferry.clone(),
        &PoolSettings {
            workers,
            lease: config.lease,
            attempts: config.attempts,
        },
    );
    let (served, (), (), ()) = tokio::join!(
        async {
            let Some(listener) = listener else {
                return Ok(());
            };
            let served = operators.serve_operators(listener).await;
            // A process that can't be watched any more is started anew.
            session.cancel.cancel();
            served
        },
        pool.run(&session.cancel),
        Box::pin(scheduler.run(&session.cancel)),
        deliverer.run(&session.cancel),
    );
    records.close().await;
    served.map(|()| Exit::Done)
}
