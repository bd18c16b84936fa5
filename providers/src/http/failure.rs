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

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
    use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError};

    use super::*;

    fn said(error: TlsError) -> ProviderError {
        let url = SafeUrl::parse("https://host.example/x?sig=s3cret").unwrap();
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        connection(&url, &error).unwrap()
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_plain_words() {
        use CertificateError as Bad;
        let time = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let expired = Bad::ExpiredContext {
            time: time(9),
            not_after: time(1),
        };
        let name = Bad::NotValidForNameContext {
            expected: ServerName::try_from("host.example").unwrap(),
            presented: vec!["other.example".into()],
        };
        for (bad, words) in [
            (Bad::Expired, "has expired"),
            (expired, "has expired"),
            (Bad::NotValidForName, "for another name"),
            (name, "for another name"),
            (Bad::UnknownIssuer, "nobody whom this machine trusts"),
            (Bad::BadSignature, "can't be verified"),
            (Bad::Revoked, "can't be verified"),
        ] {
            let error = said(TlsError::InvalidCertificate(bad));
            assert!(error.message.contains(words), "{error}");
            assert_eq!(error.kind, ErrorKind::Upstream);
            assert!(!error.is_transient() && !format!("{error:?}").contains("s3cret"));
        }
        let alert = said(TlsError::AlertReceived(AlertDescription::HandshakeFailure));
        assert!(alert.message.contains("no secure connection"), "{alert}");
    }

    #[test]
    fn troubles_of_a_connection_are_told_apart() {
        use io::ErrorKind as Io;
        let url = SafeUrl::parse("https://host.example/x?sig=s3cret").unwrap();
        for (kind, words) in [
            (Io::ConnectionRefused, Some("refuses connections")),
            (Io::ConnectionReset, Some("closed the connection")),
            (Io::UnexpectedEof, Some("closed the connection")),
            (Io::NetworkUnreachable, Some("from this machine's network")),
            (Io::TimedOut, Some("took too long")),
            (Io::OutOfMemory, None),
        ] {
            let error = connection(&url, &io::Error::from(kind));
            let message = error.as_ref().map(|error| error.message.as_str());
            let fits = match (message, words) {
                (Some(message), Some(words)) => message.contains(words),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(fits, "{kind:?}: {message:?}");
            assert!(error.is_none_or(|error| error.is_transient()));
        }
    }
}
