//! What the tests share: a hub, a home of one's own, the program and its words.

pub mod disk;
mod killed;
pub mod pipeline;
mod program;
pub mod proxy;
pub mod receiver;
pub mod servers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use modelferry_fixtures::{Hub, HubOptions, Scene};
use tempfile::TempDir;

use self::disk::Disk;
pub use self::program::{Ran, Running, eventually, hash_of};

/// A hub on free ports that lives as long as the value.
pub fn hub(options: impl Into<HubOptions>) -> Hub {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime
        .block_on(Hub::start(options))
        .expect("a hub on free ports")
}

/// Python, with the packages that `scripts/python-packages` fetched.
pub fn python() -> Command {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/python");
    assert!(packages.is_dir(), "run scripts/python-packages first");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages);
    command
}

/// The hub that holds one of each case.
pub fn standard() -> Hub {
    hub(Scene::standard())
}

/// A home folder, and the variables that the program is run with.
pub struct Home {
    folder: TempDir,
    path: PathBuf,
    /// The process in whose mount namespace the home is, when not in ours.
    namespace: Option<u32>,
    variables: Vec<(String, String)>,
}

impl Home {
    /// A home that knows no hub: the real ones are out of reach in tests.
    pub fn alone() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("modelferry-test-")
            .tempdir()
            .expect("a folder in the temporary one");
        let path = folder.path().join("home");
        Self {
            path,
            folder,
            namespace: None,
            variables: Vec::new(),
        }
        .with("HF_ENDPOINT", "http://127.0.0.1:1")
        .with("CIVITAI_ENDPOINT", "http://127.0.0.1:1")
        .with("MODELFERRY_ALLOW_NETS", "127.0.0.0/8")
    }

    /// A home whose endpoints are this hub's.
    pub fn of(hub: &Hub) -> Self {
        Self::alone()
            .with("HF_ENDPOINT", &hub.huggingface_url())
            .with("CIVITAI_ENDPOINT", &hub.civitai_url())
    }

    /// Sets a variable for every run.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The home folder, seen from here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the home elsewhere.
    pub fn moved_to(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Puts the home onto a disk of its own.
    pub fn on(self, disk: &Disk) -> Self {
        let namespace = Some(disk.namespace());
        Self {
            namespace,
            ..self.moved_to(&disk.path().join("home"))
        }
    }

    /// A folder beside the home.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The files below a folder of the home, with their paths below it, sorted.
    pub fn files(&self, below: &str) -> Vec<String> {
        let root = self.path.join(below);
        let mut found = Vec::new();
        collect(&root, &root, &mut found);
        found.sort();
        found
    }

    /// The published blobs, by their hash.
    pub fn blobs(&self) -> Vec<String> {
        let blobs = self.files("storage/blobs/sha256");
        blobs
            .iter()
            .map(|path| path.rsplit('/').next().unwrap_or(path).to_owned())
            .collect()
    }

    /// Fails unless nothing is staged and nothing is published but these blobs,
    /// each of which hashes to its name.
    pub fn assert_holds_only(&self, blobs: &[String]) {
        let mut expected = blobs.to_vec();
        expected.sort();
        assert_eq!(self.blobs(), expected);
        assert_eq!(self.files("storage/staging"), Vec::<String>::new());
        for blob in &expected {
            let path = format!("storage/blobs/sha256/{}/{blob}", &blob[..2]);
            let bytes = fs::read(self.path.join(path)).unwrap();
            assert_eq!(hash_of(&bytes), *blob);
        }
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, found);
        } else {
            let below = path.strip_prefix(root).expect("a path below its root");
            found.push(below.to_string_lossy().into_owned());
        }
    }
}
