//! URLs that let whoever has one send one part, until they expire.

use std::fmt;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};

use crate::credentials::DerivedKeys;

/// What a URL allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartUrl<'a> {
    /// The upload.
    pub upload: &'a str,
    /// Its part, counted from 1.
    pub number: u32,
    /// When it stops working, in seconds since 1970.
    pub expires: i64,
}

/// Why a URL is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is not one of ours, or was changed.
    Tampered,
    /// It worked until then.
    Late(DateTime<Utc>),
}

/// Signs such URLs, and knows its own.
pub struct Signer {
    current: hmac::Key,
    earlier: Vec<hmac::Key>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// With these keys, which every process that signs or checks has. URLs
    /// that an earlier one signed are accepted until they expire.
    pub fn new(keys: &DerivedKeys) -> Self {
        let key = |bytes: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Self {
            current: key(&keys.current),
            earlier: keys.earlier.iter().map(key).collect(),
        }
    }

    /// The signature of a URL, in hex.
    pub fn sign(&self, url: &PartUrl<'_>) -> String {
        hex::encode(hmac::sign(&self.current, message(url).as_bytes()))
    }

    /// Accepts a URL that it signed and that has not expired. Takes the same
    /// time for every wrong signature.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(
        &self,
        url: &PartUrl<'_>,
        signature: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let signature = hex::decode(signature).map_err(|_| Refused::Tampered)?;
        let text = message(url);
        let mut keys = std::iter::once(&self.current).chain(&self.earlier);
        if !keys.any(|key| hmac::verify(key, text.as_bytes(), &signature).is_ok()) {
            return Err(Refused::Tampered);
        }
        match DateTime::from_timestamp(url.expires, 0) {
            Some(expires) if now <= expires => Ok(()),
            Some(expires) => Err(Refused::Late(expires)),
            None => Err(Refused::Tampered),
        }
    }
}

/// An id has no line breaks, so no two URLs have one text.
fn message(url: &PartUrl<'_>) -> String {
    format!("PUT\n{}\n{}\n{}", url.upload, url.number, url.expires)
}
