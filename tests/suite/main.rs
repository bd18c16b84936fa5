//! The real program over real sockets: what it promises, and how it fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod api;
mod architecture;
mod bad_input;
mod batch;
mod chaos;
mod choice;
mod civitai;
mod crash;
mod credentials;
mod databases;
mod early_gate;
mod export;
mod faults;
mod full_disk;
mod gc;
mod howto;
mod import;
mod interrupt;
mod migrations;
mod once;
mod package;
mod plan;
mod provenance;
mod real_input;
mod records;
mod resolve;
mod resume;
mod rules;
mod secrets;
mod settings;
mod stalls;
mod storage;
mod support;
mod sync;
mod telemetry;
mod terminal;
mod unchanged;
mod uploads;
mod verify;
mod webhooks;
mod worker;
