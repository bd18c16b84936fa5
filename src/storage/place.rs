//! Where the storage is: a folder, or a bucket and what it takes to reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cloud::{CloudStorage, Tuning};
use super::{LocalStorage, Storage, StorageError};

/// A storage's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `file:///folder`
    Folder(PathBuf),
    /// `s3://bucket/prefix` and its like.
    Bucket(Bucket),
}

/// A bucket, and the folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Whose protocol it speaks.
    pub cloud: CloudKind,
    /// Its name; a container's on Azure.
    pub name: String,
    /// The names below which all is kept, without slashes at the ends. May be empty.
    pub prefix: String,
}

/// The protocols of object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudKind {
    /// Amazon S3, and the many servers that speak its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl CloudKind {
    const ALL: [(&'static str, Self); 5] = [
        ("s3", Self::S3),
        ("gs", Self::Gcs),
        ("az", Self::Azure),
        ("azure", Self::Azure),
        ("s3a", Self::S3),
    ];

    /// How addresses of this kind start.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }
}

/// The environment variables of the clouds: endpoints, regions, credentials.
/// Never printed.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    /// Takes those that are about a cloud.
    pub fn gather<'e>(environment: impl IntoIterator<Item = (&'e String, &'e String)>) -> Self {
        let about_clouds = environment.into_iter().filter(|(name, value)| {
            let known = ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|start| name.starts_with(start));
            !value.is_empty() && (known || name.as_str() == "STORAGE_EMULATOR_HOST")
        });
        Self(
            about_clouds
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn starting_with(&self, start: &'static str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.filter(move |(name, _)| name.starts_with(start))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Place {
    /// Reads `scheme://…`.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "write it like file:///var/lib/modelferry or s3://bucket/prefix".to_owned(),
            );
        };
        if scheme == "file" {
            if !rest.starts_with('/') {
                return Err(
                    "the path must be absolute, as in file:///var/lib/modelferry".to_owned(),
                );
            }
            return Ok(Self::Folder(PathBuf::from(rest)));
        }
        let known = CloudKind::ALL.iter().find(|(known, _)| *known == scheme);
        let Some((_, cloud)) = known else {
            return Err(format!(
                "{}:// is not supported; file://, s3://, gs:// and az:// are",
                scheme.escape_debug()
            ));
        };
        Bucket::parse(*cloud, rest).map(Self::Bucket)
    }

    /// The folder, when it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Bucket(_) => None,
        }
    }

    /// Opens it. A folder is made when it is not there, a bucket is not.
    ///
    /// # Errors
    /// When it can't be used, or the variables that say how are not right.
    pub fn open(&self, variables: &Variables) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(match self {
            Self::Folder(path) => Arc::new(LocalStorage::open(path)?),
            Self::Bucket(bucket) => {
                Arc::new(CloudStorage::open(bucket, variables, Tuning::default())?)
            }
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl Bucket {
    fn parse(cloud: CloudKind, rest: &str) -> Result<Self, String> {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let scheme = cloud.scheme();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if name.len() < 3 || name.len() > 222 || !name.chars().all(fits) {
            return Err(format!(
                "a bucket's name has 3 or more letters, digits, dots and dashes, as in {scheme}://my-bucket/prefix"
            ));
        }
        let prefix = prefix.trim_end_matches('/');
        let odd = |segment: &str| {
            segment.is_empty()
                || segment.starts_with('.')
                || !segment.chars().all(|c| fits(c) || "+=@ ".contains(c))
        };
        if !prefix.is_empty() && prefix.split('/').any(odd) {
            return Err(format!(
                "a prefix is made of plain names, as in {scheme}://{name}/models/imported"
            ));
        }
        Ok(Self {
            cloud,
            name: name.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.cloud.scheme(), self.name)?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_read_and_written_back() {
        let cases = [
            ("file:///srv/models", "file:///srv/models"),
            ("s3://my-bucket", "s3://my-bucket"),
            ("s3://my-bucket/", "s3://my-bucket"),
            ("s3://my-bucket/a/b c/", "s3://my-bucket/a/b c"),
            ("s3a://my-bucket/a", "s3://my-bucket/a"),
            ("gs://my.bucket_1/p", "gs://my.bucket_1/p"),
            ("az://container", "az://container"),
            ("azure://container/x", "az://container/x"),
        ];
        for (text, expected) in cases {
            assert_eq!(Place::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_address_is_answered_with_a_right_one() {
        let cases = [
            ("models", "s3://bucket/prefix"),
            ("file://models", "file:///var/lib/modelferry"),
            ("ftp://host/x", "s3://"),
            ("s3://", "s3://my-bucket/prefix"),
            ("s3://a b/x", "s3://my-bucket/prefix"),
            ("s3://key:secret@bucket", "s3://my-bucket/prefix"),
            ("gs://bucket/../x", "gs://bucket/models/imported"),
            ("az://bucket//x", "az://bucket/models/imported"),
            ("s3://bucket/a?b=c", "s3://bucket/models/imported"),
        ];
        for (text, expected) in cases {
            let why = Place::parse(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    #[test]
    fn variables_are_never_printed() {
        let environment = BTreeMap::from([
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned()),
            ("HOME".to_owned(), "/root".to_owned()),
        ]);
        let variables = Variables::gather(&environment);
        assert_eq!(format!("{variables:?}"), r#"{"AWS_SECRET_ACCESS_KEY"}"#);
        assert_eq!(variables.get("AWS_SECRET_ACCESS_KEY"), Some("hush"));
    }
}
