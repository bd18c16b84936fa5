//! Load for the service, and figures of how it bears it.
//!
//! `benches/service` starts servers and databases and runs this against them.
//! The clients speak HTTP/1.1 by hand, so that they cost little beside the
//! server they share the cores with.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod claims;
mod connection;
mod creates;
mod figures;
mod streams;

use clap::{Parser, Subcommand};

/// Whatever goes wrong ends the run.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(name = "modelferry-load")]
struct Cli {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Asks for uploads, and reads some of them beside it.
    Creates(creates::Options),
    /// Takes jobs out of a queue as workers do.
    Claims(claims::Options),
    /// Holds event streams open while uploads change.
    Streams(streams::Options),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().load {
        Load::Creates(options) => creates::run(options).await,
        Load::Claims(options) => claims::run(options).await,
        Load::Streams(options) => streams::run(options).await,
    }
}
