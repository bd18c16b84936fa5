//! The commands of docs/multipart.md, as they stand there.

use std::path::Path;
use std::process::Command;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_manual_do_what_it_says() {
    let server = server("1").await;
    let folder = tempfile::tempdir().unwrap();
    let file = Content::safetensors(1, 12 * MIB).to_vec();
    std::fs::write(folder.path().join("model.safetensors"), &file).unwrap();
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/multipart.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let commands: Vec<&str> = manual
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert_eq!(commands.len(), 5);
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", &commands.concat()])
        .current_dir(folder.path())
        .env("BASE", &server.url)
        .env("KEY", &server.key.id)
        .env("SECRET", &server.key.secret);
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await;
    let ran = ran.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(said.starts_with("imported\nmodel_"), "{said}");
    server.home.assert_holds_only(&[hash_of(&file)]);
}
