//! A server that one of our scripts starts, for all tests of this process. It
//! goes on until its standard input closes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub struct Script {
    said: String,
    _process: Child,
}

impl Script {
    /// Starts it and waits for the one line it prints.
    pub fn start(name: &str) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let mut process = Command::new(scripts.join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        let said = said.trim().to_owned();
        assert!(!said.is_empty(), "scripts/{name} printed nothing");
        Self {
            said,
            _process: process,
        }
    }

    /// What leads to it.
    pub fn said(&self) -> &str {
        &self.said
    }
}
