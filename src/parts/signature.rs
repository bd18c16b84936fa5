//! URLs that let whoever has one send one part, until they expire.

use std::fmt;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};

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
pub struct Signer(hmac::Key);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// With this key, which every process that signs or checks has.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The signature of a URL, in hex.
    pub fn sign(&self, url: &PartUrl<'_>) -> String {
        hex::encode(hmac::sign(&self.0, message(url).as_bytes()))
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
        hmac::verify(&self.0, message(url).as_bytes(), &signature)
            .map_err(|_| Refused::Tampered)?;
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
