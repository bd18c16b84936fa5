//! Scheduled imports: named subscriptions that are looked at on a schedule.

mod schedule;

pub use self::schedule::Schedule;
