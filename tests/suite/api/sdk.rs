//! The published Python client of the Uploads API, unmodified.

use std::path::Path;
use std::process::Command;

use modelferry_fixtures::{Hub, Scene};

use super::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_published_client_works_as_it_is() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start(&hub, "2").await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new(root.join("scripts/sdk")).output().unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let python = String::from_utf8(made.stdout).unwrap();
    // Connects and says nothing: an upload of it stays until it is cancelled.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(python.trim());
    command
        .arg(root.join("tests/suite/api/sdk.py"))
        .env("BASE_URL", format!("{}/v1", server.url))
        .env(
            "SILENT_URL",
            format!("http://{}/a.bin", silent.local_addr().unwrap()),
        )
        .env("API_KEY", &server.key.id)
        .env("API_SECRET", &server.key.secret);
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
    assert!(
        said.contains("every call was answered as the client expects"),
        "{said}"
    );
}
