//! Scheduled imports: named subscriptions that are looked at on a schedule.
//!
//! A [`Draft`] is checked and becomes a record; a [`Scheduler`] in each
//! `serve` and `worker` takes what is due; [`run`] goes through one list:
//! [`Source`] page by page ▸ [`Filter`] ▸ what is held ▸ import what is new
//! or changed ▸ what is missing ▸ the run's record.

mod filter;
mod held;
mod run;
mod schedule;
mod scheduler;
mod shown;
mod source;
mod spec;

pub use self::filter::{Filter, Newest, Sieve};
pub use self::run::{Finding, Nobody, Runner, Watcher, What, foresee, run};
pub use self::schedule::Schedule;
pub use self::scheduler::Scheduler;
pub use self::shown::{ShownRun, ShownSync, Time};
pub use self::source::{EXAMPLES, ListAt, Reader, Source, SourceKind, shown};
pub use self::spec::{Checked, Draft, Prune, Spec, next_run};
