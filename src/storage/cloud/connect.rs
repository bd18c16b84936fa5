//! From an address and the clouds' own variables to a client.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::super::StorageError;
use super::super::place::{Bucket, CloudKind, Variables};
use super::failure;

/// How patient the client is, and how much it asks for at once.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// How long a request that fails is tried again: a store that is away
    /// for less is waited for.
    pub patience: Duration,
    /// The longest object that is copied by one request. S3 copies at most 5 GB so.
    pub copy_at_once: u64,
    /// How much of a longer one each request copies.
    pub copy_part: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(30),
            copy_at_once: 5_000_000_000,
            copy_part: 1 << 30,
        }
    }
}

/// A client of one of the clouds.
#[derive(Clone)]
pub(super) enum Client {
    /// With the same transport for what the library has no call for.
    S3(Arc<AmazonS3>, HttpClient),
    Gcs(Arc<GoogleCloudStorage>),
    Azure(Arc<MicrosoftAzure>),
}

impl fmt::Debug for Client {
    // The library's own output would show the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S3(..) => "S3",
            Self::Gcs(_) => "Gcs",
            Self::Azure(_) => "Azure",
        })
    }
}

impl Client {
    pub(super) fn connect(
        bucket: &Bucket,
        variables: &Variables,
        tuning: &Tuning,
    ) -> Result<Self, StorageError> {
        let retry = retry(tuning);
        let made = match bucket.cloud {
            CloudKind::S3 => s3(bucket, variables, retry),
            CloudKind::Gcs => gcs(bucket, variables, retry),
            CloudKind::Azure => azure(bucket, variables, retry),
        };
        made.map_err(|error| failure::unusable(bucket, &error))
    }

    pub(super) fn objects(&self) -> &dyn ObjectStore {
        match self {
            Self::S3(store, _) => &**store,
            Self::Gcs(store) => &**store,
            Self::Azure(store) => &**store,
        }
    }

    pub(super) fn parts(&self) -> &dyn MultipartStore {
        match self {
            Self::S3(store, _) => &**store,
            Self::Gcs(store) => &**store,
            Self::Azure(store) => &**store,
        }
    }

    pub(super) fn signer(&self) -> &dyn Signer {
        match self {
            Self::S3(store, _) => &**store,
            Self::Gcs(store) => &**store,
            Self::Azure(store) => &**store,
        }
    }

    /// Whether two unfinished uploads to one name are kept apart. Azure knows
    /// blocks by their name and number alone: one upload's block replaces the other's.
    pub(super) fn keeps_uploads_apart(&self) -> bool {
        !matches!(self, Self::Azure(_))
    }
}

fn retry(tuning: &Tuning) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 50,
        retry_timeout: tuning.patience,
    }
}

/// A part may take minutes on a thin line: only silence is a failure.
fn options() -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(10))
        .with_read_timeout(Duration::from_secs(300))
}

/// Keys that would point elsewhere than the address does, or change what a part's tag is.
const NOT_TAKEN: [&str; 8] = [
    "aws_bucket",
    "aws_bucket_name",
    "aws_checksum_algorithm",
    "google_bucket",
    "google_bucket_name",
    "azure_container_name",
    "aws_timeout",
    "azure_timeout",
];

/// The variables that the library knows, by its own names.
fn known<K: FromStr>(variables: &Variables, start: &'static str) -> Vec<(K, String)> {
    let ours = variables.starting_with(start);
    ours.filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let key = name
            .parse()
            .ok()
            .filter(|_| !NOT_TAKEN.contains(&name.as_str()))?;
        Some((key, value.to_owned()))
    })
    .collect()
}

