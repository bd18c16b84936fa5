//! From a URL to a plan of one file, by one request for its first bytes.

use futures_util::TryStreamExt;
use sha2::{Digest as _, Sha256 as Hasher};

use super::{Other, OtherOrigin, fetch, github, name};
use crate::ProviderKind;
use crate::artifact::{Artifact, Body, ByteRange, Origin, Place, Plan, Size, Validator, Warning};
use crate::auth::Auth;
use crate::digest::{Digests, HeaderDigest};
use crate::error::{ErrorKind, ProviderError};
use crate::glob::Globs;
use crate::http::{Answer, Method, ranged};
use crate::path::RelPath;
use crate::source::{Reference, Selection};
use crate::url::SafeUrl;

/// Bytes asked for, to see what the file is.
const HEAD: u64 = 8 * 1024;

/// What one answer told of a file.
struct Found {
    /// Where the last redirect led.
    last: SafeUrl,
    suggested: Option<String>,
    size: Option<u64>,
    validator: Option<Validator>,
    /// An entity tag of any strength.
    tag: Option<String>,
    digest: Option<HeaderDigest>,
    serves_ranges: bool,
}

/// Pins the URL of `of`.
pub(super) async fn plan(
    other: &Other,
    url: &SafeUrl,
    of: &Reference,
    auth: &Auth,
) -> Result<Plan, ProviderError> {
    refuse_revision(url, &of.selection)?;
    let found = look(other, url, auth).await?;
    let name = file_name(url, &found)?;
    refuse_filtered(&name, &of.selection)?;
    let mut digests = Digests {
        sha256: of.selection.sha256,
        git_sha1: None,
        header: found.digest.clone(),
    };
    let mut warnings = warnings(url, &found, &name, auth);
    if let Some(stated) = github::digest(other, url, auth).await
        && (stated.size.is_none() || stated.size == found.size)
    {
        let asked = *digests.sha256.get_or_insert(stated.sha256);
        if asked != stated.sha256 {
            warnings.push(Warning::new(
                "sha256_disagrees",
                format!("GitHub states the SHA-256 {} for this file", stated.sha256),
            ));
        }
    }
    let revision = revision(url, &found);
    Ok(Plan {
        provider: ProviderKind::Other,
        reference: bare(url),
        name: name.as_str().to_owned(),
        page: bare(url),
        place: place(url, &name, &revision)?,
        revision,
        is_asset: false,
        artifacts: vec![Artifact {
            path: name,
            size: found.size.map_or(Size::Unknown, Size::Exact),
            digests,
            origin: Origin::Other(OtherOrigin {
                url: url.clone(),
                validator: found.validator,
            }),
            scan: None,
        }],
        left_out: Vec::new(),
        warnings,
        card: None,
    })
}

/// Asks for the first bytes and looks at them. A file that a server says is
/// empty has none to ask for; a server that chokes on the range is asked without.
async fn look(other: &Other, url: &SafeUrl, auth: &Auth) -> Result<Found, ProviderError> {
    let mut asked = ByteRange {
        start: 0,
        end: Some(HEAD),
        validator: None,
    };
    let mut answer = fetch::get(other, url, Method::Get, &asked, auth).await?;
    if answer.status == 416 {
        asked = ByteRange::whole();
        answer = fetch::get(other, url, Method::Get, &asked, auth).await?;
    }
    if !answer.is_success() {
        return Err(fetch::refused(answer).await);
    }
    fetch::refuse_markup(&mut answer, url).await?;
    let (found, mut body) = told(answer, &asked)?;
    if found.serves_ranges {
        // Read to its end, the connection can serve the next request.
        while let Ok(Some(_)) = body.bytes.try_next().await {}
    }
    Ok(found)
}

/// What an answer's headers tell, and the bytes that came with it.
fn told(answer: Answer, asked: &ByteRange) -> Result<(Found, Body), ProviderError> {
    let last = answer.url.clone();
    let serves_ranges = answer.status == 206;
    let suggested = answer
        .header_bytes("content-disposition")
        .and_then(name::suggested);
    let tag = answer.header("etag").map(ToOwned::to_owned);
    let mut body = ranged::body(answer, asked, None)?;
    let found = Found {
        last,
        suggested,
        size: body.total,
        validator: body.validator.take(),
        tag,
        digest: body.digest.take(),
        serves_ranges,
    };
    Ok((found, body))
}

