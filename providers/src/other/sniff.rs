//! Pages and messages that came where a file was meant, known by their first bytes.

use std::sync::LazyLock;

use regex::Regex;

use super::name;

/// Markup or a message, where a person may have meant a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// A web page.
    Html,
    /// A JSON value.
    Json,
    /// An XML document.
    Xml,
}

impl Text {
    /// What to call it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Html => "a web page",
            Self::Json => "a JSON message",
            Self::Xml => "an XML message",
        }
    }

    /// Endings of names whose files are of this form.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Html => &["html", "htm", "xhtml", "shtml", "mhtml", "mht", "hta"],
            Self::Json => &[
                "json",
                "jsonl",
                "ndjson",
                "json5",
                "jsonc",
                "geojson",
                "ipynb",
                "gltf",
                "map",
                "webmanifest",
                "har",
                "txt",
                "text",
                "log",
                "md",
                "csv",
                "yaml",
                "yml",
                "toml",
                "ini",
                "cfg",
                "conf",
                "py",
                "js",
                "mjs",
                "ts",
                "jinja",
                "jinja2",
                "j2",
                "info",
                "template",
                "prompt",
                "tex",
                "lock",
                "rules",
                "excalidraw",
            ],
            Self::Xml => &[
                "xml", "html", "htm", "xhtml", "svg", "xsd", "xsl", "xslt", "rss", "atom", "plist",
                "kml", "gpx", "dae", "x3d", "xmp", "urdf", "sdf", "mjcf", "rdf", "owl", "tei",
                "musicxml", "drawio", "vcxproj", "pom", "txt", "md", "mpd", "opf", "wsdl", "ttml",
            ],
        }
    }
}

/// What the first bytes of an answer are, when that is not what `wanted`, the
/// name the file goes by, leads one to expect.
pub(crate) fn unexpected(head: &[u8], wanted: Option<&str>) -> Option<Text> {
    let text = recognise(head)?;
    let extension = wanted.and_then(name::extension);
    let expected = extension.is_some_and(|e| text.extensions().contains(&e.as_str()));
    (!expected).then_some(text)
}

