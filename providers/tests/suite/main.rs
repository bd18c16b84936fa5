//! The providers against the fixtures hub, over real sockets.

mod civitai;
mod conformance;
mod http;
mod huggingface;
mod other;
