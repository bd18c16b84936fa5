//! The only reader of environment and files. A flag beats a variable beats the
//! config file beats the default, and each value knows where it came from.

mod file;
mod keys;
mod parse;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use modelferry_providers::{Auth, SafeUrl, Token};
use serde::Serialize;

pub use self::keys::{KEYS, Key};
pub use self::parse::bytes as parse_bytes;
use crate::credentials::{SecretKeys, Vault};
use crate::error::{Code, Error};
use crate::import::Rules;
use crate::records::Database;
use crate::storage::{Door, Place, Variables};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A command line flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A file.
    File(PathBuf),
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting as `config show` prints it, a secret masked.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Its name.
    pub key: &'static str,
    /// Its value; `None` when it is not set.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: String,
}

/// Values from the command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--home`
    pub home: Option<PathBuf>,
    /// `--config`
    pub config: Option<PathBuf>,
}

/// Everything that can be configured, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the embedded database, the storage and the keys are.
    pub home: PathBuf,
    /// The records' database.
    pub database: Database,
    /// Where files are kept.
    pub storage: Place,
    /// How to reach it, where it is a bucket.
    pub storage_variables: Variables,
    /// Hugging Face or a mirror.
    pub huggingface_endpoint: SafeUrl,
    /// Civitai or a stand-in.
    pub civitai_endpoint: SafeUrl,
    /// The operator's tokens.
    pub auth: Auth,
    /// The key that stored credentials are sealed with, and earlier ones that
    /// open them; without it, a file in the home folder holds one.
    pub secret_key: Option<SecretKeys>,
    /// Networks that may be reached although they are not public.
    pub allow_nets: Vec<IpNet>,
    /// Endpoints that the operator named, and so may be reached.
    pub named_endpoints: Vec<SafeUrl>,
    /// A proxy for all downloads.
    pub proxy: Option<SafeUrl>,
    /// `user:password` for the proxy.
    pub proxy_login: Option<Token>,
    /// Download connections of this process.
    pub connections: usize,
    /// Download connections to one host.
    pub connections_per_host: usize,
    /// Bytes in flight in this process.
    pub memory: u64,
    /// Bytes a second.
    pub limit_rate: Option<u64>,
    /// What may come in.
    pub rules: Rules,
    /// Uploads worked on at once by `serve` and `worker`.
    pub workers: usize,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How often `serve` and `worker` begin an upload before its failure is final.
    pub attempts: u32,
    /// Where clients reach the API, when it is not where they say.
    pub public_url: Option<String>,
    /// Uploads that one owner may have in the queue.
    pub max_queued: u32,
    /// Who takes the parts of files that clients bring.
    pub part_door: Door,
    /// How long a URL for such a part works.
    pub part_urls: Duration,
    /// How long an upload in parts is kept that nobody completes.
    pub abandoned_after: Duration,
    /// Whether logs are JSON.
    pub json_logs: bool,
    /// Where traces are sent: an OTLP endpoint.
    pub otlp_endpoint: Option<SafeUrl>,
    /// What traces call this program.
    pub service_name: String,
    /// The log filter, in `RUST_LOG`'s terms.
    pub log_filter: Option<String>,
    /// Everything above, as it was given.
    pub shown: Vec<Shown>,
}

impl Config {
    /// Reads this process's environment and files.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] names the setting, where it came from, and what
    /// it should look like.
    pub fn load(flags: &Flags) -> Result<Self, Error> {
        // A name or value that is no text can't be any of ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::from_parts(flags, &environment)
    }

