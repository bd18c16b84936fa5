//! `/`: the web console. Its files are part of the program; it uses the public
//! API alone, and nothing of it comes from elsewhere.
//!
//! The files stand under a name made of their content, so that a browser keeps
//! them for good and asks for the page alone.

use std::borrow::Cow;
use std::io::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::error::{Code, Error};

use super::problem::Problem;

/// Nothing from elsewhere, no script or style in the page, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A file under this name is always this content.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// May be kept, and is asked about each time.
const ASK: &str = "no-cache";
/// Stands in the page for the name made of the files' content.
const VERSION: &str = "__VERSION__";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../console/", $name)))),*]
    };
}

const PAGE: &[u8] = include_bytes!("../../console/index.html");

const FILES: &[(&str, &[u8])] = files![
    "api.js",
    "base.css",
    "chart.css",
    "charts.js",
    "dialogs.js",
    "dom.js",
    "feed.js",
    "files.js",
    "format.js",
    "icon.svg",
    "icons.js",
    "kind.js",
    "list.js",
    "main.js",
    "parts.css",
    "pick.js",
    "plan.js",
    "print.css",
    "route.js",
    "session.js",
    "shell.css",
    "sources.js",
    "state.js",
    "view-import.js",
    "view-model.js",
    "view-models.js",
    "view-numbers.js",
    "view-signin.js",
    "view-sync.js",
    "view-syncs.js",
    "view-upload.js",
    "view-uploads.js",
    "views.css",
    "walk.js",
];

/// A file as it is sent.
struct Asset {
    body: Cow<'static, [u8]>,
    packed: Vec<u8>,
    tag: String,
}

impl Asset {
    fn new(body: Cow<'static, [u8]>) -> Self {
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
        let packed = packed(&body);
        Self { body, packed, tag }
    }
}

/// All files, compressed once.
struct Bundle {
    page: Asset,
    version: String,
    files: Vec<Asset>,
}

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, body) in FILES {
        hash.update(name);
        hash.update(body);
    }
    let version = hex::encode(&hash.finalize()[..6]);
    let page = String::from_utf8_lossy(PAGE).replace(VERSION, &version);
    Bundle {
        page: Asset::new(Cow::Owned(page.into_bytes())),
        version,
        files: FILES
            .iter()
            .map(|(_, body)| Asset::new(Cow::Borrowed(body)))
            .collect(),
    }
});

/// Answers the page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    if let Some(body) = on_disk("index.html").await {
        return answer(&headers, "index.html", &Asset::new(Cow::Owned(body)), ASK);
    }
    answer(&headers, "index.html", &BUNDLE.page, ASK)
}

/// Answers one of the page's files.
pub(super) async fn file(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(body) = on_disk(&name).await {
        return Ok(answer(&headers, &name, &Asset::new(Cow::Owned(body)), ASK));
    }
    let found = FILES.iter().position(|(known, _)| *known == name);
    let asset = found.and_then(|at| BUNDLE.files.get(at)).ok_or_else(|| {
        Error::new(Code::NotFound, "the console has no such file")
            .hint("load the page again: the program may have been updated")
    })?;
    // A page of another version than this process's gets what there is, and keeps none of it.
    let keep = if version == BUNDLE.version {
        FOR_GOOD
    } else {
        ASK
    };
    Ok(answer(&headers, &name, asset, keep))
}

fn answer(asked: &HeaderMap, name: &str, asset: &Asset, keep: &'static str) -> Response {
    let mut response = if asked
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == asset.tag.as_bytes())
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else if takes_gzip(asked) && asset.packed.len() < asset.body.len() {
        ([(CONTENT_ENCODING, "gzip")], asset.packed.clone()).into_response()
    } else {
        asset.body.to_vec().into_response()
    };
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, media_type(name)),
        (CACHE_CONTROL, keep),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (VARY, "accept-encoding"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = asset.tag.parse() {
        headers.insert(ETAG, tag);
    }
    response
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted = asked
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|value| {
        value.split(',').any(|one| {
            let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
            coding.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0")
        })
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory can't fail; what is empty is not sent.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_else(|_| body.to_vec())
}

/// In a debug build: the file as it is in the source folder, so that a page
/// can be worked on without building the program.
#[cfg(debug_assertions)]
async fn on_disk(name: &str) -> Option<Vec<u8>> {
    let plain = |c: char| c.is_ascii_lowercase() || c == '-' || c == '.';
    if !name.chars().all(plain) || name.starts_with('.') {
        return None;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
    tokio::fs::read(format!("{folder}/{name}")).await.ok()
}

#[cfg(not(debug_assertions))]
async fn on_disk(_: &str) -> Option<Vec<u8>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a first visit costs at most, compressed.
    const WEIGHT: usize = 150 * 1024;

    fn asked(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
        let names = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "index.html")
            .collect();
        names.sort();
        let known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, known);
    }

    #[test]
    fn the_page_and_its_files_weigh_little() {
        let files: usize = BUNDLE.files.iter().map(|file| file.packed.len()).sum();
        let whole = files + BUNDLE.page.packed.len();
        assert!(whole < WEIGHT, "{whole} bytes");
    }

    #[test]
    fn the_page_names_its_files_by_their_content() {
        let page = String::from_utf8(BUNDLE.page.body.to_vec()).unwrap();
        assert!(page.contains(&format!("console/{}/main.js", BUNDLE.version)));
        assert!(!page.contains(VERSION));
    }

    #[test]
    fn nothing_of_the_console_comes_from_elsewhere_or_writes_markup() {
        for (name, body) in FILES.iter().chain([&("index.html", PAGE)]) {
            let text = String::from_utf8_lossy(body);
            let sinks = [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ];
            for word in sinks {
                assert!(!text.contains(word), "{name} has {word}");
            }
            let remote = [
                "src=\"http",
                "url(http",
                "from \"http",
                "import(\"http",
                "href=\"http",
            ];
            for word in remote {
                assert!(!text.contains(word), "{name} has {word}");
            }
        }
    }

    #[test]
    fn a_file_is_packed_for_whoever_takes_it_so() {
        let cases = [
            ("gzip, deflate, br", true),
            ("GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
        ];
        let asset = &BUNDLE.page;
        for (accepted, packed) in cases {
            let headers = asked(&[("accept-encoding", accepted)]);
            let response = answer(&headers, "index.html", asset, ASK);
            let coding = response.headers().get(CONTENT_ENCODING);
            assert_eq!(coding.is_some(), packed, "{accepted}");
        }
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let headers = asked(&[("if-none-match", BUNDLE.page.tag.as_str())]);
        let response = answer(&headers, "index.html", &BUNDLE.page, ASK);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        let response = answer(&HeaderMap::new(), "main.js", &BUNDLE.page, FOR_GOOD);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(response.headers()[CACHE_CONTROL], FOR_GOOD);
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
    }
}
