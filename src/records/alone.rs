//! Two processes that start at once on a new home would both make its tables.

use std::fs::File;
use std::path::Path;

use super::place::Database;
use super::trouble::unusable;
use crate::error::Error;

/// Held while a database in a file is made or migrated. A server has locks of
/// its own for that.
pub(super) async fn alone(place: &Database) -> Result<Option<File>, Error> {
    let Database::Sqlite(path) = place else {
        return Ok(None);
    };
    let lock = path.with_added_extension("lock");
    let taken = tokio::task::spawn_blocking(move || take(&lock)).await;
    let taken = taken.map_err(|error| Error::internal("opening the records", error))?;
    taken
        .map(Some)
        .map_err(|error| unusable(place, &error.into()))
}

fn take(path: &Path) -> std::io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}
