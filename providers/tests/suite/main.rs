//! The providers against the fixtures hub and servers that misbehave, over real sockets.

mod civitai;
mod conformance;
mod http;
mod huggingface;
mod other;
mod ranged;
mod raw;
mod redirects;
mod wire;