fn recognise(head: &[u8]) -> Option<Text> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let shown = String::from_utf8_lossy(&head[..head.len().min(4096)]);
    let start = past_comments(&shown);
    let opens = |words: &[&str]| {
        words.iter().any(|word| {
            start
                .get(..word.len())
                .is_some_and(|s| s.eq_ignore_ascii_case(word))
        })
    };
    if opens(&[
        "<!doctype html",
        "<html",
        "<head",
        "<title",
        "<body",
        "<script",
    ]) {
        return Some(Text::Html);
    }
    if opens(&["<?xml", "<Error>", "<!doctype"]) {
        let is_page = start.to_ascii_lowercase().contains("<html");
        return Some(if is_page { Text::Html } else { Text::Xml });
    }
    static JSON: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"^(?:\{\s*(?:"[^"]*"\s*:|\})|\[\s*(?:[\{\["]|\]))"#).ok());
    JSON.as_ref()
        .is_some_and(|json| json.is_match(start))
        .then_some(Text::Json)
}

/// The text without leading blanks and comments.
fn past_comments(text: &str) -> &str {
    let mut text = text.trim_start();
    while let Some(comment) = text.strip_prefix("<!--") {
        let Some((_, rest)) = comment.split_once("-->") else {
            return text;
        };
        text = rest.trim_start();
    }
    text
}

/// What the page or message says of itself: a title or an error's text, on one
/// short line without control characters.
pub(crate) fn says(form: Text, text: &str) -> Option<String> {
    let found = match form {
        Text::Html => tag(text, "title").or_else(|| tag(text, "h1")),
        Text::Xml => tag(text, "Message").or_else(|| tag(text, "title")),
        Text::Json => json_message(text),
    };
    found
        .map(|words| one_line(&words))
        .filter(|words| !words.is_empty())
}

/// An XML error's code, as S3 and its kin send it.
pub(super) fn xml_code(text: &str) -> Option<String> {
    let code = tag(text, "Code")?;
    let plain = code.len() <= 80 && code.chars().all(|c| c.is_ascii_alphanumeric());
    plain.then_some(code)
}

/// The text within the first element of that name.
fn tag(text: &str, name: &str) -> Option<String> {
    let pattern = format!(r"(?is)<{name}(?:\s[^>]*)?>(.*?)</{name}\s*>");
    let found = Regex::new(&pattern).ok()?.captures(text)?;
    let inner = found.get(1)?.as_str();
    Some(unescaped(inner))
}

/// The five named character references that titles use, and the quote's number.
pub(super) fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn json_message(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let find = |value: &serde_json::Value| {
        ["message", "error", "detail", "error_description", "title"]
            .iter()
            .find_map(|key| value.get(key)?.as_str().map(ToOwned::to_owned))
    };
    find(&value).or_else(|| value.get("error").and_then(find))
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .take(120)
        .collect();
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_told_in_one_clean_line(text in "(<title>|<h1>|\\{\"error\":\")?.{0,300}(</title>|\"\\})?") {
            for form in [Text::Html, Text::Json, Text::Xml] {
                if let Some(words) = says(form, &text) {
                    prop_assert!(words.chars().count() <= 120);
                    prop_assert!(!words.chars().any(char::is_control));
                }
            }
            let _ = unexpected(text.as_bytes(), Some(&text));
        }
    }

    #[test]
    fn pages_and_messages_are_known_by_their_first_bytes() {
        use Text::{Html, Json, Xml};
        let cases: &[(&str, Option<Text>)] = &[
            ("<!DOCTYPE html>\n<html>", Some(Html)),
            ("\u{feff}\n  <!-- hi -->\n<HTML lang=en>", Some(Html)),
            ("<script>location='/login'</script>", Some(Html)),
            (
                "<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC \"\"><html xmlns=\"\">",
                Some(Html),
            ),
            (
                "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
                Some(Xml),
            ),
            ("<Error><Code>x</Code></Error>", Some(Xml)),
            ("{\"error\":\"no\"}", Some(Json)),
            ("{ }", Some(Json)),
            ("[{\"a\":1}]", Some(Json)),
            ("[section]\nkey=1", None),
            ("{% if x %}", None),
            ("{not json", None),
            ("<not html", None),
            ("GGUF\u{3}", None),
            ("", None),
        ];
        for (head, expected) in cases {
            assert_eq!(unexpected(head.as_bytes(), None), *expected, "{head}");
        }
    }

    #[test]
    fn binary_heads_are_files() {
        let safetensors = b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{}}";
        for head in [
            &b"\x80\x02}q\0."[..],
            b"PK\x03\x04",
            safetensors,
            b"\xff\xfe<\0h\0",
        ] {
            assert_eq!(unexpected(head, Some("x.bin")), None);
        }
    }

    #[test]
    fn a_name_that_says_so_may_hold_markup() {
        let cases = [
            ("<html>", "page.HTML", None),
            ("<html>", "model.safetensors", Some(Text::Html)),
            ("<html>", "data.json", Some(Text::Html)),
            ("{\"a\":1}", "config.json", None),
            ("{\"a\":1}", "notes.ipynb", None),
            ("{\"a\":1}", "model.bin", Some(Text::Json)),
            ("{\"a\":1}", "download", Some(Text::Json)),
            ("<?xml version=\"1.0\"?><net/>", "openvino.xml", None),
            (
                "<?xml version=\"1.0\"?><net/>",
                "model.onnx",
                Some(Text::Xml),
            ),
        ];
        for (head, name, expected) in cases {
            assert_eq!(unexpected(head.as_bytes(), Some(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_it_says_of_itself_is_one_clean_line() {
        let cases = [
            (
                Text::Html,
                "<title>\n Sign&amp;in \u{1b}[31m\n now</title>",
                Some("Sign&in [31m now"),
            ),
            (Text::Html, "<html><h1 class=x>Gone</h1>", Some("Gone")),
            (Text::Html, "<html>", None),
            (
                Text::Json,
                "{\"error\":{\"message\":\"quota\"}}",
                Some("quota"),
            ),
            (Text::Json, "{\"detail\":\"no\"}", Some("no")),
            (Text::Json, "{\"detail\":", None),
            (
                Text::Xml,
                "<Error><Message>Request has expired</Message></Error>",
                Some("Request has expired"),
            ),
        ];
        for (form, text, expected) in cases {
            assert_eq!(says(form, text).as_deref(), expected, "{text}");
        }
        let long = format!("<title>{}</title>", "x".repeat(999));
        assert_eq!(says(Text::Html, &long).unwrap().len(), 120);
    }
}
