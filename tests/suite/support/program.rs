//! Running the program, and what it said.

use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Home;

/// No run of the program takes so long, however loaded the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// SHA-256 in hex.
pub fn hash_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A run of the program that ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Its results.
    pub stdout: String,
    /// Its progress, logs and errors.
    pub stderr: String,
}

/// A run of the program under way.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Home {
    /// The program with these words, in this home, with no other variables.
    pub fn command(&self, words: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_modelferry");
        let (mut command, home) = match self.namespace {
            None => (Command::new(program), self.path().to_owned()),
            Some(id) => {
                let mut command = Command::new("nsenter");
                command
                    .args(["--preserve-credentials", "--user", "--mount", "--target"])
                    .args([&id.to_string(), program]);
                (command, Path::new(super::disk::INSIDE).join("home"))
            }
        };
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.beside("user"))
            .env("MODELFERRY_HOME", home)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        self.start(words).ended()
    }

    /// Runs the program to its end, which must be a good one.
    pub fn succeed(&self, words: &[&str]) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.status, Some(0), "{words:?}: {ran:?}");
        ran
    }

    /// Starts the program and goes on.
    pub fn start(&self, words: &[&str]) -> Running {
        Running::start(self.command(words))
    }

    /// `import --json` of one source: its line, whatever came of it.
    pub fn import(&self, words: &[&str]) -> Value {
        let words = [&["import", "--json"], words].concat();
        self.run(&words).one_line()
    }
}

impl Running {
    /// Starts this command and reads what it says.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let stdout = child.stdout.take().map(read_all);
        let stderr = child.stderr.take().map(read_all);
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Its stdin, to write to and then to drop; piped ones only.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a piped stdin")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "no process {} to signal", self.id());
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        let ended = self.child.try_wait().expect("a child to wait for");
        ended.is_none()
    }

    /// Kills it, whatever it is doing.
    pub fn kill(mut self) {
        self.child.kill().expect("a child to kill");
        self.child.wait().expect("a child to wait for");
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ran {
        let status = self.wait();
        let text = |reader: Option<JoinHandle<String>>| {
            reader.map_or_else(String::new, |reader| reader.join().expect("a reader ends"))
        };
        Ran {
            status: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    /// Stdout as one JSON object a line.
    pub fn lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line} in {self:?}"))
            })
            .collect()
    }

    /// Stdout as the one JSON object that it is.
    pub fn one_line(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.into_iter().next().unwrap_or_default()
    }

    /// Stdout as one JSON value over however many lines.
    pub fn one_document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Everything it said.
    pub fn all_text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A terminal whose other end went away is at its end.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits until something is so, which must be soon.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
