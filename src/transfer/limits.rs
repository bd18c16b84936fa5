//! What a process may use at once: connections, memory, bytes a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use modelferry_providers::Origin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pace::Pace;

/// One permit of the memory semaphore, which counts in 32 bits.
const UNIT: u64 = 64 * 1024;
/// What one file may have on its way, fetched or being fetched and not yet
/// stored: all of it is fetched again after a crash.
const MOST_AHEAD: u64 = 144 * 1024 * 1024;
/// Ranges of a process that are asked for a second time at once. Their bytes
/// are few, and not counted against the memory.
const RIVALS: usize = 2;

/// Shared by every transfer of a process.
#[derive(Debug)]
pub struct Limits {
    connections: Arc<Semaphore>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    memory: Arc<Semaphore>,
    memory_units: u32,
    files: Arc<AtomicU64>,
    rivals: Arc<Semaphore>,
    /// Bytes a second.
    pub pace: Pace,
}

/// The right to one connection.
#[derive(Debug)]
pub struct Connection {
    _host: OwnedSemaphorePermit,
    _process: OwnedSemaphorePermit,
}

/// A file that shares the memory with the others that run.
#[derive(Debug)]
pub struct Sharer(Arc<AtomicU64>);

impl Drop for Sharer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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
            files: Arc::default(),
            rivals: Arc::new(Semaphore::new(RIVALS)),
            pace: Pace::new(rate),
        }
    }

    /// How many ranges of one file are worth asking for at once, at most.
    pub fn lanes(&self) -> usize {
        self.per_host
    }

    /// All that may be held at once, in bytes.
    pub fn memory(&self) -> u64 {
        u64::from(self.memory_units) * UNIT
    }

    /// How many bytes one file may have on its way, at most.
    pub fn ahead(&self) -> u64 {
        (self.memory() * 3 / 4).min(MOST_AHEAD)
    }

    /// This file's fair share of [`Limits::ahead`], among those that run now.
    pub fn share(&self) -> u64 {
        let files = self.files.load(Ordering::Relaxed).max(1);
        self.ahead().min(self.memory() / files)
    }

    /// One file more wants memory, until the handle is dropped.
    pub fn sharer(&self) -> Sharer {
        self.files.fetch_add(1, Ordering::Relaxed);
        Sharer(self.files.clone())
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

    /// A connection, if one can be had at once.
    pub fn try_connect(&self, origin: &Origin) -> Option<Connection> {
        Some(Connection {
            _host: self.host(origin).try_acquire_owned().ok()?,
            _process: self.connections.clone().try_acquire_owned().ok()?,
        })
    }

    /// Waits until `bytes` more may be held. A part larger than the whole cap
    /// waits for all of it.
    pub async fn hold(&self, bytes: u64) -> OwnedSemaphorePermit {
        let memory = self.memory.clone();
        let Ok(permit) = memory.acquire_many_owned(self.units(bytes)).await else {
            unreachable!("no semaphore of Limits is ever closed")
        };
        permit
    }

    /// The right to hold `bytes` more, if that can be had at once.
    pub fn try_hold(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let memory = self.memory.clone();
        memory.try_acquire_many_owned(self.units(bytes)).ok()
    }

    /// The right to ask for a range a second time, if not too many are.
    pub fn rival(&self) -> Option<OwnedSemaphorePermit> {
        self.rivals.clone().try_acquire_owned().ok()
    }

    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(u32::MAX)
            .clamp(1, self.memory_units)
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

#[cfg(test)]
mod tests {
    use modelferry_providers::SafeUrl;

    use super::*;

    #[test]
    fn the_memory_is_shared_among_the_files_that_run() {
        const MIB: u64 = 1024 * 1024;
        let limits = Limits::new(16, 8, 256 * MIB, None);
        let alone = limits.sharer();
        assert_eq!(limits.share(), 144 * MIB);
        let others = [limits.sharer(), limits.sharer(), limits.sharer()];
        assert_eq!(limits.share(), 64 * MIB);
        drop((alone, others));
        assert_eq!(limits.share(), 144 * MIB);
        assert_eq!(Limits::new(1, 1, 16 * MIB, None).ahead(), 12 * MIB);
    }

    #[tokio::test]
    async fn connections_are_counted_by_host_and_by_process() {
        let origin = |host: &str| {
            Origin::Other(modelferry_providers::OtherOrigin {
                url: SafeUrl::parse(&format!("https://{host}/file")).unwrap(),
                validator: None,
            })
        };
        let limits = Limits::new(3, 2, 1024, None);
        let held = [
            limits.connect(&origin("a.example")).await,
            limits.connect(&origin("a.example")).await,
        ];
        assert!(limits.try_connect(&origin("a.example")).is_none());
        let last = limits.try_connect(&origin("b.example")).unwrap();
        assert!(limits.try_connect(&origin("c.example")).is_none());
        drop((held, last));
        assert!(limits.try_connect(&origin("c.example")).is_some());
    }
}
