//! Parse, run, exit.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    modelferry::cli::run().await.into()
}
