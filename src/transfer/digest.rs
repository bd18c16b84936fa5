//! Hashes taken while bytes pass, and held against what was stated.

use std::fmt;

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use modelferry_providers::digest::HeaderAlgorithm;
use modelferry_providers::{Digests, GitSha1, HeaderDigest, Sha256};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha512};

use super::ranges::Fetched;
use crate::error::{Error, Stop};
use crate::upload::Verification;

/// Below this many bytes a trip to another thread costs more than the hash.
const INLINE: usize = 64 * 1024;

/// Every hash that a file needs: SHA-256 always, the others where they were stated.
#[derive(Clone)]
pub struct Hashers {
    sha256: sha2::Sha256,
    git_sha1: Option<Sha1>,
    header: Option<(HeaderDigest, HeaderHasher)>,
}

#[derive(Clone)]
enum HeaderHasher {
    Sha512(Box<Sha512>),
    Sha1(Sha1),
    Md5(Md5),
    Crc(Box<crc_fast::Digest>),
    /// The SHA-256 that is computed anyway.
    Sha256,
}

/// The state of [`Hashers`] between two processes. Tied to the hash crates'
/// version: one that can't be read means starting over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    sha256: String,
    git_sha1: Option<String>,
    header: Option<(HeaderDigest, String)>,
}

/// What a whole file hashes to.
#[derive(Debug, Clone)]
pub struct Computed {
    /// Over the content.
    pub sha256: Sha256,
    /// The length hashed.
    pub size: u64,
    git_sha1: Option<GitSha1>,
    header: Option<(HeaderDigest, Vec<u8>)>,
}

/// A stated hash, and the one computed instead.
#[derive(Debug)]
pub struct Mismatch {
    name: String,
    stated: String,
    computed: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} should be {} but is {}",
            self.name, self.stated, self.computed
        )
    }
}

impl Default for Hashers {
    fn default() -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            git_sha1: None,
            header: None,
        }
    }
}

impl Hashers {
    /// For a file of which this is stated. A git blob id covers the length, so
    /// it needs that beforehand.
    pub fn for_file(stated: &Digests, size: Option<u64>) -> Self {
        let git_sha1 = stated
            .git_sha1
            .and(size)
            .map(|size| Sha1::new_with_prefix(format!("blob {size}\0")));
        let mut hashers = Self {
            git_sha1,
            ..Self::default()
        };
        hashers.set_header_digest(stated.header.as_ref(), 0);
        hashers
    }

    /// Also checks a digest that the first answer's headers stated. Too late
    /// once bytes have passed.
    pub fn set_header_digest(&mut self, stated: Option<&HeaderDigest>, done: u64) {
        if done > 0 || self.header.is_some() {
            return;
        }
        self.header = stated.map(|stated| (stated.clone(), HeaderHasher::new(stated.algorithm)));
    }

    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(hasher) = &mut self.git_sha1 {
            hasher.update(bytes);
        }
        if let Some((_, hasher)) = &mut self.header {
            hasher.update(bytes);
        }
    }

    /// The state, for the next process.
    pub fn save(&self) -> Saved {
        Saved {
            sha256: save(&self.sha256),
            git_sha1: self.git_sha1.as_ref().map(save),
            header: self
                .header
                .as_ref()
                .map(|(stated, hasher)| (stated.clone(), hasher.save())),
        }
    }

    /// Goes on from a saved state; `None` when it can't be read.
    pub fn restore(saved: &Saved) -> Option<Self> {
        Some(Self {
            sha256: restore(&saved.sha256)?,
            git_sha1: match &saved.git_sha1 {
                Some(text) => Some(restore(text)?),
                None => None,
            },
            header: match &saved.header {
                Some((stated, text)) => Some((
                    stated.clone(),
                    HeaderHasher::restore(stated.algorithm, text)?,
                )),
                None => None,
            },
        })
    }

    /// The hashes of the whole file.
    pub fn finish(self, size: u64) -> Computed {
        let sha256 = Sha256::new(self.sha256.finalize().into());
        Computed {
            sha256,
            size,
            git_sha1: self
                .git_sha1
                .map(|hasher| GitSha1::new(hasher.finalize().into())),
            header: self.header.map(|(stated, hasher)| {
                let computed = hasher.finish(stated.algorithm, &sha256);
                (stated, computed)
            }),
        }
    }
}

