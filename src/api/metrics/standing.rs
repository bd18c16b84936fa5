//! What the records say: the same from every process.

use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::PREFIX;
use crate::records::{Queue, Tallies, Tally};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: String,
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: String,
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
}

/// Every series of the records, as of now.
pub(super) fn registry(tallies: &Tallies, queue: &Queue, connections: (u32, usize)) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let help = "Uploads by status and provider";
    registry.register("uploads", help, gauges(&tallies.uploads, by_status));
    let help = "Failed uploads by code and provider";
    registry.register("upload_errors", help, gauges(&tallies.errors, by_code));
    let help = "Moves of uploads by the status they led to";
    registry.register("upload_moves", help, counters(&tallies.moves, by_status));
    let help = "Failures of uploads by code, those that were retried since as well";
    registry.register(
        "upload_failures",
        help,
        counters(&tallies.failures, by_code),
    );
    let help = "Bytes that came over the wire, of files that ended";
    registry.register(
        "transferred_bytes",
        help,
        counters(&tallies.bytes, by_provider),
    );
    put_jobs(&mut registry, tallies, queue);
    let (open, idle) = connections;
    let help = "Connections of this process to its database";
    registry.register(
        "database_connections",
        help,
        ConstGauge::new(i64::from(open)),
    );
    let help = "Of these, those that nobody uses";
    let idle = i64::try_from(idle).unwrap_or(i64::MAX);
    registry.register("database_connections_idle", help, ConstGauge::new(idle));
    registry
}

fn put_jobs(registry: &mut Registry, tallies: &Tallies, queue: &Queue) {
    let counters = [
        ("job_claims", "Jobs that were begun", tallies.claims),
        ("job_retries", "Jobs that were begun again", tallies.retries),
    ];
    for (name, help, count) in counters {
        registry.register(name, help, ConstCounter::new(count.unsigned_abs()));
    }
    let gauges = [
        ("jobs_waiting", "Jobs that could be begun", queue.waiting),
        (
            "jobs_delayed",
            "Jobs that wait for their time, after a failure",
            queue.delayed,
        ),
        ("jobs_running", "Jobs that a worker has", queue.running),
        ("workers_busy", "Processes that have jobs", queue.workers),
        (
            "hosts_paused",
            "Hosts that asked for a pause",
            queue.paused_hosts,
        ),
    ];
    for (name, help, count) in gauges {
        registry.register(name, help, ConstGauge::new(count));
    }
    let help = "How long the oldest job waits that could be begun";
    let seconds = queue.oldest_wait as f64 / 1000.0;
    registry.register("queue_age_seconds", help, ConstGauge::new(seconds));
}

fn gauges<L: Label>(tallies: &[Tally], label: fn(&Tally) -> L) -> Family<L, Gauge> {
    let family = Family::<L, Gauge>::default();
    for tally in tallies {
        family.get_or_create(&label(tally)).set(tally.count);
    }
    family
}

fn counters<L: Label>(tallies: &[Tally], label: fn(&Tally) -> L) -> Family<L, Counter> {
    let family = Family::<L, Counter>::default();
    for tally in tallies {
        let counter = family.get_or_create(&label(tally));
        counter.inc_by(tally.count.unsigned_abs());
    }
    family
}

trait Label: Clone + Eq + Hash + EncodeLabelSet {}
impl<L: Clone + Eq + Hash + EncodeLabelSet> Label for L {}

fn by_status(tally: &Tally) -> StatusLabels {
    StatusLabels {
        status: tally.label.clone(),
        provider: provider(tally),
    }
}

fn by_code(tally: &Tally) -> CodeLabels {
    CodeLabels {
        code: tally.label.clone(),
        provider: provider(tally),
    }
}

fn by_provider(tally: &Tally) -> ProviderLabels {
    ProviderLabels {
        provider: provider(tally),
    }
}

fn provider(tally: &Tally) -> String {
    if tally.provider.is_empty() {
        "unknown".to_owned()
    } else {
        tally.provider.clone()
    }
}
