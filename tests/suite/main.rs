//! The real program over real sockets: what it promises, and how it fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod architecture;
mod crash;
mod databases;
mod faults;
mod once;
mod pipeline;
mod program;
mod records;
mod resume;
mod stalls;
mod storage;
