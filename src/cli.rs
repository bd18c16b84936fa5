//! The command line: its words, and the only place that prints.

mod bars;
mod batch;
mod completions;
mod config;
mod credentials;
mod export;
mod gc;
mod import;
mod keys;
mod output;
mod owners;
mod resolve;
mod serve;
mod session;
mod sync;
mod uploads;
mod verify;
mod watch;
mod webhooks;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};
use modelferry_providers::{Selection, Sha256};

use self::output::Output;
use crate::config::{Config, Flags};
use crate::error::{Code, Error};
use crate::import::Overrides;
use crate::inspect::PicklePolicy;
use crate::request::Wanted;
use crate::telemetry::Traces;
use crate::upload::Kind;

/// Ferries models from Hugging Face, Civitai and plain URLs into storage you
/// own, verified on the way.
#[derive(Debug, Parser)]
#[command(
    name = "modelferry",
    version = crate::VERSION,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// The folder for records, storage and keys [env: MODELFERRY_HOME]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The config file [default: modelferry.toml in the home folder]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print one JSON object a line on stdout
    #[arg(long, global = true)]
    json: bool,
    /// Show no progress bars
    #[arg(long, global = true)]
    no_progress: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Import sources and wait for them
    Import(ImportArgs),
    /// Show what an import would do; downloads nothing
    Resolve(SourceArgs),
    /// Import a list of sources; safe to run again
    Batch(batch::BatchArgs),
    /// The records of what was imported
    Uploads {
        #[command(subcommand)]
        command: UploadsCommand,
    },
    /// Scheduled imports: of a hub's list, a moving source, or a list of your own
    Sync {
        #[command(subcommand)]
        command: sync::SyncCommand,
    },
    /// Watch what is under way: what runs, how fast, what waits, what failed
    Top,
    /// Answer the HTTP API, and work on what it is asked for
    Serve(ServeArgs),
    /// API keys
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// Tokens for hubs and hosts, stored sealed
    Credentials {
        #[command(subcommand)]
        command: credentials::CredentialsCommand,
    },
    /// What single owners have, and may have
    Owners {
        #[command(subcommand)]
        command: owners::OwnersCommand,
    },
    /// Webhooks: the secret they are signed with, and what was sent
    Webhooks {
        #[command(subcommand)]
        command: webhooks::WebhooksCommand,
    },
    /// Work on whatever is asked for, without an API
    Worker(WorkerArgs),
    /// Make an imported model usable by another tool
    Export(export::ExportArgs),
    /// Read stored files again and hold them against their hashes
    Verify(VerifyArgs),
    /// Remove blobs that nothing names, and stale unfinished transfers
    Gc(GcArgs),
    /// Print a shell's completions, or write man pages
    Completions(completions::CompletionsArgs),
    /// The settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Args)]
struct ImportArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Show the plan only, as `resolve` does
    #[arg(long)]
    dry_run: bool,
    /// Import anew what is already imported
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// org/name, a Hugging Face or Civitai URL, an AIR, or any http(s) URL
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    #[command(flatten)]
    choice: Choice,
}

/// What of a source is meant, and how it is to be taken.
#[derive(Debug, Clone, Args)]
struct Choice {
    /// What it is: 3d, asset, audio, avatar, image, model, text or video
    #[arg(long)]
    kind: Option<Kind>,
    /// A branch, tag, commit or refs/pr/N
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
    /// Only files that match; may be repeated
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// No files that match; may be repeated
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Every file of a Civitai version, not only its weights
    #[arg(long)]
    all_files: bool,
    /// What the one file must hash to
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256>,
    /// What to do with pickles this time: scan, refuse or allow
    #[arg(long, value_name = "POLICY")]
    pickle: Option<PicklePolicy>,
    /// Take files that their hub's own scan calls dangerous
    #[arg(long)]
    allow_flagged: bool,
    /// Write NAME.civitai.info and a preview beside the files in the library
    #[arg(long)]
    sidecar: bool,
}

impl Choice {
    fn wanted(&self) -> Wanted {
        Wanted {
            kind: self.kind,
            selection: Selection {
                revision: self.revision.clone(),
                include: self.include.clone(),
                exclude: self.exclude.clone(),
                all_files: self.all_files,
                sha256: self.sha256,
                sidecar: self.sidecar,
            },
            overrides: Overrides {
                pickle: self.pickle,
                allow_flagged: self.allow_flagged,
            },
        }
    }
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Only the files of this upload, model or asset
    id: Option<String>,
    /// Fetch bad and missing files again
    #[arg(long)]
    repair: bool,
}

