//! `serve`

use std::net::SocketAddr;
use std::sync::Arc;

use super::output::Output;
use super::session::Session;
use super::{Exit, ServeArgs, keys};
use crate::api;
use crate::config::Config;
use crate::error::{Code, Error};
use crate::records::ApiKey;
use crate::request::LOCAL_OWNER;
use crate::sync::Scheduler;
use crate::worker::{Pool, PoolSettings};

pub(super) async fn run(output: &Output, config: &Config, args: &ServeArgs) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let records = session.ferry.records.clone();
    let first_key = if records.keys().await?.is_empty() {
        Some(make_first_key(output, &session, args.listen).await?)
    } else {
        None
    };
    let listener = api::listen(args.listen).await?;
    let address = listener.local_addr().unwrap_or(args.listen);
    show_console(output, address, first_key.as_ref());
    let workers = args.workers.unwrap_or(config.workers);
    let api = session.api(config);
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
    output.note(&format!(
        "http://{address}/v1 answers, with {workers} workers; Ctrl-C stops"
    ));
    let deliveries = async {
        if workers > 0 {
            deliverer.run(&session.cancel).await;
        }
    };
    let (served, (), (), ()) = tokio::join!(
        async {
            let served = api.serve(listener).await;
            // Without the API the rest ends too, and the operator starts all anew.
            session.cancel.cancel();
            served
        },
        pool.run(&session.cancel),
        deliveries,
        async {
            // The API alone leaves the work to others, schedules included.
            if workers > 0 {
                Box::pin(scheduler.run(&session.cancel)).await;
            }
        }
    );
    records.close().await;
    served.map(|()| Exit::Done)
}

/// Where a browser finds the console. With the first key, a link that signs in:
/// what follows the `#` stays in the browser.
fn show_console(output: &Output, address: SocketAddr, first_key: Option<&(ApiKey, String)>) {
    match first_key {
        Some((key, secret)) => output.note(&format!(
            "the console, signed in: http://{address}/#key={}:{secret}",
            key.id
        )),
        None => output.note(&format!("the console: http://{address}/")),
    }
}

async fn make_first_key(
    output: &Output,
    session: &Session,
    listen: SocketAddr,
) -> Result<(ApiKey, String), Error> {
    if !listen.ip().is_loopback() {
        let message = format!("{listen} can be reached from other machines, and no API key exists");
        return Err(Error::new(Code::InvalidRequest, message)
            .hint("make one with `modelferry keys create`, or listen on 127.0.0.1"));
    }
    output.note("no API key exists; here is the first, shown this once:");
    let made = session
        .ferry
        .records
        .create_key(LOCAL_OWNER, LOCAL_OWNER, &[])
        .await?;
    keys::print(output, &made);
    Ok(made)
}
