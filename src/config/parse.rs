//! From a setting's text to its value, with what it should have been.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use modelferry_providers::SafeUrl;

use crate::inspect::AllowList;
use crate::storage::Door;

/// One part must fit.
pub const LEAST_MEMORY: u64 = 8 * 1024 * 1024;

pub fn url(text: &str) -> Result<SafeUrl, String> {
    SafeUrl::parse(text.trim_end_matches('/')).map_err(|error| error.to_string())
}

pub fn nets(text: &str) -> Result<Vec<IpNet>, String> {
    let items = text.split([',', ' ']).filter(|item| !item.is_empty());
    items
        .map(|item| {
            let single = item.parse().map(|ip: std::net::IpAddr| IpNet::from(ip));
            item.parse()
                .or(single)
                .map_err(|_| format!("`{}` is no network; write 10.0.0.0/8", item.escape_debug()))
        })
        .collect()
}

pub fn count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(number @ 1..=1024) => Ok(number),
        _ => Err("it should be a whole number from 1 to 1024".to_owned()),
    }
}

pub fn queue(text: &str) -> Result<u32, String> {
    match text.trim().parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("it should be a whole number from 1 on".to_owned()),
    }
}

/// A length in bytes, as settings write it.
///
/// # Errors
/// How it should have been written.
pub fn bytes(text: &str) -> Result<u64, String> {
    let size: ByteSize = text
        .trim()
        .parse()
        .map_err(|_| "write it like 512 MiB or 25 MB".to_owned())?;
    Ok(size.as_u64())
}

/// `30 s`, `30s` or `30`, from two seconds to an hour.
pub fn lease(text: &str) -> Result<Duration, String> {
    let number = text.trim().trim_end_matches('s').trim_end();
    match number.parse() {
        Ok(seconds @ 2..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("write it in whole seconds like 30 s, from 2 s to 3600 s".to_owned()),
    }
}

/// `90 s`, `15 min`, `24 h` or `7 days`: a minute at least.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write it like 15 min, 24 h or 7 days, from a minute on".to_owned();
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return Err(wrong()),
    };
    let span = Duration::from_secs(number.checked_mul(seconds).ok_or_else(wrong)?);
    let most = Duration::from_secs(3_650 * 86_400);
    if span < Duration::from_secs(60) || span > most {
        return Err(wrong());
    }
    Ok(span)
}

/// As [`span`]; S3 signs for no longer.
pub fn link_span(text: &str) -> Result<Duration, String> {
    match span(text)? {
        span if span > Duration::from_secs(7 * 86_400) => {
            Err("a signed URL works for 7 days at most".to_owned())
        }
        span => Ok(span),
    }
}

pub fn door(text: &str) -> Result<Door, String> {
    match text.trim() {
        "storage" => Ok(Door::Store),
        "server" => Ok(Door::Server),
        _ => Err("it should be storage or server".to_owned()),
    }
}

pub fn memory(text: &str) -> Result<u64, String> {
    let size = bytes(text)?;
    if size < LEAST_MEMORY {
        Err("the least is 8 MiB".to_owned())
    } else {
        Ok(size)
    }
}

/// Any word that reads as such.
pub fn word<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|why: T::Err| why.to_string())
}

/// Words with commas or blanks between.
pub fn words<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<Vec<T>, String> {
    text.split([',', ' '])
        .filter(|item| !item.is_empty())
        .map(word)
        .collect()
}

/// Licences as hubs spell them, in any case.
pub fn licenses(text: &str) -> Result<Vec<String>, String> {
    words(&text.to_ascii_lowercase())
}

/// `module name` pairs with commas between, as the gate's refusals name them.
pub fn allow_list(text: &str) -> Result<AllowList, String> {
    let lines: Vec<&str> = text.split([',', '\n']).map(str::trim).collect();
    AllowList::parse(&lines.join("\n")).map_err(|error| error.to_string())
}

pub fn json_logs(text: &str) -> Result<bool, String> {
    match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err("it should be text or json".to_owned()),
    }
}

/// A URL with its password masked, wherever it stands; any other text as it is.
pub fn without_password(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else {
        return text.to_owned();
    };
    let in_query = |(name, _): (std::borrow::Cow<'_, str>, _)| name == "password";
    if url.password().is_none() && !url.query_pairs().any(in_query) {
        return text.to_owned();
    }
    if url.password().is_some() {
        // Fails only for a URL that can't have one.
        let _ = url.set_password(Some("********"));
    }
    let masked: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| match &*name {
            "password" => (name.into_owned(), "********".to_owned()),
            _ => (name.into_owned(), value.into_owned()),
        })
        .collect();
    if !masked.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(masked);
    }
    url.to_string()
}
