//! A list behind a URL.

use futures_util::TryStreamExt;
use modelferry_providers::{
    Artifact, Auth, ByteRange, Digests, Origin, OtherOrigin, ProviderKind, Providers, RelPath,
    SafeUrl, Size,
};

use super::{Format, LONGEST, Line, parse, text, too_long};
use crate::error::Error;
use crate::request::Wanted;

/// Fetches a list, as any other file would be: through the same guard of
/// addresses, with the tokens of its host, and a web page in its place refused.
///
/// # Errors
/// What the server says; that it is no text, too long, or has a bad header.
pub async fn fetch(
    providers: &Providers,
    at: &SafeUrl,
    auth: &Auth,
    defaults: &Wanted,
) -> Result<Vec<Line>, Error> {
    let shown = at.with_query("").to_string();
    let file = Artifact {
        path: RelPath::parse("list")?,
        size: Size::Unknown,
        digests: Digests::default(),
        origin: Origin::Other(OtherOrigin {
            url: at.clone(),
            validator: None,
        }),
        scan: None,
    };
    let provider = providers.of(ProviderKind::Other);
    let mut body = provider.open(&file, &ByteRange::whole(), auth).await?;
    if body.total.is_some_and(|total| total > LONGEST) {
        return Err(too_long(&shown));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.bytes.try_next().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > LONGEST {
            return Err(too_long(&shown));
        }
    }
    parse(
        &text(&shown, bytes)?,
        Format::of_name(at.as_url().path()),
        defaults,
    )
}
