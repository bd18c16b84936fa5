//! Scheduled imports: named subscriptions that are looked at on a schedule.

mod filter;
mod schedule;

pub use self::filter::{Filter, Sieve};
pub use self::schedule::Schedule;
