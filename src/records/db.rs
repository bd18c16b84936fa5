//! One text of SQL for two databases.
//!
//! sqlx has a type a database; [`execute!`], [`fetch_optional!`] and
//! [`fetch_all!`] expand the same query for both. A text uses `$1`
//! placeholders, milliseconds for times, and text for ids and JSON: what
//! SQLite and PostgreSQL read alike.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, PgConnection, Postgres, Sqlite, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::timeout;

use super::place::Database;
use super::signals::{Following, Signal, Signals};
use super::trouble::{broken, unusable};
use crate::error::Error;

/// Connections of one process to its database.
const CONNECTIONS: u32 = 16;
/// Transactions at once. Some connections are left: nobody who reads waits until
/// the disk has taken what others write.
const WRITERS: usize = 12;
/// SQLite has one writer at a time. Those of this process wait in line for it,
/// instead of asking again and again who happens to be first.
const SQLITE_WRITERS: usize = 1;
/// How long a query waits for a connection. A PostgreSQL that is restarted
/// within it is not even noticed by those who wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process may find tables that a newer version made: migrations only add,
/// so that two versions can run side by side while one takes over.
const ROLLING: bool = true;

/// One database, and the signals that go with its changes.
#[derive(Debug, Clone)]
pub(super) struct Db {
    pool: Pool,
    signals: Signals,
    writers: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A connection for one or a few reads.
#[derive(Debug)]
pub(super) enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A transaction that may write.
#[derive(Debug)]
pub(super) struct Tx {
    inner: Inner,
    db: Db,
    pending: Vec<Signal>,
    turn: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Inner {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// What a query runs on: a [`Conn`] or a [`Tx`].
pub(super) enum Link<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Conn {
    pub fn link(&mut self) -> Link<'_> {
        match self {
            Self::Sqlite(conn) => Link::Sqlite(conn),
            Self::Postgres(conn) => Link::Postgres(conn),
        }
    }
}

impl Tx {
    pub fn link(&mut self) -> Link<'_> {
        match &mut self.inner {
            Inner::Sqlite(tx) => Link::Sqlite(tx),
            Inner::Postgres(tx) => Link::Postgres(tx),
        }
    }

    /// Wakes whoever waits for this, once the transaction holds.
    pub async fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        self.pending.push(signal);
        Ok(())
    }

    pub async fn commit(self) -> Result<(), Error> {
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(tx) => tx.commit().await,
        }
        .map_err(broken)?;
        // Whoever hears of it may want to write.
        drop(self.turn);
        match &self.db.pool {
            Pool::Sqlite(_) => {
                for signal in self.pending {
                    self.db.signals.send(signal);
                }
            }
            Pool::Postgres(pool) => self.db.signals.say(pool, self.pending).await,
        }
        Ok(())
    }
}

impl Db {
    /// Connects, and makes or migrates the tables.
    pub async fn open(place: &Database) -> Result<Self, Error> {
        let pool = match place {
            Database::Sqlite(path) => open_sqlite(place, path).await?,
            Database::Postgres(target) => open_postgres(place, target.options()).await?,
        };
        let writers = match &pool {
            Pool::Sqlite(_) => SQLITE_WRITERS,
            Pool::Postgres(_) => WRITERS,
        };
        Ok(Self {
            pool,
            signals: Signals::default(),
            writers: Arc::new(Semaphore::new(writers)),
        })
    }

    /// A connection to read by.
    pub async fn read(&self) -> Result<Conn, Error> {
        match &self.pool {
            Pool::Sqlite(pool) => pool.acquire().await.map(Conn::Sqlite),
            Pool::Postgres(pool) => pool.acquire().await.map(Conn::Postgres),
        }
        .map_err(broken)
    }

