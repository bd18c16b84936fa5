//! What a request says of a file that its owner brings in parts.

use modelferry_providers::{Locator, Reference, RelPath};
use serde::Deserialize;

use super::super::problem::Problem;
use super::{CreateUpload, ONE_OF, UploadConfig};
use crate::parts::Shape;
use crate::records::new_upload_id;

/// A file that its owner brings in parts.
#[derive(Debug)]
pub(in super::super) struct Brought {
    pub upload: String,
    pub shape: Shape,
    pub original_file_name: String,
    pub content_type: String,
}

/// A whole number, written as one or as `12.0`: some clients know only one
/// sort of number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Whole(u64);

impl TryFrom<f64> for Whole {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, &'static str> {
        // Up to here every whole number is exact.
        if number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked above"
            )]
            return Ok(Self(number as u64));
        }
        Err("it is no whole number from 0 to 2^53")
    }
}

/// What the request says of a file in parts; `None` when it says nothing.
pub(super) fn read(body: &CreateUpload) -> Result<Option<Brought>, Problem> {
    let given = [
        ("fileName", body.file_name.is_some()),
        ("contentType", body.content_type.is_some()),
        ("fileSize", body.file_size.is_some()),
        ("parts", body.parts.is_some()),
    ];
    if given.iter().all(|(_, given)| !given) {
        return Ok(None);
    }
    if body.hugging_face_model_name.is_some()
        || body.civitai_model_url.is_some()
        || body.url.is_some()
    {
        return Err(Problem::bad(
            "the request names more than one source",
            ONE_OF,
        ));
    }
    let (Some(name), Some(content_type), Some(size), Some(parts), Some(_)) = (
        &body.file_name,
        &body.content_type,
        body.file_size,
        body.parts,
        body.kind,
    ) else {
        let missing = given
            .into_iter()
            .chain([("kind", body.kind.is_some())])
            .filter(|(_, given)| !given)
            .map(|(name, _)| name);
        let missing: Vec<&str> = missing.collect();
        let message = format!("a file in parts needs {} too", missing.join(", "));
        return Err(Problem::bad(
            message,
            "send fileName, contentType, fileSize, kind and parts together",
        ));
    };
    if !is_media_type(content_type) {
        return Err(Problem::bad(
            "contentType is no media type",
            "write it like application/octet-stream or image/png",
        ));
    }
    Ok(Some(Brought {
        upload: new_upload_id(),
        shape: Shape::new(size.0, parts.0)?,
        original_file_name: name.clone(),
        content_type: content_type.clone(),
    }))
}

/// `type/subtype`, and perhaps parameters (RFC 9110 §8.3.1).
fn is_media_type(text: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_plain = parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let named = essence.trim_end().split_once('/');
    text.len() <= 255 && is_plain && named.is_some_and(|(kind, of)| token(kind) && token(of))
}

impl Brought {
    /// The file as a source.
    pub(super) fn reference(&self) -> Result<Reference, Problem> {
        let file = RelPath::parse(&self.original_file_name).map_err(|error| {
            Problem::bad(
                format!("fileName can't be stored under: {error}"),
                "send a plain name such as model.safetensors",
            )
        })?;
        Ok(Reference::new(Locator::Multipart {
            upload: self.upload.clone(),
            file,
            size: self.shape.size(),
        }))
    }
}

/// A file that is sent is all of it, as it is.
pub(super) fn without_choice(config: &UploadConfig) -> Result<(), Problem> {
    let chosen = [
        ("revision", config.revision.is_some()),
        ("include", !config.include.is_empty()),
        ("exclude", !config.exclude.is_empty()),
        ("credential", config.credential.is_some()),
    ];
    match chosen.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Problem::bad(
            format!("config.{name} is not for a file in parts"),
            "leave it out: what is sent is what is imported",
        )),
        None => Ok(()),
    }
}
