//! Signed webhooks, after the Standard Webhooks specification
//! (<https://www.standardwebhooks.com>): what is announced in the records is
//! sent to its owner's receiver at least once, or given up after a day.

mod attempt;
mod deliverer;
mod secret;

use modelferry_providers::SafeUrl;
use modelferry_providers::net::AddressGuard;

pub use self::attempt::http_settings;
pub use self::deliverer::{Deliverer, Settings};
pub use self::secret::{Secrets, ShownSecret};
use crate::error::{Code, Error};

/// The longest URL of a receiver, in bytes.
const LONGEST: usize = 2048;

/// Reads where a receiver is. Its host's name is looked up only when something
/// is sent, and held against the guard again.
///
/// # Errors
/// [`Code::InvalidRequest`] for what is no plain http(s) URL;
/// [`Code::BlockedAddress`] for an address that is not public.
pub fn url(text: &str, guard: &AddressGuard) -> Result<SafeUrl, Error> {
    const LIKE: &str = "write it like https://hooks.example.com/modelferry";
    let wrong =
        |why: String| Error::new(Code::InvalidRequest, format!("webhookUrl: {why}")).hint(LIKE);
    if text.len() > LONGEST {
        return Err(wrong(format!("it is longer than {LONGEST} bytes")));
    }
    let url = SafeUrl::parse(text).map_err(|error| match error {
        modelferry_providers::url::UrlError::UserInfo => {
            wrong("it carries a user name or password; deliveries are signed instead".to_owned())
        }
        other => wrong(other.to_string()),
    })?;
    // Endpoints are allowed to the operator's hubs, not to receivers.
    guard.without_endpoints().check_url(&url)?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_at_a_plain_public_url() {
        let endpoint = SafeUrl::parse("http://10.0.0.7:8080").unwrap();
        let guard = AddressGuard::new(Vec::new(), vec![endpoint]);
        for good in [
            "https://hooks.example.com/a?token=1",
            "http://8.8.8.8:8080/",
        ] {
            assert!(url(good, &guard).is_ok(), "{good}");
        }
        let long = format!("https://hooks.example.com/{}", "a".repeat(LONGEST));
        for (bad, code) in [
            ("hooks.example.com", Code::InvalidRequest),
            ("ftp://hooks.example.com/", Code::InvalidRequest),
            ("https://user:pw@hooks.example.com/", Code::InvalidRequest),
            ("https://hooks.example.com/a b", Code::InvalidRequest),
            (&*long, Code::InvalidRequest),
            ("", Code::InvalidRequest),
            ("http://localhost/", Code::BlockedAddress),
            ("http://169.254.169.254/", Code::BlockedAddress),
            ("http://[::1]/", Code::BlockedAddress),
            ("http://hooks.example.com:25/", Code::BlockedAddress),
            ("http://10.0.0.7:8080/hook", Code::BlockedAddress),
        ] {
            let error = url(bad, &guard).unwrap_err();
            assert_eq!(error.code, code, "{bad}: {error}");
            assert!(
                error.hint.is_some() && !error.message.contains("pw"),
                "{error:?}"
            );
        }
    }
}
