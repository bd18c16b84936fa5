//! One try to send one delivery.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use ipnet::IpNet;
use modelferry_providers::http::{HostPauses, HttpSettings, Request, RetryPolicy};
use modelferry_providers::{Http, SafeUrl};

use super::secret::Signer;
use crate::records::DueDelivery;

/// From the connection to the end of the answer's headers.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What is read of an answer, so that its connection can be used again.
const READ: usize = 16 * 1024;
/// How long that may take.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How a try ended.
#[derive(Debug)]
pub(super) enum Tried {
    /// The receiver has it.
    Delivered,
    /// The receiver wants to hear nothing more.
    Gone(String),
    /// It may work later, and not before the wait that the receiver asked for.
    Failed { why: String, wait: Option<Duration> },
}

/// A receiver's wish to be left alone is kept in the records, for its owner
/// alone: one owner's path on a host must not silence another's.
#[derive(Debug)]
struct Unpaused;

#[async_trait]
impl HostPauses for Unpaused {
    async fn remaining(&self, _: &str) -> Option<Duration> {
        None
    }

    async fn pause(&self, _: &str, _: Duration) {}
}

/// How receivers are talked to: once a try, since the deliveries' own schedule
/// decides on the next, and never at an address that is not public unless the
/// operator allows its network.
pub fn http_settings(allow_nets: Vec<IpNet>, proxy: Option<SafeUrl>) -> HttpSettings {
    HttpSettings {
        allow_nets,
        proxy,
        header_timeout: TIMEOUT,
        retry: RetryPolicy {
            retries: 0,
            max_wait: Duration::ZERO,
            ..RetryPolicy::default()
        },
        pauses: Arc::new(Unpaused),
        ..HttpSettings::default()
    }
}

/// Sends one delivery, once. No redirect is followed.
pub(super) async fn attempt(http: &Http, signer: &Signer, delivery: &DueDelivery) -> Tried {
    let timestamp = Utc::now().timestamp();
    let signature = signer.sign(&delivery.id, timestamp, &delivery.payload);
    let request = Request::post_json(delivery.url.clone(), delivery.payload.clone())
        .header("webhook-id", delivery.id.clone())
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signature);
    let host = delivery.url.authority();
    let sent = tokio::time::timeout(TIMEOUT, http.send(&request)).await;
    let answer = match sent {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Tried::Failed {
                why: error.to_string(),
                wait: error.retry_after,
            };
        }
        Err(_) => {
            return Tried::Failed {
                why: format!("{host} took too long to answer"),
                wait: None,
            };
        }
    };
    let (status, wait) = (answer.status, answer.wait_asked());
    // What it says is of no interest, and an endless body is cut off.
    let _ = tokio::time::timeout(READ_TIMEOUT, answer.text(READ)).await;
    match status {
        200..300 => Tried::Delivered,
        410 => Tried::Gone(format!(
            "{host} says that the receiver is gone (status 410)"
        )),
        300..400 => Tried::Failed {
            why: format!("{host} redirects (status {status}), which is not followed"),
            wait,
        },
        _ => Tried::Failed {
            why: format!("{host} answered with status {status}"),
            wait,
        },
    }
}