    /// Reads these variables instead of the process's own.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_parts(
        flags: &Flags,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        #[cfg(debug_assertions)]
        if let Some(point) = environment.get(keys::CRASH_AT) {
            crate::crash::arm(point);
        }
        let values = Values::gather(flags, environment)?;
        let home = values.absolute(&keys::HOME)?;
        let token = |key: &Key| values.token(key);
        let huggingface = match token(&keys::HF_TOKEN)? {
            Some(token) => Some(token),
            None => keys::login_token(environment),
        };
        Ok(Self {
            database: values
                .read(&keys::DATABASE_URL, str::parse)?
                .unwrap_or_else(|| Database::Sqlite(home.join(keys::DATABASE_URL.within_home))),
            storage: values
                .read(&keys::STORAGE, Place::parse)?
                .unwrap_or_else(|| Place::Folder(home.join(keys::STORAGE.within_home))),
            storage_variables: Variables::gather(environment),
            huggingface_endpoint: values.endpoint(&keys::HF_ENDPOINT)?,
            civitai_endpoint: values.endpoint(&keys::CIVITAI_ENDPOINT)?,
            auth: Auth {
                huggingface,
                civitai: token(&keys::CIVITAI_TOKEN)?,
                hosts: BTreeMap::new(),
            },
            secret_key: values.read(&keys::SECRET_KEY, SecretKeys::parse)?,
            allow_nets: values
                .read(&keys::ALLOW_NETS, parse::nets)?
                .unwrap_or_default(),
            named_endpoints: values.named_endpoints()?,
            proxy: values.read(&keys::PROXY, parse::url)?,
            proxy_login: token(&keys::PROXY_LOGIN)?,
            connections: values.number(&keys::CONNECTIONS)?,
            connections_per_host: values.number(&keys::CONNECTIONS_PER_HOST)?,
            memory: values
                .read(&keys::MEMORY, parse::memory)?
                .unwrap_or(parse::LEAST_MEMORY),
            limit_rate: values.read(&keys::LIMIT_RATE, parse::bytes)?,
            rules: values.rules()?,
            workers: values.number(&keys::WORKERS)?,
            lease: values
                .read(&keys::LEASE, parse::lease)?
                .unwrap_or(Duration::from_secs(30)),
            attempts: u32::try_from(values.number(&keys::ATTEMPTS)?).unwrap_or(1),
            public_url: values
                .read(&keys::PUBLIC_URL, parse::url)?
                .map(|url| url.to_string()),
            max_queued: values
                .read(&keys::MAX_QUEUED, parse::queue)?
                .unwrap_or(u32::MAX),
            part_door: values
                .read(&keys::PART_DOOR, parse::door)?
                .unwrap_or_default(),
            part_urls: values
                .read(&keys::PART_URLS, parse::link_span)?
                .unwrap_or(Duration::from_secs(86_400)),
            abandoned_after: values
                .read(&keys::ABANDONED, parse::span)?
                .unwrap_or(Duration::from_secs(7 * 86_400)),
            json_logs: values.read(&keys::LOG, parse::json_logs)?.unwrap_or(false),
            otlp_endpoint: values.read(&keys::OTLP_ENDPOINT, parse::url)?,
            service_name: values
                .read(&keys::SERVICE_NAME, |text| Ok(text.to_owned()))?
                .unwrap_or_default(),
            log_filter: environment.get("RUST_LOG").cloned(),
            shown: values.shown(&home),
            home,
        })
    }
}

impl Config {
    /// What opens stored credentials.
    pub fn vault(&self) -> Vault {
        match &self.secret_key {
            Some(key) => Vault::Given(key.clone()),
            None => Vault::File(self.home.join(keys::SECRET_KEY.within_home)),
        }
    }
}

struct Value {
    text: String,
    origin: Origin,
}

