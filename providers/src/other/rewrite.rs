//! Share links of well-known hosts, turned into the addresses that hand out
//! the file. Pure; requests start at what comes out.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::source::SourceError;
use crate::url::SafeUrl;

/// One host's share links.
struct Rule {
    /// The host, or a suffix of it with a leading dot.
    host: &'static str,
    rewrite: fn(&Url) -> Option<String>,
}

/// First match wins; a rule that makes nothing of a URL leaves it as it is.
const RULES: &[Rule] = &[
    Rule {
        host: "github.com",
        rewrite: github_blob,
    },
    Rule {
        host: "gitlab.com",
        rewrite: gitlab_blob,
    },
    Rule {
        host: "drive.google.com",
        rewrite: google_drive,
    },
    Rule {
        host: "docs.google.com",
        rewrite: google_drive,
    },
    Rule {
        host: "dropbox.com",
        rewrite: dropbox,
    },
    Rule {
        host: "www.dropbox.com",
        rewrite: dropbox,
    },
    Rule {
        host: "1drv.ms",
        rewrite: onedrive_short,
    },
    Rule {
        host: "onedrive.live.com",
        rewrite: onedrive,
    },
    Rule {
        host: ".sharepoint.com",
        rewrite: sharepoint,
    },
];

/// Where to ask for what a share link shares; other URLs come back as they are.
pub(super) fn direct(url: &SafeUrl) -> SafeUrl {
    let rule = RULES.iter().find(|rule| on_host(rule.host, url.host()));
    rule.and_then(|rule| (rule.rewrite)(url.as_url()))
        .and_then(|text| SafeUrl::parse(&text).ok())
        .unwrap_or_else(|| url.clone())
}

fn on_host(rule: &str, host: &str) -> bool {
    host == rule || (rule.starts_with('.') && host.ends_with(rule))
}

/// Links of those hosts that share a folder or a document, not a file.
///
/// # Errors
/// What it is, with the form that shares one file.
pub(super) fn check(url: &SafeUrl) -> Result<(), SourceError> {
    const EXAMPLE: &str = "https://drive.google.com/file/d/ID/view";
    let path = url.as_url().path();
    match url.host() {
        "drive.google.com" if path.contains("/folders/") => Err(SourceError::unsupported(
            "this is a Google Drive folder; each file is imported by its own link",
            EXAMPLE,
        )),
        "docs.google.com" if !path.starts_with("/uc") && !path.starts_with("/file/") => Err(
            SourceError::unsupported("this is a Google document, not a file", EXAMPLE),
        ),
        _ => Ok(()),
    }
}

fn segments(url: &Url) -> Vec<&str> {
    url.path_segments()
        .map(Iterator::collect)
        .unwrap_or_default()
}

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

fn with_query(base: &str, pairs: &[(&str, &str)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{base}?{query}")
}

/// `/o/r/blob/REF/path` to `/o/r/raw/REF/path`, which redirects to the bytes,
/// to LFS ones too.
fn github_blob(url: &Url) -> Option<String> {
    let segments = segments(url);
    let [owner, repo, "blob", rest @ ..] = segments.as_slice() else {
        return None;
    };
    (rest.len() > 1).then(|| format!("https://github.com/{owner}/{repo}/raw/{}", rest.join("/")))
}

fn gitlab_blob(url: &Url) -> Option<String> {
    let path = url.path();
    path.contains("/-/blob/").then(|| {
        format!(
            "https://gitlab.com{}",
            path.replacen("/-/blob/", "/-/raw/", 1)
        )
    })
}

/// `/file/d/ID/view`, `/open?id=ID`, `/uc?id=ID`: `confirm=t` says in advance
/// that the missing virus scan of a large file is known.
fn google_drive(url: &Url) -> Option<String> {
    let query = query(url);
    let id = match segments(url)[..] {
        ["file", "d", id, ..] => id,
        ["file", "u", _, "d", id, ..] => id,
        ["open" | "uc", ..] => query.get("id")?,
        _ => return None,
    };
    let mut pairs = vec![("id", id), ("export", "download"), ("confirm", "t")];
    pairs.extend(
        query
            .get("resourcekey")
            .map(|key| ("resourcekey", key.as_str())),
    );
    Some(with_query(
        "https://drive.usercontent.google.com/download",
        &pairs,
    ))
}

/// `dl=0` shows a page, `dl=1` sends the file.
fn dropbox(url: &Url) -> Option<String> {
    if !matches!(segments(url)[..], ["s" | "scl", ..]) {
        return None;
    }
    let mut url = url.clone();
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| !matches!(key.as_str(), "dl" | "raw"))
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("dl", "1");
    Some(url.into())
}

/// OneDrive's shares API takes the whole share link, base64url-encoded.
fn onedrive_short(url: &Url) -> Option<String> {
    let id = URL_SAFE_NO_PAD.encode(url.as_str());
    Some(format!(
        "https://api.onedrive.com/v1.0/shares/u!{id}/root/content"
    ))
}

