//! The providers against the fixtures hub and servers that misbehave, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod civitai;
mod conformance;
mod http;
mod huggingface;
mod lists;
mod other;
mod ranged;
mod raw;
mod redirects;
mod sources;
mod wire;
