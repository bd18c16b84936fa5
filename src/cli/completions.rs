//! `completions`, and the man pages

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::Output;
use super::{Cli, Exit};
use crate::error::{Code, Error};

/// The words of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(required_unless_present = "man")]
    shell: Option<Shell>,
    /// Write a man page a command into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    man: Option<PathBuf>,
}

pub(super) fn run(output: &Output, args: &CompletionsArgs) -> Result<Exit, Error> {
    if let Some(folder) = &args.man {
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
        written.map_err(|error| {
            Error::new(
                Code::InvalidRequest,
                format!(
                    "man pages can't be written to {}: {error}",
                    folder.display()
                ),
            )
            .hint("name a folder that can be written to")
        })?;
        return Ok(Exit::Done);
    }
    if let Some(shell) = args.shell {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "modelferry", &mut text);
        output.line(String::from_utf8_lossy(&text).trim_end());
    }
    Ok(Exit::Done)
}
