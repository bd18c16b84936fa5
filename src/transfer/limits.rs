//! What a process may use at once: connections, memory, bytes a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use modelferry_providers::Origin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pace::Pace;

/// One permit of the memory semaphore, which counts in 32 bits.
const UNIT: u64 = 64 * 1024;

/// Shared by every transfer of a process.
#[derive(Debug)]
pub struct Limits {
    connections: Arc<Semaphore>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    memory: Arc<Semaphore>,
    memory_units: u32,
    /// Bytes a second.
    pub pace: Pace,
}

/// The right to one connection.
#[derive(Debug)]
pub struct Connection {
    _host: OwnedSemaphorePermit,
    _process: OwnedSemaphorePermit,
}

impl Limits {
    /// `connections` in all, `per_host` to one origin, `memory` bytes in
    /// flight, `rate` bytes a second.
    pub fn new(connections: usize, per_host: usize, memory: u64, rate: Option<u64>) -> Self {
        let memory_units = u32::try_from(memory / UNIT)
            .unwrap_or(u32::MAX)
            .clamp(1, u32::MAX >> 3);
        Self {
            connections: Arc::new(Semaphore::new(connections.max(1))),
            per_host: per_host.max(1),
            hosts: Mutex::default(),
            memory: Arc::new(Semaphore::new(memory_units as usize)),
            memory_units,
            pace: Pace::new(rate),
        }
    }

    /// How many ranges of one file are worth asking for at once.
    pub fn lanes(&self) -> usize {
        self.per_host
    }

    /// Waits for a connection to where this file comes from.
    pub async fn connect(&self, origin: &Origin) -> Connection {
        let host = self.host(origin);
        // The semaphores live as long as `self` and are never closed.
        let (Ok(host), Ok(process)) = (
            host.acquire_owned().await,
            self.connections.clone().acquire_owned().await,
        ) else {
            unreachable!("no semaphore of Limits is ever closed")
        };
        Connection {
            _host: host,
            _process: process,
        }
    }

    /// Waits until `bytes` more may be held. A part larger than the whole cap
    /// waits for all of it.
    pub async fn hold(&self, bytes: u64) -> OwnedSemaphorePermit {
        let units = u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(u32::MAX)
            .clamp(1, self.memory_units);
        let Ok(permit) = self.memory.clone().acquire_many_owned(units).await else {
            unreachable!("no semaphore of Limits is ever closed")
        };
        permit
    }

    fn host(&self, origin: &Origin) -> Arc<Semaphore> {
        let name = match origin {
            Origin::Other(other) => other.url.authority(),
            hub => hub.provider().to_string(),
        };
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts
            .entry(name)
            .or_insert_with(|| Arc::new(Semaphore::new(self.per_host)))
            .clone()
    }
}
