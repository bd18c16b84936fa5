//! GitHub release assets: the API states their SHA-256, the download does not.

use serde::Deserialize;

use super::Other;
use crate::auth::Auth;
use crate::digest::Sha256;
use crate::http::Request;
use crate::url::SafeUrl;

/// Most bytes of one release's JSON: some have a thousand assets.
const MAX_RELEASE: usize = 8 * 1024 * 1024;

/// An asset as a release's download URL names it.
#[derive(Debug, PartialEq, Eq)]
struct Asset {
    owner: String,
    repo: String,
    /// `None`: the latest release.
    tag: Option<String>,
    name: String,
}

/// What the API says of an asset.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) size: Option<u64>,
    pub(super) sha256: Sha256,
}

#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    assets: Vec<WireAsset>,
}

#[derive(Deserialize)]
struct WireAsset {
    name: String,
    size: Option<u64>,
    digest: Option<String>,
}

/// The API's digest of a release asset. Best effort: a spent rate limit, an
/// unknown release or an old asset without a digest is no error.
pub(super) async fn digest(other: &Other, url: &SafeUrl, auth: &Auth) -> Option<Stated> {
    let asset = asset(url, other.services.github.as_ref()?)?;
    let api = other.services.github_api.as_ref()?;
    let release = ["repos", &asset.owner, &asset.repo, "releases"];
    let place = match &asset.tag {
        Some(tag) => api.with_segments(release).with_segments(["tags", tag]),
        None => api.with_segments(release).with_segments(["latest"]),
    };
    let credential = auth.hosts.get(&api.authority());
    let request = Request::get(place).credential(credential).best_effort();
    let answer = other.http.follow(&request).await.ok()?;
    if answer.status != 200 {
        tracing::debug!(status = answer.status, "no digest from GitHub's API");
        return None;
    }
    let release: Release = answer.json(MAX_RELEASE).await.ok()?;
    let found = release.assets.into_iter().find(|a| a.name == asset.name)?;
    Some(Stated {
        size: found.size,
        sha256: found.digest?.strip_prefix("sha256:")?.parse().ok()?,
    })
}

/// `/o/r/releases/download/TAG/NAME` and `/o/r/releases/latest/download/NAME`.
fn asset(url: &SafeUrl, github: &SafeUrl) -> Option<Asset> {
    if !url.same_origin(github) {
        return None;
    }
    let segments: Vec<String> = url
        .as_url()
        .path_segments()?
        .map(|part| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (owner, repo, tag, name) = match parts[..] {
        [owner, repo, "releases", "latest", "download", name] => (owner, repo, None, name),
        // A tag may hold slashes.
        [owner, repo, "releases", "download", ref tag @ .., name] if !tag.is_empty() => {
            (owner, repo, Some(tag.join("/")), name)
        }
        _ => return None,
    };
    Some(Asset {
        owner: owner.into(),
        repo: repo.into(),
        tag,
        name: name.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Option<String>, String)> {
        let github = SafeUrl::parse("https://github.com").unwrap();
        asset(&SafeUrl::parse(text).unwrap(), &github).map(|asset| (asset.tag, asset.name))
    }

    #[test]
    fn release_downloads_are_read() {
        let cases = [
            (
                "https://github.com/o/r/releases/download/v1.0/a.bin",
                Some("v1.0"),
                "a.bin",
            ),
            (
                "https://github.com/o/r/releases/download/a/b/c%20d.bin",
                Some("a/b"),
                "c d.bin",
            ),
            (
                "https://github.com/o/r/releases/latest/download/a.bin",
                None,
                "a.bin",
            ),
        ];
        for (text, tag, name) in cases {
            let expected = Some((tag.map(ToOwned::to_owned), name.to_owned()));
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "https://github.com/o/r/releases/download/a.bin",
            "https://github.com/o/r/releases/tag/v1",
            "https://github.com/o/r/raw/main/a.bin",
            "https://example.com/o/r/releases/download/v1/a.bin",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
