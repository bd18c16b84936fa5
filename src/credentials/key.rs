//! The keys that stored credentials are sealed with.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error};

const LENGTH: usize = 32;
const WRITTEN: &str = "it should be 64 hex digits, or 32 bytes in base64; \
                       `openssl rand -hex 32` makes one";

/// A key of 32 bytes that no `Debug` shows. Cheap to clone.
#[derive(Clone)]
pub struct SecretKey(Arc<SecretBox<[u8; LENGTH]>>);

impl SecretKey {
    /// Reads 64 hex digits, or 32 bytes in base64.
    ///
    /// # Errors
    /// What it should have been.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let padding =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = hex::decode(text)
            .ok()
            .or_else(|| GeneralPurpose::new(&STANDARD, padding).decode(text).ok());
        let bytes = bytes.and_then(|bytes| <[u8; LENGTH]>::try_from(bytes).ok());
        bytes.map(Self::new).ok_or_else(|| WRITTEN.to_owned())
    }

    /// What tells it from other keys, and nothing of it.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"modelferry secret key");
        hash.update(self.expose());
        hex::encode(&hash.finalize()[..8])
    }

    /// Another key, for this purpose alone: who has it learns nothing of this one.
    pub fn derive(&self, purpose: &str) -> [u8; LENGTH] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, self.expose());
        let derived = aws_lc_rs::hmac::sign(&key, format!("modelferry {purpose}").as_bytes());
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(derived.as_ref());
        bytes
    }

    pub(super) fn expose(&self) -> &[u8; LENGTH] {
        self.0.expose_secret()
    }

    fn new(bytes: [u8; LENGTH]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, …)", self.id())
    }
}

/// The key that seals, and earlier ones that still open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SecretKeys {
    current: SecretKey,
    earlier: Vec<SecretKey>,
}

impl SecretKeys {
    /// Reads keys with commas or line ends between, the current one first.
    ///
    /// # Errors
    /// What each should have been.
    pub fn parse(text: &str) -> Result<Self, String> {
        let texts = text.split([',', '\n', ' ']).map(str::trim);
        let mut keys = texts
            .filter(|text| !text.is_empty())
            .map(SecretKey::parse)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter();
        let current = keys.next().ok_or_else(|| WRITTEN.to_owned())?;
        Ok(Self {
            current,
            earlier: keys.collect(),
        })
    }

    /// The one that seals.
    pub const fn current(&self) -> &SecretKey {
        &self.current
    }

    /// The one with this id.
    pub(super) fn of_id(&self, id: &str) -> Option<&SecretKey> {
        let mut all = std::iter::once(&self.current).chain(&self.earlier);
        all.find(|key| key.id() == id)
    }
}

/// The keys in a file, if there is one.
pub(super) async fn read(path: &Path) -> Result<Option<SecretKeys>, Error> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => SecretKeys::parse(&text).map(Some).map_err(|why| {
            let message = format!("{} holds no key: {why}", path.display());
            Error::new(Code::StorageError, message)
                .hint("give the file back as it was, or move it away and set the credentials anew")
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// The keys in a file, where one is made if there is none.
pub(super) async fn read_or_make(path: &Path) -> Result<SecretKeys, Error> {
    if let Some(key) = read(path).await? {
        return Ok(key);
    }
    let place = path.to_owned();
    tokio::task::spawn_blocking(move || make(&place))
        .await
        .map_err(|error| Error::internal("making the secret key", error))??;
    let made = read(path).await?;
    made.ok_or_else(|| unusable(path, &ErrorKind::NotFound.into()))
}

/// The file gets its name only once it is whole; who comes second takes what
/// is there by then.
fn make(path: &Path) -> Result<(), Error> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|error| Error::internal("making the secret key", error))?;
    let text = format!("{}\n", hex::encode(bytes));
    let unnamed = path.with_extension(format!("{}.new", uuid::Uuid::now_v7().simple()));
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unnamed)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match fs::hard_link(&unnamed, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    };
    let written = write().map_err(|error| unusable(path, &error));
    let _ = fs::remove_file(&unnamed);
    written
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("the secret key {} can't be used: {error}", path.display());
    Error::new(Code::StorageError, message)
        .hint("check the file's owner and mode, or set MODELFERRY_SECRET_KEY")
}