#[derive(Debug, Args)]
struct GcArgs {
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum UploadsCommand {
    /// List records, newest first
    List(ListArgs),
    /// Show one record and its files
    Show {
        /// The record's id
        id: String,
    },
    /// Watch what is under way; with an id, until it ends
    Watch {
        /// The record's id
        id: Option<String>,
    },
    /// End an upload that is under way
    Cancel {
        /// The record's id
        id: String,
    },
    /// Take up a failed upload again, and wait for it
    Retry {
        /// The record's id
        id: String,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those that stand here
    #[arg(long)]
    status: Option<crate::upload::UploadStatus>,
    /// Only those asked for this way
    #[arg(long)]
    source: Option<crate::upload::UploadSource>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The address and port to answer on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: std::net::SocketAddr,
    /// Uploads worked on at once; 0 for the API alone [default: the setting `workers`]
    #[arg(long, value_name = "N", value_parser = workers_or_none)]
    workers: Option<usize>,
}

#[derive(Debug, Args)]
struct WorkerArgs {
    /// Answer /healthz, /readyz and /metrics on this address and port
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
    /// Uploads worked on at once [default: the setting `workers`]
    #[arg(long, value_name = "N", value_parser = workers)]
    workers: Option<usize>,
}

fn workers_or_none(text: &str) -> Result<usize, String> {
    if text == "0" { Ok(0) } else { workers(text) }
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=256) => Ok(number),
        _ => Err("it should be a whole number from 1 to 256".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting and where it came from
    Show,
}

/// How a run of the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Done,
    /// At least one source failed.
    Failed,
    /// Usage or configuration.
    Usage,
    /// Ctrl-C or SIGTERM; the same command goes on from there.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Interrupted => 130,
        })
    }
}

/// Reads this process's arguments, environment and files, and runs them.
pub async fn run() -> Exit {
    let cli = Cli::parse();
    let config = Config::load(&cli.flags());
    Box::pin(cli.execute(config)).await
}

/// Runs these arguments, the program's name first, with these variables
/// instead of the process's own. For embedding and demonstration.
pub async fn run_with<I: IntoIterator<Item = String>>(
    arguments: I,
    environment: &BTreeMap<String, String>,
) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return Exit::Usage;
        }
    };
    let config = Config::from_parts(&cli.flags(), environment);
    Box::pin(cli.execute(config)).await
}

impl Cli {
    fn flags(&self) -> Flags {
        Flags {
            home: self.home.clone(),
            config: self.config.clone(),
        }
    }

    async fn execute(self, config: Result<Config, Error>) -> Exit {
        let json_logs = config.as_ref().is_ok_and(|config| config.json_logs);
        let output = Output::new(self.json, self.quiet, self.no_progress, json_logs);
        let outcome = match config {
            Ok(config) => Box::pin(self.observed(&output, &config)).await,
            Err(error) => Err(error),
        };
        outcome.unwrap_or_else(|error| match error.code {
            Code::NotFound => {
                output.error(&error);
                Exit::Failed
            }
            _ => output.refuse(&error),
        })
    }
}

impl Cli {
    /// Runs the command with its logs, and its traces where they are wanted.
    async fn observed(self, output: &Output, config: &Config) -> Result<Exit, Error> {
        let traces = match &config.otlp_endpoint {
            Some(endpoint) => Some(Traces::to(endpoint, &config.service_name)?),
            None => None,
        };
        output.start_logs(self.verbose, config, traces.as_ref());
        let outcome = Box::pin(self.command.run(output, config)).await;
        if let Some(traces) = traces {
            traces.end().await;
        }
        outcome
    }
}

impl Command {
    async fn run(self, output: &Output, config: &Config) -> Result<Exit, Error> {
        match self {
            Self::Import(args) if args.dry_run => resolve::run(output, config, &args.sources).await,
            Self::Import(args) => import::run(output, config, &args).await,
            Self::Batch(args) => batch::run(output, config, &args).await,
            Self::Export(args) => export::run(output, config, &args).await,
            Self::Completions(args) => completions::run(output, &args),
            Self::Resolve(args) => resolve::run(output, config, &args).await,
            Self::Uploads { command } => match command {
                UploadsCommand::List(args) => uploads::list(output, config, &args).await,
                UploadsCommand::Show { id } => uploads::show(output, config, &id).await,
                UploadsCommand::Watch { id } => watch::run(output, config, id.as_deref()).await,
                UploadsCommand::Cancel { id } => uploads::cancel(output, config, &id).await,
                UploadsCommand::Retry { id } => uploads::retry(output, config, &id).await,
            },
            Self::Sync { command } => sync::run(output, config, command).await,
            Self::Top => watch::run(output, config, None).await,
            Self::Serve(args) => serve::run(output, config, &args).await,
            Self::Keys { command } => keys::run(output, config, command).await,
            Self::Credentials { command } => credentials::run(output, config, command).await,
            Self::Owners { command } => owners::run(output, config, command).await,
            Self::Webhooks { command } => webhooks::run(output, config, command).await,
            Self::Worker(args) => worker::run(output, config, &args).await,
            Self::Verify(args) => verify::run(output, config, &args).await,
            Self::Gc(args) => gc::run(output, config, &args).await,
            Self::Config {
                command: ConfigCommand::Show,
            } => Ok(config::show(output, config)),
        }
    }
}
