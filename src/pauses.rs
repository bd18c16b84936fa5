//! Waits that hosts asked for, kept by all processes of one database.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use modelferry_providers::http::{HostPauses, Pauses};
use tokio::time::{Instant, timeout};

use crate::records::Records;

/// How often the records are asked about one host.
const PACE: Duration = Duration::from_secs(1);
/// How long an answer of theirs is waited for: requests go on without it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Hosts whose last look is remembered.
const REMEMBERED: usize = 1024;

/// [`HostPauses`] of this process, and those that others wrote down.
#[derive(Debug)]
pub struct SharedPauses {
    records: Records,
    own: Pauses,
    /// By the host and port of a hub, what its jobs call it.
    hubs: HashMap<String, String>,
    looked: Mutex<HashMap<String, Instant>>,
}

impl SharedPauses {
    /// Pauses kept in these records. `hubs` names hosts that jobs know by
    /// another name, so that no job of theirs is begun either.
    pub fn new(records: Records, hubs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            records,
            own: Pauses::default(),
            hubs: hubs.into_iter().collect(),
            looked: Mutex::default(),
        }
    }

    fn is_to_be_asked(&self, host: &str) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if looked.get(host).is_some_and(|last| now - *last < PACE) {
            return false;
        }
        if looked.len() >= REMEMBERED {
            looked.retain(|_, last| now - *last < PACE);
        }
        looked.insert(host.to_owned(), now);
        true
    }
}

#[async_trait]
impl HostPauses for SharedPauses {
    async fn remaining(&self, host: &str) -> Option<Duration> {
        if self.is_to_be_asked(host)
            && let Ok(Ok(Some(left))) = timeout(PATIENCE, self.records.host_pause(host)).await
        {
            self.own.pause(host, left).await;
        }
        self.own.remaining(host).await
    }

    async fn pause(&self, host: &str, wait: Duration) {
        self.own.pause(host, wait).await;
        let mut hosts = vec![host];
        hosts.extend(self.hubs.get(host).map(String::as_str));
        let written = timeout(PATIENCE, self.records.pause_hosts(&hosts, wait)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(%host, "others could not be told to leave this host alone");
        }
    }
}
