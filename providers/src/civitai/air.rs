//! AIR, the hub's resource names:
//! `urn:air:{ecosystem}:{type}:{source}:{id}[@version][+fileId][.format]`.
//!
//! Read as the hub's own client reads them (its pattern, case-insensitive,
//! with `urn:`, `air:`, ecosystem and type all optional). Two things differ:
//! the client's pattern takes a `.format` right after the version into the
//! version, which we split off; and it takes URLs, which are told apart before.

/// An AIR in its parts, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Air<'a> {
    /// `sdxl`, `flux1`, … Informative.
    pub ecosystem: Option<&'a str>,
    /// `checkpoint`, `lora`, … Informative, never proof.
    pub kind: Option<&'a str>,
    /// Whose id it is.
    pub source: &'a str,
    /// The id at its source.
    pub id: &'a str,
    /// The version at its source.
    pub version: Option<&'a str>,
    /// The digits after `+`.
    pub file: Option<&'a str>,
    /// What follows the last `.` of a numeric id, version or file.
    pub format: Option<&'a str>,
}

/// Reads an AIR; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Air<'_>> {
    let text = strip_prefix(strip_prefix(text, "urn:"), "air:");
    let (head, tail) = text.rsplit_once(':')?;
    let names: Vec<&str> = head.split(':').collect();
    if !names.iter().all(|name| is_of(name, "_-/")) {
        return None;
    }
    let (ecosystem, kind, source) = match *names.as_slice() {
        [source] => (None, None, source),
        [ecosystem, source] => (Some(ecosystem), None, source),
        [ecosystem, kind, source] => (Some(ecosystem), Some(kind), source),
        _ => return None,
    };
    let (named, file, format) = tail_parts(tail);
    let (id, version) = named
        .split_once('@')
        .map_or((named, None), |(id, version)| (id, Some(version)));
    let whole = Air {
        ecosystem,
        kind,
        source,
        id,
        version,
        file,
        format,
    };
    let is_sound = is_of(id, "_-/.")
        && version.is_none_or(|version| is_of(version, "_-/."))
        && file.is_none_or(is_number);
    let air = is_sound.then(|| with_ending_split_off(whole))?;
    air.format
        .is_none_or(|format| is_of(format, "_-"))
        .then_some(air)
}

/// `{id}[@version]`, `+{fileId}` and the `.{format}` after it.
fn tail_parts(tail: &str) -> (&str, Option<&str>, Option<&str>) {
    let Some((named, rest)) = tail.split_once('+') else {
        return (tail, None, None);
    };
    match rest.split_once('.') {
        Some((file, format)) => (named, Some(file), Some(format)),
        None => (named, Some(rest), None),
    }
}

/// Of Civitai's numbers, the `.format` that stands right after one. Elsewhere
/// a version may well be `1.5`.
fn with_ending_split_off(mut air: Air<'_>) -> Air<'_> {
    if air.file.is_some() || !air.source.eq_ignore_ascii_case("civitai") {
        return air;
    }
    let last = air.version.as_mut().unwrap_or(&mut air.id);
    if let Some((number, ending)) = last.split_once('.')
        && is_number(number)
    {
        *last = number;
        air.format = Some(ending);
    }
    air
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text is written as an AIR, well or badly: it starts as one, or
/// names one of the sources where an AIR has its source.
pub(super) fn is_written_as_one(text: &str) -> bool {
    const SOURCES: [&str; 4] = ["civitai", "civitai-r2", "huggingface", "orchestrator"];
    if ["urn:", "air:", "civitai:"]
        .iter()
        .any(|prefix| strip_prefix(text, prefix) != text)
    {
        return true;
    }
    let parts: Vec<&str> = text.split(':').collect();
    let [_, .., source, _] = parts.as_slice() else {
        return false;
    };
    SOURCES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(source))
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> &'a str {
    match text.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => &text[prefix.len()..],
        _ => text,
    }
}

