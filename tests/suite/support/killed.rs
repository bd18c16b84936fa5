//! The program killed at will, and what must hold after that.

use std::time::Duration;

use super::pipeline::{blobs_that_match, staged};
use super::{Home, Running};

impl Home {
    /// Runs the program until it ends itself at this point.
    pub fn crash_at(&self, point: &str, words: &[&str]) {
        let mut command = self.command(words);
        command.env("MODELFERRY_CRASH_AT", point);
        let ran = Running::start(command).ended();
        assert_eq!(ran.status, None, "{point} was never passed: {ran:?}");
    }

    /// Starts the program and kills it after a while. Whether it was still running.
    pub fn kill_after(&self, wait: Duration, words: &[&str]) -> bool {
        let mut running = self.start(words);
        std::thread::sleep(wait);
        let still_ran = running.is_running();
        running.kill();
        self.assert_sound();
        still_ran
    }

    /// What must hold at any moment: blobs hold what their names say, records
    /// can be read, and one that ended well has its entity.
    pub fn assert_sound(&self) {
        blobs_that_match(self.path());
        for upload in self.succeed(&["uploads", "list", "--json"]).lines() {
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
        assert_eq!(blobs_that_match(self.path()), blobs);
        assert_eq!(staged(self.path()), [""; 0]);
        let listed = self.succeed(&["uploads", "list", "--json"]).lines();
        assert_eq!(listed.len(), 1, "{listed:?}");
        let entities = std::fs::read_dir(self.path().join("storage/entities")).unwrap();
        assert_eq!(entities.count(), 1, "one entity, whoever finished it");
        let locks = std::fs::read_dir(self.path().join("workers")).unwrap();
        assert_eq!(locks.count(), 0, "no worker's lock is left");
    }
}
