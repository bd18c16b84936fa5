//! A first look that needs no network: a hub on loopback, and the real
//! pipeline importing one source of each provider from it.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use modelferry::cli::{self, Exit};
use modelferry_fixtures::{Hub, Scene};

/// Slow enough to watch.
const RATE: &str = "150 MB";

#[tokio::main]
async fn main() -> std::io::Result<ExitCode> {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/quickstart");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    println!("Starting a hub on loopback that speaks Hugging Face, Civitai and plain HTTP …");
    let hub = Hub::start(Scene::demo()).await?;
    let environment = environment(&hub, &home);
    let scene = hub.scene();
    let sources = scene
        .examples
        .iter()
        .map(|source| source.replace("{files}", &hub.files_url()));
    for source in sources {
        if run(&["import", &source], &environment).await != Exit::Done {
            return Ok(ExitCode::FAILURE);
        }
    }
    run(&["uploads", "list"], &environment).await;
    println!(
        "\nThe files are in {}",
        home.join("storage/library").display()
    );
    println!("Each is a hard link to a blob that was verified before it got its name.");
    Ok(ExitCode::SUCCESS)
}

async fn run(words: &[&str], environment: &BTreeMap<String, String>) -> Exit {
    println!("\n$ modelferry {}", words.join(" "));
    let arguments = std::iter::once("modelferry")
        .chain(words.iter().copied())
        .map(str::to_owned);
    cli::run_with(arguments, environment).await
}

fn environment(hub: &Hub, home: &Path) -> BTreeMap<String, String> {
    let pairs = [
        ("MODELFERRY_HOME", home.display().to_string()),
        ("HF_ENDPOINT", hub.huggingface_url()),
        ("CIVITAI_ENDPOINT", hub.civitai_url()),
        ("MODELFERRY_ALLOW_NETS", "127.0.0.0/8".to_owned()),
        ("MODELFERRY_LIMIT_RATE", RATE.to_owned()),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
