//! What a database says when it fails, in plain words.

use sqlx::Error as SqlError;
use sqlx::migrate::MigrateError;

use super::place::Database;
use crate::error::{Code, Error};

/// A database that can't be opened.
pub(super) fn unusable(place: &Database, error: &SqlError) -> Error {
    let (why, hint) = explain(beneath(error));
    let hint = hint.unwrap_or(match place {
        Database::Sqlite(_) => {
            "check that the folder can be written to, or set MODELFERRY_HOME to one that can"
        }
        Database::Postgres(_) => {
            "check MODELFERRY_DATABASE_URL, and that the server runs and lets this host in"
        }
    });
    Error::new(
        Code::StorageError,
        format!("can't open the records at {place}: {why}"),
    )
    .hint(hint)
}

/// A query that failed for no fault of its caller.
pub(super) fn broken(error: SqlError) -> Error {
    let full = code(&error).is_some_and(|code| code == "13" || code == "53100");
    if full {
        return Error::new(Code::StorageFull, "the disk that holds the records is full")
            .hint("free some space, then run the same command again");
    }
    let (why, hint) = explain(&error);
    Error {
        code: Code::StorageError,
        message: format!("the records can't be reached: {why}"),
        hint: hint.map(str::to_owned),
        retry_after: None,
    }
}

/// A row that an earlier version, or a person, left in a state we don't know.
pub(super) fn unreadable(what: &str, cause: impl std::fmt::Display) -> Error {
    Error::internal(&format!("reading {what} from the records"), cause)
}

/// What went wrong while tables were made, where that is the database's fault.
fn beneath(error: &SqlError) -> &SqlError {
    let SqlError::Migrate(migration) = error else {
        return error;
    };
    match &**migration {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => cause,
        _ => error,
    }
}

fn code(error: &SqlError) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// The reason in words, and what to do where that differs from the usual.
fn explain(error: &SqlError) -> (String, Option<&'static str>) {
    let hint = match (error, code(error).as_deref()) {
        (_, Some("28P01" | "28000")) => Some(
            "the server refuses this user and password: check those in MODELFERRY_DATABASE_URL",
        ),
        (_, Some("3D000")) => Some("make the database first: CREATE DATABASE … on that server"),
        (_, Some("42501")) => {
            Some("the database's user must be allowed to make tables in its schema")
        }
        (_, Some("53300")) => {
            Some("raise the server's max_connections, or run fewer processes; each uses up to 16")
        }
        (_, Some("25006")) => Some("the server is a read-only standby; name the primary instead"),
        (_, Some("57P01" | "57P02" | "57P03")) => {
            Some("the server is being stopped or started; try again in a moment")
        }
        (SqlError::Migrate(_), _) => {
            Some("another version of modelferry made these tables; use that one or a newer one")
        }
        (SqlError::Tls(_), _) => Some(
            "check sslmode and sslrootcert in MODELFERRY_DATABASE_URL against the server's certificate",
        ),
        _ => None,
    };
    (reason(error), hint)
}

fn reason(error: &SqlError) -> String {
    match error {
        SqlError::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "nothing answers at that address".into(),
            _ => error.to_string(),
        },
        SqlError::PoolTimedOut => "no connection became free in time".into(),
        SqlError::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}
