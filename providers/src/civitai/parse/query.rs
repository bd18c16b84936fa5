//! What a source's query says.

use url::form_urlencoded;

use super::super::filter::{BadFilter, FileFilter, FileFormat, FileSize, FileType, ShortText};
use super::super::id::CivitaiId;
use super::super::reference::CivitaiRef;
use super::{EXAMPLE, id};
use crate::SourceError;
use crate::auth::Token;
use crate::source::SourceToken;

const DOWNLOAD_EXAMPLE: &str =
    "https://civitai.com/api/download/models/128713?type=Model&format=SafeTensor";

/// A URL's query, in which each key we know may stand once.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query.
    pub(super) fn read(query: &str) -> Self {
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The value of a key; an empty one is none.
    fn one(&self, key: &str) -> Result<Option<&str>, SourceError> {
        let mut values = self
            .0
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(SourceError::malformed(
                format!("`{key}` stands in the URL more than once"),
                EXAMPLE,
            ));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// The id under a key.
    pub(super) fn id(&self, key: &str) -> Result<Option<CivitaiId>, SourceError> {
        self.one(key)?.map(|value| id(key, value)).transpose()
    }

    /// `fileId` and the filters of a download URL.
    pub(super) fn narrow(&self, civitai: CivitaiRef) -> Result<CivitaiRef, SourceError> {
        let text = |key: &'static str| -> Result<Option<ShortText>, SourceError> {
            self.one(key)?
                .map(|value| ShortText::new(key, value))
                .transpose()
                .map_err(bad_filter)
        };
        let filter = FileFilter {
            file_type: self
                .one("type")?
                .map(FileType::named)
                .transpose()
                .map_err(bad_filter)?,
            format: self
                .one("format")?
                .map(FileFormat::named)
                .transpose()
                .map_err(bad_filter)?,
            size: self
                .one("size")?
                .map(FileSize::named)
                .transpose()
                .map_err(bad_filter)?,
            fp: text("fp")?,
            quant_type: text("quantType")?,
        };
        let file = self.id("fileId")?.or(civitai.file);
        Ok(CivitaiRef {
            file,
            filter,
            ..civitai
        })
    }

    /// The token, to be moved out of the source.
    pub(super) fn token(&self) -> Result<Option<SourceToken>, SourceError> {
        let Some(value) = self.one("token")? else {
            return Ok(None);
        };
        let token = Token::new(value).ok_or_else(|| {
            SourceError::malformed(
                "the token in the URL has characters that no token has",
                EXAMPLE,
            )
        })?;
        Ok(Some(SourceToken(token)))
    }
}

fn bad_filter(error: BadFilter) -> SourceError {
    SourceError::malformed(format!("the download URL's {error}"), DOWNLOAD_EXAMPLE)
}
