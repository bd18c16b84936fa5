//! Everything that can go wrong, at once and in small: `benches/chaos` has it at its full size.

use std::path::Path;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_workers_database_files_and_storage_go_away() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("benches/chaos"));
    command
        .args(["--uploads", "60", "--outage", "2", "--patience", "300"])
        .args(["--program", env!("CARGO_BIN_EXE_modelferry")]);
    // It kills for as long as that takes: most of a minute.
    let ran = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("nothing was lost"), "{said}");
}
