//! Which database: from its URL to something that can be opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The database of the records. Neither form shows a password.
#[derive(Debug, Clone)]
pub enum Database {
    /// The embedded one, in this file.
    Sqlite(PathBuf),
    /// A server, shared by any number of processes.
    Postgres(PostgresTarget),
}

/// Where a PostgreSQL server is, and how to log in.
#[derive(Clone)]
pub struct PostgresTarget {
    options: Box<PgConnectOptions>,
}

impl PostgresTarget {
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

impl fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let database = options.get_database().unwrap_or(options.get_username());
        match options.get_socket() {
            Some(folder) => write!(f, "{database} at {}", folder.display()),
            None => write!(
                f,
                "{database} at {}:{}",
                options.get_host(),
                options.get_port()
            ),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(target) => write!(f, "the PostgreSQL database {target}"),
        }
    }
}

impl From<&Path> for Database {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.to_owned())
    }
}

impl From<&PathBuf> for Database {
    fn from(path: &PathBuf) -> Self {
        Self::Sqlite(path.clone())
    }
}

impl From<&Self> for Database {
    fn from(database: &Self) -> Self {
        database.clone()
    }
}

impl FromStr for Database {
    type Err = String;

    /// Reads `sqlite:///absolute/path` or `postgres://user:password@host/database`.
    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str = "write it like sqlite:///var/lib/modelferry/modelferry.db or postgres://user:password@host/database";
        match text.split_once("://") {
            Some(("sqlite", path)) if path.starts_with('/') => Ok(Self::Sqlite(path.into())),
            Some(("sqlite", _)) => Err(
                "the path must be absolute, as in sqlite:///var/lib/modelferry/modelferry.db"
                    .into(),
            ),
            Some(("postgres" | "postgresql", _)) => postgres(text)
                .map(Self::Postgres)
                .map_err(|why| format!("{why}; {FORMS}")),
            Some((scheme, _)) => Err(format!(
                "{}:// is no database; {FORMS}",
                scheme.escape_debug()
            )),
            None => Err(FORMS.into()),
        }
    }
}

fn postgres(text: &str) -> Result<PostgresTarget, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let named = |name: &str| url.query_pairs().any(|(key, _)| key == name);
    if url.host_str().is_none_or(str::is_empty) && !named("host") {
        return Err("it names no host".into());
    }
    if url.path().trim_matches('/').is_empty() && !named("dbname") {
        return Err("it names no database".into());
    }
    let options = PgConnectOptions::from_str(text).map_err(|error| match error {
        sqlx::Error::Configuration(why) => why.to_string(),
        other => other.to_string(),
    })?;
    Ok(PostgresTarget {
        options: Box::new(options),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_by_its_url() {
        let cases = [
            ("sqlite:///var/m.db", "/var/m.db"),
            (
                "postgres://u:s3cret@db.local/ferry",
                "the PostgreSQL database ferry at db.local:5432",
            ),
            (
                "postgresql://u@db.local:6000/ferry?sslmode=require",
                "the PostgreSQL database ferry at db.local:6000",
            ),
            (
                "postgres:///ferry?host=/run/postgresql",
                "the PostgreSQL database ferry at /run/postgresql",
            ),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Database>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_bad_url_is_answered_with_a_good_one() {
        let cases = [
            ("modelferry.db", "sqlite:///"),
            ("sqlite://relative.db", "absolute"),
            ("mysql://host/db", "mysql:// is no database"),
            ("postgres://host", "names no database"),
            ("postgres:///db", "names no host"),
            ("postgres://host/db?sslmode=maybe", "postgres://user"),
            ("postgres://host:port/db", "port"),
        ];
        for (text, expected) in cases {
            let why = text.parse::<Database>().unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    #[test]
    fn no_form_shows_the_password() {
        let database: Database = "postgres://u:s3cret@host/db?password=s3cret2"
            .parse()
            .unwrap();
        assert!(!format!("{database} {database:?}").contains("s3cret"));
    }
}