/// Whether the headers are those of the content that a plan was made of: one
/// request, and a second where the server takes no HEAD or its link no other
/// method than GET. Handed out to this token, it may be read.
pub(super) async fn is_current(
    other: &Other,
    url: &SafeUrl,
    plan: &Plan,
    auth: &Auth,
) -> Result<bool, ProviderError> {
    let mut asked = ByteRange::whole();
    let mut answer = fetch::get(other, url, Method::Head, &asked, auth).await?;
    if !answer.is_success() {
        asked.end = Some(1);
        answer = fetch::get(other, url, Method::Get, &asked, auth).await?;
        fetch::refuse_markup(&mut answer, url).await?;
    }
    // A login page in its place would be as good as unreadable.
    let is_page = answer
        .media_type()
        .is_some_and(|media| media.contains("html"));
    let (mut found, _) = told(answer, &asked)?;
    let sizes = plan.artifacts.iter().map(|file| file.size.exact());
    if is_page || !sizes.eq([found.size]) {
        return Ok(false);
    }
    // A digest may be of the part asked for, and is missing from some answers.
    let with_digest = revision(url, &found);
    found.digest = None;
    Ok([with_digest, revision(url, &found)].contains(&plan.revision))
}

fn refuse_revision(url: &SafeUrl, selection: &Selection) -> Result<(), ProviderError> {
    let Some(revision) = &selection.revision else {
        return Ok(());
    };
    Err(ProviderError::new(
        ErrorKind::InvalidSource,
        format!(
            "{url} is one file and has no revision {}",
            crate::source::quoted(revision)
        ),
    )
    .hint("leave out --revision; what the URL serves now is pinned"))
}

fn refuse_filtered(name: &RelPath, selection: &Selection) -> Result<(), ProviderError> {
    let globs = Globs::new(&selection.include, &selection.exclude)?;
    if globs.wants(name.as_str()) {
        return Ok(());
    }
    Err(ProviderError::new(
        ErrorKind::InvalidSource,
        format!("the only file, {name}, is not among those that --include and --exclude leave"),
    )
    .hint("leave out --include and --exclude for a plain URL"))
}

fn file_name(url: &SafeUrl, found: &Found) -> Result<RelPath, ProviderError> {
    let candidates = [
        found.suggested.clone(),
        name::of_path(&found.last),
        name::of_path(url),
        Some("download".into()),
    ];
    name::safe(&candidates).ok_or_else(|| {
        ProviderError::new(
            ErrorKind::Upstream,
            format!("{} gives its file no usable name", url.authority()),
        )
        .hint("ask for the file by a URL that ends in its name")
    })
}

/// A short word that stays while the content does: from a digest of the
/// content, else the entity tag, else `Last-Modified`, else the URL and the
/// length, which is the least that can be said.
fn revision(url: &SafeUrl, found: &Found) -> String {
    let strong = |digest: &&HeaderDigest| !digest.algorithm.is_check_value();
    if let Some(digest) = found.digest.as_ref().filter(strong) {
        return format!("digest-{}", short(&[&digest.value]));
    }
    if let Some(tag) = &found.tag {
        return format!("etag-{}", short(&[tag.as_bytes()]));
    }
    if let Some(Validator::Modified(date)) = &found.validator {
        return format!("modified-{}", short(&[date.as_bytes()]));
    }
    let size = found.size.map_or_else(String::new, |size| size.to_string());
    format!(
        "url-{}",
        short(&[url.as_url().as_str().as_bytes(), size.as_bytes()])
    )
}

/// 16 hexadecimal digits of a hash over the parts.
fn short(parts: &[&[u8]]) -> String {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..8])
}

fn place(url: &SafeUrl, name: &RelPath, revision: &str) -> Result<Place, ProviderError> {
    let safe = |text: &str| {
        RelPath::sanitised_name(text).ok_or_else(|| {
            ProviderError::new(
                ErrorKind::InvalidSource,
                format!("{} can't be made a folder's name", url.authority()),
            )
        })
    };
    Ok(Place {
        owner: safe(&url.authority())?,
        name: name.clone(),
        revision: safe(revision)?,
    })
}

/// The URL without its query.
fn bare(url: &SafeUrl) -> String {
    url.with_query("").to_string()
}

fn warnings(url: &SafeUrl, found: &Found, name: &RelPath, auth: &Auth) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| warnings.push(Warning::new(code, message));
    let host = url.authority();
    let in_clear = url.as_url().scheme() == "http" || found.last.as_url().scheme() == "http";
    if in_clear && fetch::credential(auth, url).is_some() {
        warn(
            "credential_in_clear",
            format!("the credential for {host} is sent over http, which others can read"),
        );
    }
    if found.validator.is_none() && found.digest.is_none() {
        warn(
            "no_validator",
            format!("{host} names no version of this file, so only its length can tell a change"),
        );
    }
    if !found.serves_ranges && found.size != Some(0) {
        warn(
            "no_ranges",
            format!("{host} sends this file only whole: an interrupted transfer starts over"),
        );
    }
    if let Some(suggested) = &found.suggested
        && suggested != name.as_str()
    {
        warn(
            "renamed",
            format!(
                "{host} names the file {}; it is kept as {name}",
                crate::source::quoted(suggested)
            ),
        );
    }
    warnings
}