struct Values(BTreeMap<&'static str, Value>);

impl Values {
    fn gather(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for key in KEYS {
            if let Some(text) = (key.default)() {
                values.insert(
                    key.name,
                    Value {
                        text,
                        origin: Origin::Default,
                    },
                );
            }
        }
        let put_variables = |values: &mut BTreeMap<_, _>| {
            for key in KEYS {
                let given = key.variables.iter().find_map(|name| {
                    Some((*name, environment.get(*name).filter(|v| !v.is_empty())?))
                });
                if let Some((name, text)) = given {
                    values.insert(
                        key.name,
                        Value {
                            text: text.clone(),
                            origin: Origin::Variable(name),
                        },
                    );
                }
            }
            if let Some(home) = &flags.home {
                let text = home.to_string_lossy().into_owned();
                values.insert(
                    keys::HOME.name,
                    Value {
                        text,
                        origin: Origin::Flag("--home"),
                    },
                );
            }
        };
        put_variables(&mut values);
        let file = match &flags.config {
            Some(path) => Some(path.clone()),
            None => values
                .get(keys::HOME.name)
                .map(|home| Path::new(&home.text).join("modelferry.toml")),
        };
        if let Some(file) = file {
            file::read(&file, flags.config.is_some(), &mut values)?;
        }
        put_variables(&mut values);
        Ok(Self(values))
    }

    fn read<T>(
        &self,
        key: &Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.0.get(key.name) else {
            return Ok(None);
        };
        parse(&value.text).map(Some).map_err(|why| {
            let shown = if key.secret {
                "(hidden)".to_owned()
            } else {
                modelferry_providers::source::quoted(&value.text)
            };
            Error::new(
                Code::InvalidRequest,
                format!("{} is {shown} ({}): {why}", key.name, value.origin),
            )
            .hint("`modelferry config show` prints every setting and where it came from")
        })
    }

    fn rules(&self) -> Result<Rules, Error> {
        Ok(Rules {
            pickle: self.read(&keys::PICKLE, parse::word)?.unwrap_or_default(),
            pickle_allow: Arc::new(
                self.read(&keys::PICKLE_ALLOW, parse::allow_list)?
                    .unwrap_or_default(),
            ),
            flagged: self.read(&keys::FLAGGED, parse::word)?.unwrap_or_default(),
            kinds: self.read(&keys::KINDS, parse::words)?.unwrap_or_default(),
            formats: self.read(&keys::FORMATS, parse::words)?.unwrap_or_default(),
            max_file_size: self.read(&keys::MAX_FILE_SIZE, parse::bytes)?,
            max_owner_bytes: self.read(&keys::MAX_OWNER_BYTES, parse::bytes)?,
            licenses: self
                .read(&keys::LICENSES, parse::licenses)?
                .unwrap_or_default(),
            max_nsfw: self.read(&keys::MAX_NSFW, parse::word)?,
        })
    }

    fn number(&self, key: &Key) -> Result<usize, Error> {
        Ok(self.read(key, parse::count)?.unwrap_or(1))
    }

    fn token(&self, key: &Key) -> Result<Option<Token>, Error> {
        self.read(key, |text| {
            Token::new(text)
                .ok_or_else(|| "a token is one line of visible ASCII characters".to_owned())
        })
    }

    fn endpoint(&self, key: &Key) -> Result<SafeUrl, Error> {
        let url = self.read(key, parse::url)?;
        url.ok_or_else(|| Error::new(Code::InvalidRequest, format!("{} is not set", key.name)))
    }

    /// Only what somebody wrote down opens a way to an address that is not public.
    fn named_endpoints(&self) -> Result<Vec<SafeUrl>, Error> {
        let named = [&keys::HF_ENDPOINT, &keys::CIVITAI_ENDPOINT]
            .into_iter()
            .filter(|key| {
                self.0
                    .get(key.name)
                    .is_some_and(|value| value.origin != Origin::Default)
            });
        named.map(|key| self.endpoint(key)).collect()
    }

    fn absolute(&self, key: &Key) -> Result<PathBuf, Error> {
        let path = self.read(key, |text| {
            std::path::absolute(text).map_err(|error| error.to_string())
        })?;
        path.ok_or_else(|| {
            Error::new(
                Code::InvalidRequest,
                "this machine has no data folder for programs",
            )
            .hint("set MODELFERRY_HOME")
        })
    }

    fn shown(&self, home: &Path) -> Vec<Shown> {
        KEYS.iter()
            .map(|key| match self.0.get(key.name) {
                Some(value) => Shown {
                    key: key.name,
                    value: Some(if key.secret {
                        "********".to_owned()
                    } else {
                        parse::without_password(&value.text)
                    }),
                    origin: value.origin.to_string(),
                },
                None => Shown {
                    key: key.name,
                    value: (!key.within_home.is_empty())
                        .then(|| home.join(key.within_home).display().to_string()),
                    origin: Origin::Default.to_string(),
                },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
