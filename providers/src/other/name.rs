//! A file's name: from `Content-Disposition` (RFC 6266, RFC 8187), else from a URL.

use percent_encoding::percent_decode;

use crate::path::RelPath;
use crate::url::SafeUrl;

/// The name that a `Content-Disposition` suggests, as suggested: `filename*`
/// before `filename`. Hostile text; only [`RelPath::sanitised_name`] may touch it.
pub(super) fn suggested(header: &[u8]) -> Option<String> {
    let text = decoded(header);
    let parameters = parameters(&text);
    let find = |name: &str| {
        let mut all = parameters.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    find("filename*")
        .and_then(extended)
        .or_else(|| find("filename").map(ToOwned::to_owned))
        .filter(|name| !name.trim().is_empty())
}

/// The last name of a URL's path, percent-decoded; `None` when it ends in `/`.
pub(super) fn of_path(url: &SafeUrl) -> Option<String> {
    let last = url.as_url().path_segments()?.next_back()?;
    let name = decoded(&percent_decode(last.as_bytes()).collect::<Vec<u8>>());
    (!name.is_empty()).then_some(name)
}

/// The extension of a name in lower case, without its dot.
pub(super) fn extension(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_ascii_lowercase())
}

/// Makes the first of the candidates safe that can be made so.
pub(super) fn safe(candidates: &[Option<String>]) -> Option<RelPath> {
    candidates
        .iter()
        .flatten()
        .find_map(|name| RelPath::sanitised_name(name))
}

/// UTF-8, else Latin-1, which is what old servers put into headers.
fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// `; key=token; key="quoted \" string"`, in order. Lenient about blanks.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut rest = match text.split_once(';') {
        Some((_, rest)) => rest,
        None => return Vec::new(),
    };
    let mut found = Vec::new();
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', '\t', ';']).to_owned();
        let (value, left) = value(after.trim_start());
        found.push((key, value));
        rest = left;
    }
    found
}

fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_once(';').unwrap_or((text, ""));
        return (token.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => {
                let rest = &quoted[at + 1..];
                return (value, rest.split_once(';').map_or("", |(_, rest)| rest));
            }
            _ => value.push(c),
        }
    }
    (value, "")
}

/// `UTF-8'en'na%C3%AFve` (RFC 8187 §3.2).
fn extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let bytes: Vec<u8> = percent_decode(encoded.as_bytes()).collect();
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(header: &[u8]) -> Option<String> {
        suggested(header)
    }

    #[test]
    fn content_disposition_is_read_as_browsers_read_it() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"attachment; filename=model.bin", Some("model.bin")),
            (b"attachment; filename=\"a b.bin\"", Some("a b.bin")),
            (b"inline;FILENAME=\"x.bin\";size=3", Some("x.bin")),
            (
                b"attachment; filename=\"a\\\"b;c.bin\"; x=1",
                Some("a\"b;c.bin"),
            ),
            (
                b"attachment; filename=plain; filename*=UTF-8''na%C3%AFve.bin",
                Some("na\u{ef}ve.bin"),
            ),
            (
                b"attachment; filename*=utf-8'en'a%20b.bin; filename=x",
                Some("a b.bin"),
            ),
            (
                b"attachment; filename*=ISO-8859-1''na%EFve.bin",
                Some("na\u{ef}ve.bin"),
            ),
            (
                b"attachment; filename*=KOI8-R''x; filename=fallback",
                Some("fallback"),
            ),
            (
                b"attachment; filename*=UTF-8''%FF; filename=fallback",
                Some("fallback"),
            ),
            (
                "attachment; filename=\"\u{65e5}.bin\"".as_bytes(),
                Some("\u{65e5}.bin"),
            ),
            (
                b"attachment; filename=\"na\xefve.bin\"",
                Some("na\u{ef}ve.bin"),
            ),
            (b"attachment; filename = \"spaced.bin\"", Some("spaced.bin")),
            (b"attachment; filename=\"unclosed.bin", Some("unclosed.bin")),
            (b"attachment; filename=\"\"", None),
            (b"attachment", None),
            (b"attachment; filename", None),
            (b"", None),
        ];
        for (header, expected) in cases {
            let shown = String::from_utf8_lossy(header);
            assert_eq!(named(header).as_deref(), *expected, "{shown}");
        }
    }

    #[test]
    fn hostile_names_become_plain_ones() {
        let cases: &[(&[u8], &str)] = &[
            (b"attachment; filename=\"../../x.bin\"", "x.bin"),
            (b"attachment; filename=\"C:\\\\dir\\\\x.bin\"", "x.bin"),
            (b"attachment; filename*=UTF-8''..%2f..%2Fx.bin", "x.bin"),
            (b"attachment; filename*=UTF-8''a%0d%0ab%00.bin", "ab.bin"),
            (b"attachment; filename=\"NUL.txt\"", "_NUL.txt"),
            (b"attachment; filename=\"a:b.bin\"", "a_b.bin"),
            (b"attachment; filename*=UTF-8''%E2%80%AEgpj.bin", "gpj.bin"),
        ];
        for (header, expected) in cases {
            let name = safe(&[named(header)]).unwrap();
            assert_eq!(name.as_str(), *expected);
        }
    }

    #[test]
    fn a_path_names_its_file() {
        let cases = [
            ("https://h/a/b%20c.bin?x=y.z", Some("b c.bin")),
            (
                "https://h/a/..%2f..%2fetc%2fpasswd",
                Some("../../etc/passwd"),
            ),
            ("https://h/a/", None),
            ("https://h", None),
        ];
        for (url, expected) in cases {
            let url = SafeUrl::parse(url).unwrap();
            assert_eq!(of_path(&url).as_deref(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_header_gives_a_safe_name_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(name) = safe(&[suggested(&bytes)]) {
                prop_assert_eq!(name.segments().count(), 1);
            }
        }
    }
}