impl HeaderHasher {
    fn new(algorithm: HeaderAlgorithm) -> Self {
        match algorithm {
            HeaderAlgorithm::Sha512 => Self::Sha512(Box::default()),
            HeaderAlgorithm::Sha256 => Self::Sha256,
            HeaderAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            HeaderAlgorithm::Md5 => Self::Md5(Md5::new()),
            HeaderAlgorithm::Crc32c => Self::crc(CrcAlgorithm::Crc32Iscsi),
            HeaderAlgorithm::Crc32 => Self::crc(CrcAlgorithm::Crc32IsoHdlc),
            HeaderAlgorithm::Crc64Nvme => Self::crc(CrcAlgorithm::Crc64Nvme),
        }
    }

    fn crc(algorithm: CrcAlgorithm) -> Self {
        Self::Crc(Box::new(crc_fast::Digest::new(algorithm)))
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Crc(digest) => digest.update(bytes),
            Self::Sha256 => {}
        }
    }

    fn save(&self) -> String {
        match self {
            Self::Sha512(hasher) => save(&**hasher),
            Self::Sha1(hasher) => save(hasher),
            Self::Md5(hasher) => save(hasher),
            Self::Crc(digest) => hex::encode(digest.get_state().to_be_bytes()),
            Self::Sha256 => String::new(),
        }
    }

    fn restore(algorithm: HeaderAlgorithm, text: &str) -> Option<Self> {
        Some(match algorithm {
            HeaderAlgorithm::Sha512 => Self::Sha512(Box::new(restore(text)?)),
            HeaderAlgorithm::Sha256 => Self::Sha256,
            HeaderAlgorithm::Sha1 => Self::Sha1(restore(text)?),
            HeaderAlgorithm::Md5 => Self::Md5(restore(text)?),
            HeaderAlgorithm::Crc32c => Self::crc_on(CrcAlgorithm::Crc32Iscsi, text)?,
            HeaderAlgorithm::Crc32 => Self::crc_on(CrcAlgorithm::Crc32IsoHdlc, text)?,
            HeaderAlgorithm::Crc64Nvme => Self::crc_on(CrcAlgorithm::Crc64Nvme, text)?,
        })
    }

    fn crc_on(algorithm: CrcAlgorithm, text: &str) -> Option<Self> {
        let state = u64::from_str_radix(text, 16).ok()?;
        let digest = crc_fast::Digest::new_with_init_state(algorithm, state);
        Some(Self::Crc(Box::new(digest)))
    }

    fn finish(self, stated: HeaderAlgorithm, sha256: &Sha256) -> Vec<u8> {
        match self {
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Crc(digest) => {
                let crc = digest.finalize().to_be_bytes();
                crc[crc.len() - stated.digest_len()..].to_vec()
            }
            Self::Sha256 => sha256.as_bytes().to_vec(),
        }
    }
}

fn save<H: SerializableState>(hasher: &H) -> String {
    hex::encode(hasher.serialize())
}

fn restore<H: SerializableState>(text: &str) -> Option<H> {
    let bytes = hex::decode(text).ok()?;
    let state: SerializedState<H> = bytes.as_slice().try_into().ok()?;
    H::deserialize(&state).ok()
}

/// Hashes one part, on a thread of its own when it is large.
pub async fn update(mut hashers: Hashers, fetched: Fetched) -> Result<(Hashers, Fetched), Stop> {
    let feed = |hashers: &mut Hashers, chunks: &[Bytes]| {
        chunks.iter().for_each(|chunk| hashers.update(chunk))
    };
    if fetched.len() <= INLINE as u64 {
        feed(&mut hashers, &fetched.chunks);
        return Ok((hashers, fetched));
    }
    tokio::task::spawn_blocking(move || {
        feed(&mut hashers, &fetched.chunks);
        (hashers, fetched)
    })
    .await
    .map_err(|error| Error::internal("hashing", error).into())
}