    /// A transaction that may write. On SQLite it takes the write lock at
    /// once, which is what keeps two of them from failing halfway.
    pub async fn write(&self) -> Result<Tx, Error> {
        let turn = timeout(PATIENCE, self.writers.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| broken(sqlx::Error::PoolTimedOut))?;
        let turn = turn.map_err(|_| broken(sqlx::Error::PoolClosed))?;
        let inner = match &self.pool {
            Pool::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Inner::Sqlite),
            Pool::Postgres(pool) => pool.begin().await.map(Inner::Postgres),
        };
        Ok(Tx {
            inner: inner.map_err(broken)?,
            db: self.clone(),
            pending: Vec::new(),
            turn,
        })
    }

    /// The end of a `SELECT` that keeps the rows from changing until the
    /// transaction ends. SQLite has one writer at a time and needs none.
    pub const fn locking(&self) -> &'static str {
        match self.pool {
            Pool::Sqlite(_) => "",
            Pool::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The same for whoever takes any row: those that others hold are passed over.
    pub const fn skipping(&self) -> &'static str {
        match self.pool {
            Pool::Sqlite(_) => "",
            Pool::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// A key of the JSON object in a column of text, as text.
    pub fn json_text(&self, column: &str, key: &str) -> String {
        match self.pool {
            Pool::Sqlite(_) => format!("json_extract({column}, '$.{key}')"),
            Pool::Postgres(_) => format!("(CAST({column} AS JSON) ->> '{key}')"),
        }
    }

    /// The signals of this process, and on a server those of all others.
    pub fn subscribe(&self) -> broadcast::Receiver<Signal> {
        if let Pool::Postgres(pool) = &self.pool {
            self.signals.listen(pool);
        }
        self.signals.subscribe()
    }

    /// The same for one upload alone.
    pub fn following(&self, upload: &str) -> Following {
        if let Pool::Postgres(pool) = &self.pool {
            self.signals.listen(pool);
        }
        self.signals.following(upload)
    }

    /// Whether a server keeps the time for its processes.
    pub const fn is_server(&self) -> bool {
        matches!(self.pool, Pool::Postgres(_))
    }

    /// Connections that are open, and those of them that nobody uses.
    pub fn connections(&self) -> (u32, usize) {
        match &self.pool {
            Pool::Sqlite(pool) => (pool.size(), pool.num_idle()),
            Pool::Postgres(pool) => (pool.size(), pool.num_idle()),
        }
    }

    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

async fn open_sqlite(place: &Database, path: &std::path::Path) -> Result<Pool, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE);
    let pool = SqlitePoolOptions::new()
        .max_connections(8)
        // SQLite itself ends a transaction that meets a full disk, and sqlx
        // would go on counting it: such a connection begins no other.
        .before_acquire(|connection, _| {
            let usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(usable) })
        })
        .connect_with(options)
        .await
        .map_err(|error| unusable(place, &error))?;
    sqlx::migrate!("src/records/migrations/sqlite")
        .set_ignore_missing(ROLLING)
        .run(&pool)
        .await
        .map_err(|error| unusable(place, &error.into()))?;
    Ok(Pool::Sqlite(pool))
}

async fn open_postgres(place: &Database, options: &PgConnectOptions) -> Result<Pool, Error> {
    let options = options.clone().application_name("modelferry");
    // The pool would wait for a server that is not there; a person wants to know at once.
    let first = PgConnection::connect_with(&options).await;
    let closed = match first {
        Ok(first) => first.close().await,
        Err(error) => Err(error),
    };
    closed.map_err(|error| unusable(place, &error))?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options);
    sqlx::migrate!("src/records/migrations/postgres")
        .set_ignore_missing(ROLLING)
        .run(&pool)
        .await
        .map_err(|error| unusable(place, &error.into()))?;
    Ok(Pool::Postgres(pool))
}

/// Runs a statement on a [`Conn`] or [`Tx`]; answers how many rows it changed.
macro_rules! execute {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on.link() {
            $crate::records::db::Link::Sqlite(on) => {
                sqlx::query($sql)$(.bind($bind))*.execute(on).await.map(|done| done.rows_affected())
            }
            $crate::records::db::Link::Postgres(on) => {
                sqlx::query($sql)$(.bind($bind))*.execute(on).await.map(|done| done.rows_affected())
            }
        }
        .map_err($crate::records::trouble::broken)
    };
}

/// Runs a query that answers one row or none.
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on.link() {
            $crate::records::db::Link::Sqlite(on) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(on).await
            }
            $crate::records::db::Link::Postgres(on) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(on).await
            }
        }
        .map_err($crate::records::trouble::broken)
    };
}

/// Runs a query that answers rows.
macro_rules! fetch_all {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on.link() {
            $crate::records::db::Link::Sqlite(on) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(on).await
            }
            $crate::records::db::Link::Postgres(on) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(on).await
            }
        }
        .map_err($crate::records::trouble::broken)
    };
}

pub(super) use {execute, fetch_all, fetch_optional};
