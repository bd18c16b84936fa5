//! Every setting: its names, its default, whether it is a secret.

use std::collections::BTreeMap;
use std::path::PathBuf;

use modelferry_providers::Token;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its name in the config file and in `config show`.
    pub name: &'static str,
    /// The environment variables that set it, the first that is there wins.
    pub variables: &'static [&'static str],
    /// Whether its value is never shown.
    pub secret: bool,
    /// Its place within home when it is not set; empty for what is no place.
    pub within_home: &'static str,
    /// Its value when nobody sets it.
    pub default: fn() -> Option<String>,
}

const fn key(
    name: &'static str,
    variables: &'static [&'static str],
    default: fn() -> Option<String>,
) -> Key {
    Key {
        name,
        variables,
        secret: false,
        within_home: "",
        default,
    }
}

fn none() -> Option<String> {
    None
}

pub(super) const HOME: Key = key("home", &["MODELFERRY_HOME"], || {
    Some(
        dirs::data_dir()?
            .join("modelferry")
            .to_string_lossy()
            .into_owned(),
    )
});
pub(super) const DATABASE_URL: Key = Key {
    within_home: "modelferry.db",
    ..key("database_url", &["MODELFERRY_DATABASE_URL"], none)
};
pub(super) const STORAGE: Key = Key {
    within_home: "storage",
    ..key("storage", &["MODELFERRY_STORAGE"], none)
};
pub(super) const HF_ENDPOINT: Key = key("hf_endpoint", &["HF_ENDPOINT"], || {
    Some("https://huggingface.co".into())
});
pub(super) const HF_TOKEN: Key = Key {
    secret: true,
    ..key("hf_token", &["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"], none)
};
pub(super) const CIVITAI_ENDPOINT: Key = key("civitai_endpoint", &["CIVITAI_ENDPOINT"], || {
    Some("https://civitai.com".into())
});
pub(super) const CIVITAI_TOKEN: Key = Key {
    secret: true,
    ..key("civitai_token", &["CIVITAI_API_KEY", "CIVITAI_TOKEN"], none)
};
pub(super) const SECRET_KEY: Key = Key {
    secret: true,
    within_home: "secret.key",
    ..key("secret_key", &["MODELFERRY_SECRET_KEY"], none)
};
pub(super) const ALLOW_NETS: Key = key("allow_nets", &["MODELFERRY_ALLOW_NETS"], none);
pub(super) const PROXY: Key = key("proxy", &["MODELFERRY_PROXY"], none);
pub(super) const PROXY_LOGIN: Key = Key {
    secret: true,
    ..key("proxy_login", &["MODELFERRY_PROXY_LOGIN"], none)
};
pub(super) const CONNECTIONS: Key = key("connections", &["MODELFERRY_CONNECTIONS"], || {
    Some("16".into())
});
pub(super) const CONNECTIONS_PER_HOST: Key = key(
    "connections_per_host",
    &["MODELFERRY_CONNECTIONS_PER_HOST"],
    || Some("8".into()),
);
pub(super) const MEMORY: Key = key("memory", &["MODELFERRY_MEMORY"], || Some("256 MiB".into()));
pub(super) const LIMIT_RATE: Key = key("limit_rate", &["MODELFERRY_LIMIT_RATE"], none);
pub(super) const PICKLE: Key = key("pickle", &["MODELFERRY_PICKLE"], || Some("scan".into()));
pub(super) const PICKLE_ALLOW: Key = key("pickle_allow", &["MODELFERRY_PICKLE_ALLOW"], none);
pub(super) const FLAGGED: Key = key("flagged", &["MODELFERRY_FLAGGED"], || Some("refuse".into()));
pub(super) const KINDS: Key = key("kinds", &["MODELFERRY_KINDS"], none);
pub(super) const FORMATS: Key = key("formats", &["MODELFERRY_FORMATS"], none);
pub(super) const MAX_FILE_SIZE: Key = key("max_file_size", &["MODELFERRY_MAX_FILE_SIZE"], none);
pub(super) const MAX_OWNER_BYTES: Key =
    key("max_owner_bytes", &["MODELFERRY_MAX_OWNER_BYTES"], none);