fn s3(bucket: &Bucket, variables: &Variables, retry: RetryConfig) -> object_store::Result<Client> {
    let endpoint = variables
        .get("AWS_ENDPOINT_URL_S3")
        .or_else(|| variables.get("AWS_ENDPOINT_URL"))
        .or_else(|| variables.get("AWS_ENDPOINT"));
    let plain = endpoint.is_some_and(|url| url.starts_with("http://"));
    let options = options().with_allow_http(plain);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_retry(retry)
        .with_client_options(options.clone())
        // One DELETE an object is understood by every server, the bulk form is not.
        .with_disable_bulk_delete(true)
        // Within TLS, and within one machine, the signature need not cover the
        // body too: that is a hash a part saved.
        .with_unsigned_payload(!plain || endpoint.is_some_and(is_of_this_machine));
    for (key, value) in known::<AmazonS3ConfigKey>(variables, "AWS_") {
        builder = builder.with_config(key, value);
    }
    let http = ReqwestConnector::default().connect(&options)?;
    Ok(Client::S3(Arc::new(builder.build()?), http))
}

/// Whether nobody can be between here and there.
fn is_of_this_machine(endpoint: &str) -> bool {
    let Ok(url) = url::Url::parse(endpoint) else {
        return false;
    };
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn gcs(bucket: &Bucket, variables: &Variables, retry: RetryConfig) -> object_store::Result<Client> {
    // The emulator's variable of Google's own clients: `host:port`, or a URL.
    let emulator = variables.get("STORAGE_EMULATOR_HOST").map(|host| {
        let url = if host.contains("://") {
            host.to_owned()
        } else {
            format!("http://{host}")
        };
        url.trim_end_matches('/').to_owned()
    });
    let base = emulator
        .clone()
        .or_else(|| variables.get("GOOGLE_BASE_URL").map(str::to_owned));
    let plain = base.is_some_and(|url| url.starts_with("http://"));
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&bucket.name)
        .with_retry(retry)
        .with_client_options(options().with_allow_http(plain));
    for (key, value) in known::<GoogleConfigKey>(variables, "GOOGLE_") {
        builder = builder.with_config(key, value);
    }
    if let Some(url) = emulator {
        builder = builder
            .with_base_url(&url)
            .with_config(GoogleConfigKey::SkipSignature, "true");
    }
    Ok(Client::Gcs(Arc::new(builder.build()?)))
}

fn azure(
    bucket: &Bucket,
    variables: &Variables,
    retry: RetryConfig,
) -> object_store::Result<Client> {
    let connection = variables
        .get("AZURE_STORAGE_CONNECTION_STRING")
        .unwrap_or_default();
    let field = |name: &str| {
        let mut fields = connection
            .split(';')
            .filter_map(|field| field.split_once('='));
        fields
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let endpoint = variables
        .get("AZURE_STORAGE_ENDPOINT")
        .map(str::to_owned)
        .or_else(|| field("BlobEndpoint"));
    let plain = endpoint
        .as_ref()
        .is_some_and(|url| url.starts_with("http://"));
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(&bucket.name)
        .with_retry(retry)
        .with_client_options(options().with_allow_http(plain));
    let from_connection = [
        (AzureConfigKey::AccountName, field("AccountName")),
        (AzureConfigKey::AccessKey, field("AccountKey")),
        (AzureConfigKey::SasKey, field("SharedAccessSignature")),
        (AzureConfigKey::Endpoint, endpoint),
        // The name that Azure's own command line reads.
        (
            AzureConfigKey::AccountName,
            variables.get("AZURE_STORAGE_ACCOUNT").map(str::to_owned),
        ),
        (
            AzureConfigKey::AccessKey,
            variables.get("AZURE_STORAGE_KEY").map(str::to_owned),
        ),
    ];
    for (key, value) in from_connection {
        if let Some(value) = value {
            builder = builder.with_config(key, value);
        }
    }
    for (key, value) in known::<AzureConfigKey>(variables, "AZURE_") {
        builder = builder.with_config(key, value);
    }
    Ok(Client::Azure(Arc::new(builder.build()?)))
}

#[cfg(test)]
mod tests {
    use super::is_of_this_machine;

    #[test]
    fn only_an_address_of_this_machine_goes_with_an_unsigned_body() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000", true),
            ("http://[::1]:9000", true),
            ("http://10.0.0.7:9000", false),
            ("http://localhost.example.com", false),
            ("http://minio:9000", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_of_this_machine(endpoint), expected, "{endpoint}");
        }
    }
}
