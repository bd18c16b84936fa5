//! Failures of a connection, in plain words and without a secret.

use std::error::Error;
use std::io;

use super::connect::{NoPublicAddress, UnknownName};
use crate::error::{ErrorKind, ProviderError};
use crate::url::SafeUrl;

/// No headers in time.
pub(super) fn silent(url: &SafeUrl) -> ProviderError {
    ProviderError::transient(
        ErrorKind::Stalled,
        format!("{} took too long to answer", url.authority()),
    )
    .hint("it may be overloaded; try again later")
}

/// No byte of a body in time.
pub(super) fn stalled(url: &SafeUrl) -> ProviderError {
    ProviderError::transient(
        ErrorKind::Stalled,
        format!("{} stopped sending in the middle of {url}", url.authority()),
    )
    .hint("try again; what was received is kept")
}

/// A body that broke off.
pub(super) fn broken(url: &SafeUrl) -> ProviderError {
    ProviderError::transient(
        ErrorKind::Truncated,
        format!("{} broke off in the middle of {url}", url.authority()),
    )
    .hint("try again; what was received is kept")
}

/// No answer at all. Only what we recognise is said: a library's own words
/// may quote the URL.
pub(super) fn no_answer(url: &SafeUrl, error: &reqwest::Error) -> ProviderError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(known) = recognised(url, inner) {
            return known;
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return silent(url);
    }
    unreachable(url, "can't be reached")
}

fn recognised(url: &SafeUrl, cause: &(dyn Error + 'static)) -> Option<ProviderError> {
    if cause.is::<NoPublicAddress>() {
        return Some(
            ProviderError::new(
                ErrorKind::BlockedAddress,
                format!("{} has no public address", url.authority()),
            )
            .hint("if it is meant, add its network to MODELFERRY_ALLOW_NETS"),
        );
    }
    if cause.is::<UnknownName>() {
        let message = format!("the name {} can't be resolved", url.host());
        return Some(
            ProviderError::briefly(ErrorKind::Upstream, message)
                .hint("check its spelling, and that this machine's DNS works"),
        );
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return protocol(url, error);
    }
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return connection(url, error);
    }
    None
}

fn protocol(url: &SafeUrl, error: &hyper::Error) -> Option<ProviderError> {
    let host = url.authority();
    if error.is_parse_too_large() {
        return Some(refused_head(format!(
            "{host} answered with more headers than anyone needs"
        )));
    }
    if error.is_parse() {
        return Some(refused_head(format!(
            "{host} answered with something that is not HTTP"
        )));
    }
    error
        .is_incomplete_message()
        .then(|| unreachable(url, "closed the connection without an answer"))
}

fn refused_head(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::Upstream, message).hint("check that the address is the one meant")
}

fn connection(url: &SafeUrl, error: &io::Error) -> Option<ProviderError> {
    use io::ErrorKind as Io;
    // The TLS library's errors arrive inside an I/O error.
    if let Some(inner) = error.get_ref() {
        return tls(url, &inner.to_string());
    }
    let what = match error.kind() {
        Io::ConnectionRefused => "refuses connections",
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
            "closed the connection without an answer"
        }
        Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown => {
            "can't be reached from this machine's network"
        }
        Io::TimedOut => return Some(silent(url)),
        _ => return None,
    };
    Some(unreachable(url, what))
}

/// What went wrong with TLS, by the words of rustls 0.23.
fn tls(url: &SafeUrl, words: &str) -> Option<ProviderError> {
    let host = url.authority();
    let what = if !words.contains("certificate") {
        let handshake = [
            "fatal alert",
            "corrupt message",
            "handshake",
            "incompatible",
            "TLS",
        ];
        if !handshake.iter().any(|word| words.contains(word)) {
            return None;
        }
        format!("no secure connection to {host} could be agreed on")
    } else if words.contains("Expired") || words.contains("expired") {
        format!("the certificate of {host} has expired")
    } else if words.contains("NotValidForName") || words.contains("not valid for") {
        format!("the certificate of {host} is for another name")
    } else if words.contains("UnknownIssuer") || words.contains("self-signed") {
        format!("the certificate of {host} is signed by nobody whom this machine trusts")
    } else {
        format!("the certificate of {host} can't be verified")
    };
    Some(ProviderError::new(ErrorKind::Upstream, what).hint(
        "ask whoever runs the host to mend it, or add your organisation's authority to this \
             machine's certificates; the check can't be switched off",
    ))
}

fn unreachable(url: &SafeUrl, what: &str) -> ProviderError {
    ProviderError::transient(ErrorKind::Upstream, format!("{} {what}", url.authority()))
        .hint("check the address and this machine's network, or try again later")
}
