//! A picture from the web: small, and known by its content.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Http, Request};
use crate::url::SafeUrl;

/// The largest picture taken. Previews have some hundred KB, originals a few MB.
pub const MOST: usize = 16 * 1024 * 1024;
/// The longest that fetching one may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that tell one format from another.
const ENOUGH: usize = 12;

/// A picture, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// How it is written.
    pub format: PictureFormat,
    /// All of it.
    pub bytes: Bytes,
}

/// The formats that model managers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl PictureFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::Webp];

    /// The ending of a file's name, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    /// Knows a format by its first bytes, whatever the server calls it.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::Webp),
            _ => None,
        }
    }
}

/// Fetches a picture, asking once and sending no token.
pub(crate) async fn fetch(http: &Http, at: &SafeUrl) -> Result<Picture, ProviderError> {
    let fetched = tokio::time::timeout(PATIENCE, unhurried(http, at));
    fetched.await.unwrap_or_else(|_| {
        Err(ProviderError::transient(
            ErrorKind::Stalled,
            format!("{at} took longer than {} s", PATIENCE.as_secs()),
        ))
    })
}

async fn unhurried(http: &Http, at: &SafeUrl) -> Result<Picture, ProviderError> {
    let request = Request::get(at.clone()).best_effort();
    let mut answer = http.follow(&request).await?;
    if answer.status != 200 {
        return Err(answer.refusal());
    }
    if answer
        .content_length()
        .is_some_and(|bytes| bytes > MOST as u64)
    {
        return Err(too_large(at));
    }
    let head = answer.peek(ENOUGH).await?;
    let format = PictureFormat::of(&head).ok_or_else(|| {
        let message = format!("{at} is no PNG, JPEG or WebP picture");
        ProviderError::new(ErrorKind::Upstream, message)
    })?;
    let bytes = whole(answer, at).await?;
    Ok(Picture { format, bytes })
}

async fn whole(answer: Answer, at: &SafeUrl) -> Result<Bytes, ProviderError> {
    let stated = answer.content_length();
    let mut stream = answer.into_bytes();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        if bytes.len() + chunk.len() > MOST {
            return Err(too_large(at));
        }
        bytes.extend_from_slice(&chunk);
    }
    match stated {
        Some(stated) if stated != bytes.len() as u64 => Err(ProviderError::transient(
            ErrorKind::Truncated,
            format!("{at} broke off after {} of {stated} bytes", bytes.len()),
        )),
        _ => Ok(bytes.into()),
    }
}

fn too_large(at: &SafeUrl) -> ProviderError {
    ProviderError::new(
        ErrorKind::TooLarge,
        format!("{at} is larger than {} MiB", MOST / (1024 * 1024)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_first_bytes() {
        let cases: [(&[u8], Option<PictureFormat>); 8] = [
            (b"\x89PNG\r\n\x1a\n\0\0\0\r", Some(PictureFormat::Png)),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Some(PictureFormat::Jpeg)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(PictureFormat::Webp)),
            (b"RIFF\x10\0\0\0WAVEfmt ", None),
            (b"GIF89a", None),
            (b"<svg onload=alert(1)>", None),
            (b"\x89PNG", None),
            (b"", None),
        ];
        for (head, expected) in cases {
            assert_eq!(PictureFormat::of(head), expected, "{head:?}");
        }
    }
}
