//! Web addresses of a repository, a folder or a file, with or without scheme.

use percent_encoding::percent_decode_str;
use url::Url;

use super::super::errors::shown;
use super::super::repo::{HfRef, RepoType, special_ref_len};
use super::refused_owner;
use crate::source::SourceError;
use crate::url::SafeUrl;

/// Routes under a repository that name a revision and perhaps a path.
pub(super) const ROUTES: &[&str] = &["tree", "blob", "blame", "raw", "resolve"];
const EXAMPLE: &str = "https://huggingface.co/org/name/blob/main/file.bin";

/// Reads an address; `None` when its host is neither the hub nor the endpoint.
pub(super) fn parse(text: &str, endpoint: &SafeUrl) -> Option<Result<HfRef, SourceError>> {
    let address = Address::read(text)?;
    let host = Host::of(&address, endpoint)?;
    let raw: Vec<&str> = address.path.split('/').filter(|s| !s.is_empty()).collect();
    let raw = match host {
        Host::Hub | Host::Www => &raw[..],
        Host::Endpoint => raw.strip_prefix(&endpoint_segments(endpoint)[..])?,
    };
    Some(refuse_odd(&address, host).and_then(|()| page(raw)))
}

/// An address in its parts, as written.
pub(super) struct Address<'a> {
    user: Option<&'a str>,
    host: String,
    port: Option<u16>,
    pub path: &'a str,
    pub query: &'a str,
}

impl<'a> Address<'a> {
    pub fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let web = |scheme: &&str| {
            ["http", "https"]
                .iter()
                .any(|s| s.eq_ignore_ascii_case(scheme))
        };
        let scheme = match scheme {
            Some(scheme) => Some(web(&scheme).then_some(scheme)?),
            None => None,
        };
        let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        // Without a scheme, a word before a slash is an organisation unless it
        // can only be a host.
        if scheme.is_none() && !host.contains(['.', ':']) {
            return None;
        }
        // Host and port are read as browsers do, so that no spelling of the
        // hub's name slips through to the plain URL provider.
        let url = Url::parse(&format!("{}://{host}", scheme.unwrap_or("https"))).ok()?;
        Some(Self {
            user,
            host: url.host_str()?.trim_end_matches('.').to_owned(),
            port: url.port(),
            path,
            query,
        })
    }
}

/// Whose host it is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Host {
    Endpoint,
    Hub,
    Www,
}

impl Host {
    pub fn of(address: &Address<'_>, endpoint: &SafeUrl) -> Option<Self> {
        if address.host == endpoint.host() && address.port == endpoint.as_url().port() {
            return Some(Self::Endpoint);
        }
        let usual = matches!(address.port, None | Some(80 | 443));
        match address.host.as_str() {
            "huggingface.co" | "hf.co" if usual => Some(Self::Hub),
            "www.huggingface.co" | "www.hf.co" if usual => Some(Self::Www),
            _ => None,
        }
    }
}

pub(super) fn endpoint_segments(endpoint: &SafeUrl) -> Vec<&str> {
    let path = endpoint.as_url().path();
    path.split('/').filter(|s| !s.is_empty()).collect()
}

pub(super) fn refuse_odd(address: &Address<'_>, host: Host) -> Result<(), SourceError> {
    if address.user.is_some() {
        return Err(SourceError::malformed(
            "the address carries a user name or password; store a token as a credential instead",
            "https://huggingface.co/org/name",
        ));
    }
    if host == Host::Www {
        return Err(SourceError::malformed(
            format!("{} is not where the hub lives", address.host),
            format!("https://huggingface.co{}", printable(address.path)),
        ));
    }
    if address.path.contains('\\') {
        return Err(SourceError::malformed(
            "the address has a `\\` in it",
            EXAMPLE,
        ));
    }
    Ok(())
}

fn printable(path: &str) -> String {
    path.chars()
        .take(200)
        .filter(char::is_ascii_graphic)
        .collect()
}

/// Reads the path of an address, already without the endpoint's own prefix.
fn page(raw: &[&str]) -> Result<HfRef, SourceError> {
    let segments: Vec<String> = raw.iter().map(|s| decode(s)).collect::<Result<_, _>>()?;
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (repo_type, words) = match words.split_first() {
        None => return Err(no_repository()),
        Some((first, rest)) => match RepoType::from_plural(first) {
            Some(of) => (of, rest),
            None => (RepoType::Model, &words[..]),
        },
    };
    if let Some(refusal) = words.first().and_then(|word| refused_owner(word)) {
        return Err(refusal);
    }
    let (repo, rest) = match words {
        // A root name has a route where others have their name.
        [name, route, third, ..] if ROUTES.contains(route) && !ROUTES.contains(third) => {
            ((*name).to_owned(), &words[1..])
        }
        [owner, name, rest @ ..] => (format!("{owner}/{name}"), rest),
        [] => return Err(no_repository()),
        [name] => return Err(lone(repo_type, name)),
    };
    let repo = super::repo_id(repo_type, &repo)?;
    match rest {
        [] => HfRef::new(repo_type, repo.as_str(), None, ""),
        [route, at @ ..] if ROUTES.contains(route) => located(repo_type, repo.as_str(), at),
        [route, ..] => Err(SourceError::unsupported(
            format!("{} pages of a repository name no files", shown(route)),
            format!(
                "https://huggingface.co/{}",
                HfRef {
                    repo_type,
                    repo,
                    revision: None,
                    path: None,
                }
                .page_path()
            ),
        )),
    }
}

/// Revision and path after a route. A branch with a slash in it is cut at its
/// first; resolving asks the hub when that guess does not hold.
fn located(repo_type: RepoType, repo: &str, at: &[&str]) -> Result<HfRef, SourceError> {
    if at.is_empty() {
        return HfRef::new(repo_type, repo, None, "");
    }
    let (revision, path) = at.split_at(special_ref_len(at).unwrap_or(1));
    // A slash that was encoded inside a name stays encoded, as the hub's client has it.
    let path: Vec<String> = path.iter().map(|name| name.replace('/', "%2F")).collect();
    HfRef::new(repo_type, repo, Some(&revision.join("/")), &path.join("/"))
}

/// One segment with its percent-encoding undone.
pub(super) fn decode(segment: &str) -> Result<String, SourceError> {
    let bad = |why: &str| SourceError::malformed(format!("{} {why}", shown(segment)), EXAMPLE);
    let text = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| bad("is no UTF-8 once decoded"))?;
    if text == "." || text == ".." || text.split('/').any(|part| part == "..") {
        return Err(bad("climbs out of the repository"));
    }
    if text.chars().any(char::is_control) {
        return Err(bad("has control characters in it"));
    }
    Ok(text.into_owned())
}

fn no_repository() -> SourceError {
    SourceError::malformed(
        "the address names no repository",
        "https://huggingface.co/org/name",
    )
}

fn lone(repo_type: RepoType, name: &str) -> SourceError {
    let shown = shown(name);
    match repo_type.page_prefix() {
        Some(prefix) => SourceError::unsupported(
            format!("{shown} alone names no {repo_type}: an `org/name` is needed"),
            format!("hf://{prefix}/org/name"),
        ),
        None => {
            let repo = HfRef::new(repo_type, name, None, "").map(|of| of.to_string());
            SourceError::unsupported(
                format!(
                    "{shown} alone is the page of a user or organisation; a repository is \
                     `org/name`, or a bare name if it is older than organisations"
                ),
                repo.unwrap_or_else(|_| "org/name".to_owned()),
            )
        }
    }
}