/// `embed`, `redir` and `view.aspx` take the same query as `download`.
fn onedrive(url: &Url) -> Option<String> {
    match segments(url)[..] {
        ["embed" | "redir" | "view.aspx" | "view"] => Some(format!(
            "https://onedrive.live.com/download?{}",
            url.query()?
        )),
        _ => None,
    }
}

/// `/:u:/g/…` opens a viewer unless told to download.
fn sharepoint(url: &Url) -> Option<String> {
    let first = *segments(url).first()?;
    if !(first.starts_with(':') && first.ends_with(':')) {
        return None;
    }
    let mut url = url.clone();
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| key != "download")
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("download", "1");
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_link_leads_to_an_https_address_or_stays(
            host in prop::sample::select(RULES.iter().map(|rule| rule.host.trim_start_matches('.')).collect::<Vec<_>>()),
            rest in "(/file/d|/s|/scl|/:u:|/embed|/a/b/blob|/-/blob)?[/a-zA-Z0-9%?&=:#._-]{0,60}",
        ) {
            if let Ok(url) = SafeUrl::parse(&format!("https://{host}/{}", rest.trim_start_matches('/'))) {
                let made = direct(&url);
                prop_assert_eq!(made.as_url().scheme(), "https");
                let _ = check(&url);
            }
        }
    }

    #[test]
    fn share_links_become_the_addresses_of_their_files() {
        let cases = [
            (
                "https://github.com/o/r/blob/main/dir/a%20b.bin",
                "https://github.com/o/r/raw/main/dir/a%20b.bin",
            ),
            (
                "https://gitlab.com/g/s/r/-/blob/main/a.bin?ref_type=heads",
                "https://gitlab.com/g/s/r/-/raw/main/a.bin",
            ),
            (
                "https://drive.google.com/file/d/1AbC_d-E/view?usp=sharing",
                "https://drive.usercontent.google.com/download?id=1AbC_d-E&export=download&confirm=t",
            ),
            (
                "https://drive.google.com/file/u/0/d/1AbC/view",
                "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t",
            ),
            (
                "https://drive.google.com/uc?export=download&id=1AbC&resourcekey=0-x",
                "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t&resourcekey=0-x",
            ),
            (
                "https://drive.google.com/open?id=1AbC",
                "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t",
            ),
            (
                "https://docs.google.com/uc?id=a%26b",
                "https://drive.usercontent.google.com/download?id=a%26b&export=download&confirm=t",
            ),
            (
                "https://www.dropbox.com/scl/fi/abc/model.bin?rlkey=k&dl=0",
                "https://www.dropbox.com/scl/fi/abc/model.bin?rlkey=k&dl=1",
            ),
            (
                "https://www.dropbox.com/s/abc/model.bin",
                "https://www.dropbox.com/s/abc/model.bin?dl=1",
            ),
            (
                "https://1drv.ms/u/s!AbC",
                "https://api.onedrive.com/v1.0/shares/u!aHR0cHM6Ly8xZHJ2Lm1zL3UvcyFBYkM/root/content",
            ),
            (
                "https://onedrive.live.com/embed?resid=A%21B&authkey=k",
                "https://onedrive.live.com/download?resid=A%21B&authkey=k",
            ),
            (
                "https://acme.sharepoint.com/:u:/g/personal/x/EaBc?e=AbC",
                "https://acme.sharepoint.com/:u:/g/personal/x/EaBc?e=AbC&download=1",
            ),
        ];
        for (shared, wanted) in cases {
            let made = direct(&SafeUrl::parse(shared).unwrap());
            assert_eq!(made.as_url().as_str(), wanted, "{shared}");
        }
    }

    #[test]
    fn all_other_urls_stay_as_they_are() {
        for text in [
            "https://github.com/o/r/releases/download/v1/a.bin",
            "https://github.com/o/r/blob/main",
            "https://evilgithub.com/o/r/blob/main/a.bin",
            "https://evil-sharepoint.com/:u:/g/x",
            "https://drive.google.com/drive/my-drive",
            "https://www.dropbox.com/home",
            "https://example.com/blob/main/x?dl=0",
            "https://bucket.s3.amazonaws.com/m.bin?X-Amz-Signature=abc%2B",
        ] {
            let url = SafeUrl::parse(text).unwrap();
            assert_eq!(direct(&url).as_url().as_str(), text);
        }
    }

    #[test]
    fn folders_and_documents_are_named_as_such() {
        for text in [
            "https://drive.google.com/drive/folders/1AbC",
            "https://docs.google.com/spreadsheets/d/1AbC/edit",
        ] {
            assert!(
                check(&SafeUrl::parse(text).unwrap())
                    .unwrap_err()
                    .unsupported
            );
        }
    }
}