fn is_of(text: &str, also: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    /// The hub's own pattern (its client for JavaScript, 0.2.0-beta.86).
    static OFFICIAL: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?i)^(?:urn:)?(?:air:)?(?:(?<ecosystem>[a-z0-9_\-/]+):)?(?:(?<type>[a-z0-9_\-/]+):)?(?<source>[a-z0-9_\-/]+):(?<id>[a-z0-9_\-/.]+)(?:@(?<version>[a-z0-9_\-/.]+))?(?:\+(?<file>[0-9]+))?(?:\.(?<format>[a-z0-9_\-]+))?$",
        )
        .unwrap()
    });

    /// The parts by the hub's own pattern, with the `.format` split off that it
    /// takes into a number before it.
    fn officially(text: &str) -> Option<[String; 7]> {
        let found = OFFICIAL.captures(text)?;
        let names = [
            "ecosystem",
            "type",
            "source",
            "id",
            "version",
            "file",
            "format",
        ];
        let mut parts =
            names.map(|name| found.name(name).map_or("", |part| part.as_str()).to_owned());
        if parts[5].is_empty() && parts[2].eq_ignore_ascii_case("civitai") {
            let last = if parts[4].is_empty() { 3 } else { 4 };
            if let Some((number, ending)) = parts[last].clone().split_once('.')
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
            {
                let is_one = is_of(ending, "_-");
                parts[6] = is_one.then(|| ending.to_owned())?;
                parts[last] = number.to_owned();
            }
        }
        Some(parts)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_text_comes_apart_as_by_the_hubs_own_pattern(
            text in "(urn:|URN:)?(air:|Air:)?([a-z0-9_/-]{1,4}:){0,3}(civitai|CIVITAI|huggingface|x):[a-z0-9_/.-]{0,6}(@[a-z0-9/._-]{0,6})?(\\+[0-9a]{0,4})?(\\.[a-z_-]{0,5})?[ :@+.é]?"
        ) {
            let read = parts(&text).map(|parts| parts.map(str::to_owned));
            prop_assert_eq!(read, officially(&text), "{}", text);
        }
    }

    #[test]
    fn a_version_of_another_source_keeps_its_dots() {
        let text = "urn:air:sdxl:model:huggingface:org/name@1.5";
        let air = parse(text).unwrap();
        assert_eq!((air.version, air.format), (Some("1.5"), None));
    }

    fn parts(text: &str) -> Option<[&str; 7]> {
        let air = parse(text)?;
        Some([
            air.ecosystem.unwrap_or_default(),
            air.kind.unwrap_or_default(),
            air.source,
            air.id,
            air.version.unwrap_or_default(),
            air.file.unwrap_or_default(),
            air.format.unwrap_or_default(),
        ])
    }

    #[test]
    fn an_air_comes_apart_as_the_hubs_client_takes_it() {
        let sdxl = |version, file, format| {
            Some([
                "sdxl",
                "checkpoint",
                "civitai",
                "827184",
                version,
                file,
                format,
            ])
        };
        let cases = [
            (
                "urn:air:sdxl:checkpoint:civitai:827184@2514310",
                sdxl("2514310", "", ""),
            ),
            (
                "air:sdxl:checkpoint:civitai:827184@2514310",
                sdxl("2514310", "", ""),
            ),
            (
                "sdxl:checkpoint:civitai:827184@2514310",
                sdxl("2514310", "", ""),
            ),
            (
                "urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203",
                sdxl("2514310", "2402203", ""),
            ),
            (
                "urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203.safetensor",
                sdxl("2514310", "2402203", "safetensor"),
            ),
            (
                "urn:air:sdxl:checkpoint:civitai:827184@2514310.safetensor",
                sdxl("2514310", "", "safetensor"),
            ),
            (
                "urn:air:sd1:embedding:civitai:7808@9208.pt",
                Some(["sd1", "embedding", "civitai", "7808", "9208", "", "pt"]),
            ),
            (
                "urn:air:sdxl:lora:civitai:328553",
                Some(["sdxl", "lora", "civitai", "328553", "", "", ""]),
            ),
            (
                "urn:air:sdxl:lora:civitai:328553+99",
                Some(["sdxl", "lora", "civitai", "328553", "", "99", ""]),
            ),
            (
                "URN:AIR:SDXL:LORA:CIVITAI:328553@368189",
                Some(["SDXL", "LORA", "CIVITAI", "328553", "368189", "", ""]),
            ),
            (
                "civitai:1102@1144",
                Some(["", "", "civitai", "1102", "1144", "", ""]),
            ),
            (
                "urn:air:flux1:checkpoint:huggingface:black-forest-labs/FLUX.1-dev@main",
                Some([
                    "flux1",
                    "checkpoint",
                    "huggingface",
                    "black-forest-labs/FLUX.1-dev",
                    "main",
                    "",
                    "",
                ]),
            ),
            (
                "urn:air:model:huggingface:stabilityai/sdxl-vae",
                Some([
                    "model",
                    "",
                    "huggingface",
                    "stabilityai/sdxl-vae",
                    "",
                    "",
                    "",
                ]),
            ),
            (
                "urn:air:other:other:civitai-r2:civitai-worker-assets@sam_vit_b_01ec64.pth",
                Some([
                    "other",
                    "other",
                    "civitai-r2",
                    "civitai-worker-assets",
                    "sam_vit_b_01ec64.pth",
                    "",
                    "",
                ]),
            ),
            (
                "urn:air:sdxl:lora:civitai:abc@def",
                Some(["sdxl", "lora", "civitai", "abc", "def", "", ""]),
            ),
            ("urn:air:sdxl:lora:civitai:1@2+", None),
            ("urn:air:sdxl:lora:civitai:1@2+3+4", None),
            ("urn:air:sdxl:lora:civitai:1@2:layer1", None),
            ("urn:arn:aws:s3:::bucket", None),
            ("civitai:", None),
            ("ghcr:x@sha256:abc", None),
            ("sdxl:lora:civitai:1 @2", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_as_an_air_is_known_even_when_it_is_a_bad_one() {
        for text in [
            "urn:arn:x",
            "AIR:",
            "Civitai:",
            "sdxl:lora:civitai:1@2+",
            "model:huggingface:a/b",
        ] {
            assert!(is_written_as_one(text), "{text}");
        }
        for text in [
            "org/name",
            "ghcr:x@sha256:abc",
            "huggingface:a/b",
            "civitai",
            "",
            "ä:ö",
        ] {
            assert!(!is_written_as_one(text), "{text}");
        }
    }
}
