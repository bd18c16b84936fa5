//! Whether a version will be handed out, as far as its metadata says.

use super::api::Api;
use super::errors;
use super::lookup::Found;
use super::wire::Version;
use crate::error::ProviderError;
use crate::time;

/// Why a download may be refused.
pub(super) struct Doubt {
    /// The refusal to expect.
    pub refusal: ProviderError,
    /// Whether it is certain for someone without a login.
    pub is_certain: bool,
}

/// What stands between this version and its download. A bought or granted
/// login may pass it, so only asking for the download tells.
///
/// # Errors
/// [`crate::ErrorKind::Archived`], which no login changes.
pub(super) fn doubt(
    api: &Api<'_>,
    found: &Found,
    now: i64,
) -> Result<Option<Doubt>, ProviderError> {
    let version = &found.version;
    let what = format!("version {} of Civitai", found.version_id);
    let host = api.host();
    let mode = found.model.as_ref().and_then(|model| model.mode.as_deref());
    if mode.or(version.model.mode.as_deref()) == Some("Archived") {
        return Err(errors::archived(&host, &what));
    }
    let asked = api.asked(&what, api.page(found.model_id, Some(found.version_id)));
    let doubt = |refusal: ProviderError, is_certain: bool| {
        Ok(Some(Doubt {
            refusal,
            is_certain,
        }))
    };
    if says_other_than(&version.usage_control, "Download") {
        return doubt(errors::downloads_disabled(&host, &what), true);
    }
    if let Some(sale) = sale(version, now) {
        let refusal = errors::early_access(&host, &asked, sale.until.as_deref());
        return doubt(refusal, sale.is_certain);
    }
    let needs_login = found.needs_login || version.require_auth == Some(true);
    if needs_login || found.needs_grant || says_other_than(&version.status, "Published") {
        return doubt(errors::login_needed(&host, &asked), needs_login);
    }
    Ok(None)
}

fn says_other_than(text: &Option<String>, usual: &str) -> bool {
    text.as_deref().is_some_and(|text| text != usual)
}

/// Whether a version is sold now, or may be.
pub(super) fn is_sold(version: &Version) -> bool {
    sale(version, time::now()).is_some()
}

struct Sale {
    /// As a person reads it.
    until: Option<String>,
    is_certain: bool,
}

/// Early access in the three forms it had: `paidAccess`, `earlyAccessEndsAt`,
/// and days from publication. A date in the past may be an old, cached answer.
fn sale(version: &Version, now: i64) -> Option<Sale> {
    let is_ahead = |date: &String| time::unix_seconds(date).is_some_and(|moment| moment > now);
    if let Some(paid) = &version.paid_access {
        let until = paid.ends_at.clone().filter(|_| !paid.permanent);
        let is_certain = until.as_ref().is_none_or(is_ahead);
        return Some(Sale {
            until: until.as_deref().and_then(time::shown),
            is_certain,
        });
    }
    let ends_at = version
        .early_access_ends_at
        .as_ref()
        .or(version.early_access_deadline.as_ref());
    if let Some(until) = ends_at {
        return is_ahead(until).then(|| Sale {
            until: time::shown(until),
            is_certain: true,
        });
    }
    let published = version.published_at.as_deref().and_then(time::unix_seconds);
    let days = version
        .early_access_time_frame
        .filter(|days| (0.0..=3650.0).contains(days) && *days > 0.0);
    if let (Some(days), Some(published)) = (days, published) {
        let free = published + (days * 86_400.0) as i64;
        return (free > now).then(|| Sale {
            until: Some(time::written(free)),
            is_certain: true,
        });
    }
    let says_so = version.availability.as_deref() == Some("EarlyAccess") || days.is_some();
    says_so.then_some(Sale {
        until: None,
        is_certain: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_787_423_400;

    fn sold(version: serde_json::Value) -> Option<(Option<String>, bool)> {
        let version: Version = serde_json::from_value(version).unwrap();
        sale(&version, NOW).map(|sale| (sale.until, sale.is_certain))
    }

    #[test]
    fn each_form_of_early_access_is_known() {
        let ahead = "2099-01-01T00:00:00.000Z";
        let shown = Some("2099-01-01 00:00 UTC".to_owned());
        let past = "2020-01-01T00:00:00.000Z";
        let cases = [
            (json!({}), None),
            (json!({"paidAccess": null, "availability": "Public"}), None),
            (
                json!({"paidAccess": {"permanent": true, "endsAt": null}}),
                Some((None, true)),
            ),
            (
                json!({"paidAccess": {"permanent": false, "endsAt": ahead}}),
                Some((shown.clone(), true)),
            ),
            (
                json!({"paidAccess": {"endsAt": past}}),
                Some((Some("2020-01-01 00:00 UTC".into()), false)),
            ),
            (json!({"paidAccess": {}}), Some((None, true))),
            (
                json!({"earlyAccessEndsAt": ahead}),
                Some((shown.clone(), true)),
            ),
            (
                json!({"earlyAccessEndsAt": past, "availability": "EarlyAccess"}),
                None,
            ),
            (json!({"earlyAccessTimeFrame": 0}), None),
            (
                json!({"earlyAccessTimeFrame": 7, "publishedAt": past}),
                None,
            ),
            (
                json!({"earlyAccessTimeFrame": 7, "publishedAt": "2026-08-20T00:00:00Z"}),
                Some((Some("Thu, 27 Aug 2026 00:00:00 GMT".into()), true)),
            ),
            (json!({"earlyAccessTimeFrame": 7}), Some((None, false))),
            (json!({"availability": "EarlyAccess"}), Some((None, false))),
        ];
        for (version, expected) in cases {
            assert_eq!(sold(version.clone()), expected, "{version}");
        }
    }
}
