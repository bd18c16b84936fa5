//! A small disk of a test's own: a tmpfs in a mount namespace of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Where it is, seen from inside its namespace.
pub const INSIDE: &str = "/mnt";

/// Unmounted when dropped. Needs no privilege where user namespaces are allowed.
pub struct Disk {
    holder: Child,
}

impl Disk {
    /// An empty disk of this size.
    pub fn of_megabytes(megabytes: u32) -> Self {
        Self::mount(&format!("size={megabytes}m"))
    }

    /// An empty disk that nothing can be written to.
    pub fn read_only() -> Self {
        Self::mount("size=1m,ro")
    }

    fn mount(options: &str) -> Self {
        // The namespace lives as long as `cat`, which ends with its stdin.
        let script =
            format!("mount -t tmpfs -o {options} tmpfs {INSIDE} && echo mounted && exec cat");
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux runs");
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("a piped stdout");
        BufReader::new(stdout).read_line(&mut said).expect("text");
        assert_eq!(said, "mounted\n", "no disk could be mounted");
        Self { holder }
    }

    /// The process whose mount namespace it is in.
    pub fn namespace(&self) -> u32 {
        self.holder.id()
    }

    /// Where it is, seen from outside its namespace.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/root{INSIDE}", self.holder.id()).into()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
