//! What a person reads when a database is not as it should be.

use modelferry::error::{Code, Error};
use modelferry::records::{Database, Records};
use sqlx::{Connection, PgConnection};

use super::upload;
use crate::databases::{Backend, server_url, with_database};

async fn refused(url: &str) -> Error {
    let place: Database = url.parse().unwrap();
    let error = Records::open(&place).await.unwrap_err();
    assert_eq!(error.code, Code::StorageError);
    error
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_at_once() {
    let error = refused("postgres://ferry:s3cret@127.0.0.1:1/ferry").await;
    assert!(
        error
            .message
            .contains("ferry at 127.0.0.1:1: nothing answers"),
        "{}",
        error.message
    );
    assert!(error.hint.unwrap().contains("MODELFERRY_DATABASE_URL"));
    assert!(!error.message.contains("s3cret"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_to_be_made() {
    let error = refused(&with_database(&server_url(), "no_such_database")).await;
    assert!(
        error
            .message
            .contains("\"no_such_database\" does not exist"),
        "{}",
        error.message
    );
    assert!(error.hint.unwrap().contains("CREATE DATABASE"));
}

#[tokio::test]
async fn a_user_who_is_not_there_is_to_be_checked() {
    let mut url = url::Url::parse(&server_url()).unwrap();
    url.set_username("nobody_here").unwrap();
    let error = refused(url.as_str()).await;
    assert!(
        error.hint.unwrap().contains("user and password"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_server_that_only_reads_is_named_as_one() {
    let database = Backend::Postgres.fresh().await;
    let mut url = url::Url::parse(&database.url).unwrap();
    url.set_query(Some("options[default_transaction_read_only]=on"));
    let error = refused(url.as_str()).await;
    assert!(error.hint.unwrap().contains("primary"), "{}", error.message);
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_made_anew() {
    let database = Backend::Postgres.fresh().await;
    let mut admin = PgConnection::connect(&server_url()).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(database.url.rsplit('/').next().unwrap())
        .execute(&mut admin)
        .await
        .unwrap();
    upload(&database.records, "acme/tiny").await;
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = refused(&format!("sqlite://{}/modelferry.db", file.display())).await;
    assert!(
        error.message.contains("file/modelferry.db"),
        "{}",
        error.message
    );
    assert!(error.hint.unwrap().contains("MODELFERRY_HOME"));
}