pub(super) const LICENSES: Key = key("licenses", &["MODELFERRY_LICENSES"], none);
pub(super) const MAX_NSFW: Key = key("max_nsfw", &["MODELFERRY_MAX_NSFW"], none);
pub(super) const WORKERS: Key = key("workers", &["MODELFERRY_WORKERS"], || Some("4".into()));
pub(super) const LEASE: Key = key("lease", &["MODELFERRY_LEASE"], || Some("30 s".into()));
pub(super) const ATTEMPTS: Key = key("attempts", &["MODELFERRY_ATTEMPTS"], || Some("10".into()));
pub(super) const PUBLIC_URL: Key = key("public_url", &["MODELFERRY_PUBLIC_URL"], none);
pub(super) const MAX_QUEUED: Key = key("max_queued", &["MODELFERRY_MAX_QUEUED"], || {
    Some("10000".into())
});
pub(super) const PART_DOOR: Key = key("parts_through", &["MODELFERRY_PARTS_THROUGH"], || {
    Some("storage".into())
});
pub(super) const PART_URLS: Key = key("part_urls", &["MODELFERRY_PART_URLS"], || {
    Some("24 h".into())
});
pub(super) const ABANDONED: Key = key("abandoned_after", &["MODELFERRY_ABANDONED_AFTER"], || {
    Some("7 days".into())
});
pub(super) const OTLP_ENDPOINT: Key = key("otlp_endpoint", &["OTEL_EXPORTER_OTLP_ENDPOINT"], none);
pub(super) const SERVICE_NAME: Key = key("service_name", &["OTEL_SERVICE_NAME"], || {
    Some("modelferry".into())
});
pub(super) const LOG: Key = key("log", &["MODELFERRY_LOG"], || Some("text".into()));

/// Names the point at which a debug build ends itself, for crash tests.
#[cfg(debug_assertions)]
pub(super) const CRASH_AT: &str = "MODELFERRY_CRASH_AT";

/// Every setting, in the order `config show` prints them.
pub const KEYS: &[Key] = &[
    HOME,
    DATABASE_URL,
    STORAGE,
    HF_ENDPOINT,
    HF_TOKEN,
    CIVITAI_ENDPOINT,
    CIVITAI_TOKEN,
    SECRET_KEY,
    ALLOW_NETS,
    PROXY,
    PROXY_LOGIN,
    CONNECTIONS,
    CONNECTIONS_PER_HOST,
    MEMORY,
    LIMIT_RATE,
    PICKLE,
    PICKLE_ALLOW,
    FLAGGED,
    KINDS,
    FORMATS,
    MAX_FILE_SIZE,
    MAX_OWNER_BYTES,
    LICENSES,
    MAX_NSFW,
    WORKERS,
    LEASE,
    ATTEMPTS,
    PUBLIC_URL,
    MAX_QUEUED,
    PART_DOOR,
    PART_URLS,
    ABANDONED,
    LOG,
    OTLP_ENDPOINT,
    SERVICE_NAME,
];

/// The token that `hf auth login` wrote: `HF_TOKEN_PATH`, else `token` in
/// `HF_HOME`, else in the cache folder of huggingface_hub.
pub(super) fn login_token(environment: &BTreeMap<String, String>) -> Option<Token> {
    if let Some(path) = environment.get("HF_TOKEN_PATH") {
        return Token::new(&std::fs::read_to_string(path).ok()?);
    }
    let home = match environment.get("HF_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(environment.get("HOME")?).join(".cache/huggingface"),
    };
    // The cache's own crate knows where the token stands beside it.
    Token::new(&hf_hub::Cache::new(home.join("hub")).token()?)
}
