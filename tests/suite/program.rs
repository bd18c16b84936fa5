//! The real program on a home of its own, to be killed at will.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use modelferry_fixtures::Hub;
use serde_json::Value;
use tempfile::TempDir;

use super::pipeline::{blobs_that_match, staged};

/// A home, and the variables the program is run with.
pub struct Program {
    home: TempDir,
    variables: Vec<(String, String)>,
}

/// A run that came to its own end.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    /// One JSON object a line of stdout.
    pub lines: Vec<Value>,
}

impl Program {
    pub fn on(hub: &Hub) -> Self {
        let variables = [
            ("HF_ENDPOINT", hub.huggingface_url()),
            ("CIVITAI_ENDPOINT", hub.civitai_url()),
            ("MODELFERRY_ALLOW_NETS", "127.0.0.0/8".to_owned()),
        ];
        Self {
            home: tempfile::tempdir().unwrap(),
            variables: variables
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_modelferry"));
        command
            .env_clear()
            .env("MODELFERRY_HOME", self.home.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .arg("--json")
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        read(self.command(words).output().unwrap())
    }

    /// Runs it until it ends itself at this point.
    pub fn crash_at(&self, point: &str, words: &[&str]) {
        let output = self
            .command(words)
            .env("MODELFERRY_CRASH_AT", point)
            .output()
            .unwrap();
        assert!(
            output.status.signal().is_some(),
            "{point} was never passed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts it, and leaves it running.
    pub fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Starts it and kills it after a while. Whether it was still running.
    pub fn kill_after(&self, wait: Duration, words: &[&str]) -> bool {
        let mut child = self.start(words);
        std::thread::sleep(wait);
        let still_ran = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        self.assert_sound();
        still_ran
    }

    /// What must hold at any moment: blobs hold what their names say, records
    /// can be read, and one that ended well has its entity.
    pub fn assert_sound(&self) {
        blobs_that_match(self.home());
        let listed = self.run(&["uploads", "list"]);
        assert!(listed.status.success(), "{listed:?}");
        for upload in &listed.lines {
            let status = upload["status"].as_str().unwrap();
            assert_eq!(
                status == "imported",
                upload["entityId"].is_string(),
                "{upload}"
            );
            assert_ne!(status, "failed", "{upload}");
        }
    }

    /// What must hold at the end: so many blobs and one record, nothing staged,
    /// no lock of a worker.
    pub fn assert_clean(&self, blobs: usize) {
        self.assert_sound();
        assert_eq!(blobs_that_match(self.home()), blobs);
        assert_eq!(staged(self.home()), [""; 0]);
        let listed = self.run(&["uploads", "list"]);
        assert_eq!(listed.lines.len(), 1, "{listed:?}");
        let entities = std::fs::read_dir(self.home().join("storage/entities")).unwrap();
        assert_eq!(entities.count(), 1, "one entity, whoever finished it");
        let locks = std::fs::read_dir(self.home().join("workers")).unwrap();
        assert_eq!(locks.count(), 0, "no worker's lock is left");
    }
}

pub fn read(output: Output) -> Ran {
    let stdout = String::from_utf8(output.stdout).unwrap();
    Ran {
        status: output.status,
        lines: stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    }
}