/// Hashes what is read back, on a thread of its own.
pub async fn feed(mut hashers: Hashers, chunks: Vec<Bytes>) -> Result<Hashers, Stop> {
    tokio::task::spawn_blocking(move || {
        chunks.iter().for_each(|chunk| hashers.update(chunk));
        hashers
    })
    .await
    .map_err(|error| Error::internal("hashing", error).into())
}

impl Computed {
    /// Holds what was computed against everything that was stated.
    pub fn check(&self, stated: &Digests) -> Result<(), Mismatch> {
        let differs = |name: &str, stated: String, computed: String| {
            if stated == computed {
                return Ok(());
            }
            Err(Mismatch {
                name: name.to_owned(),
                stated,
                computed,
            })
        };
        if let Some(sha256) = stated.sha256 {
            differs("SHA-256", sha256.to_string(), self.sha256.to_string())?;
        }
        if let (Some(stated), Some(computed)) = (stated.git_sha1, self.git_sha1) {
            differs("git blob id", stated.to_string(), computed.to_string())?;
        }
        if let Some((stated, computed)) = &self.header {
            let name = format!("{:?} of the server's header", stated.algorithm);
            differs(&name, hex::encode(&stated.value), hex::encode(computed))?;
        }
        Ok(())
    }

    /// The strongest thing that [`Computed::check`] held it against.
    pub fn verification(&self, stated: &Digests) -> Verification {
        if stated.sha256.is_some() {
            Verification::Sha256
        } else if stated.git_sha1.is_some() && self.git_sha1.is_some() {
            Verification::GitSha1
        } else if self.header.is_some() {
            Verification::DigestHeader
        } else {
            Verification::Length
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(algorithm: HeaderAlgorithm, hex_value: &str) -> Digests {
        Digests {
            header: Some(HeaderDigest {
                algorithm,
                value: hex::decode(hex_value).unwrap(),
            }),
            ..Digests::default()
        }
    }

    #[test]
    fn every_header_algorithm_gives_its_published_value_also_across_a_restart() {
        let cases = [
            (HeaderAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (
                HeaderAlgorithm::Sha1,
                "a9993e364706816aba3e25717850c26c9cd0d89d",
            ),
            (
                HeaderAlgorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (HeaderAlgorithm::Crc32c, "364b3fb7"),
            (HeaderAlgorithm::Crc32, "352441c2"),
            (HeaderAlgorithm::Crc64Nvme, "05e5cabb3fc1faeb"),
            (
                HeaderAlgorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ];
        for (algorithm, expected) in cases {
            let stated = stated(algorithm, expected);
            let mut hashers = Hashers::for_file(&stated, None);
            hashers.update(b"a");
            let mut hashers = Hashers::restore(&hashers.save()).unwrap();
            hashers.update(b"bc");
            let computed = hashers.finish(3);
            assert!(
                computed.check(&stated).is_ok(),
                "{algorithm:?}: {:?}",
                computed.check(&stated)
            );
            assert_eq!(computed.verification(&stated), Verification::DigestHeader);
        }
    }

    #[test]
    fn a_git_blob_id_covers_length_and_content() {
        let stated = Digests {
            git_sha1: "ce013625030ba8dba906f756967f9e9ca394464a".parse().ok(),
            ..Digests::default()
        };
        let mut hashers = Hashers::for_file(&stated, Some(6));
        hashers.update(b"hello\n");
        let computed = hashers.finish(6);
        assert!(computed.check(&stated).is_ok());
        assert_eq!(computed.verification(&stated), Verification::GitSha1);
    }

    #[test]
    fn other_bytes_are_a_mismatch_that_names_both_hashes() {
        let stated = Digests {
            sha256: "00".repeat(32).parse().ok(),
            ..Digests::default()
        };
        let computed = Hashers::for_file(&stated, None).finish(0);
        let text = computed.check(&stated).unwrap_err().to_string();
        assert!(
            text.contains(&"00".repeat(32)) && text.contains("e3b0c442"),
            "{text}"
        );
    }

    #[test]
    fn a_state_that_can_not_be_read_means_starting_over() {
        assert!(Hashers::restore(&Saved::default()).is_none());
    }
}
