use proptest::prelude::*;
use reqwest::header::HeaderValue;

use super::*;
use crate::http::watch::{LeastRate, Watch};
use crate::url::SafeUrl;

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    let mut response = ::http::Response::new("");
    *response.status_mut() = ::http::StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        response.headers_mut().insert(*name, value);
    }
    let url = SafeUrl::parse("https://example.com/x").unwrap();
    let watch = Watch::new(Duration::from_secs(1), LeastRate::default());
    Answer::new(url, response.into(), watch)
}

fn date_in(seconds: u64) -> String {
    let at = std::time::SystemTime::now() + Duration::from_secs(seconds);
    httpdate::fmt_http_date(at)
}

#[test]
fn a_wait_is_read_in_every_form() {
    let seconds = |n| Some(Duration::from_secs(n));
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    let cases: &[(u16, &[(&'static str, &str)], Option<Duration>)] = &[
        (429, &[("retry-after", "7")], seconds(7)),
        (503, &[("retry-after", "7")], seconds(7)),
        (500, &[("retry-after", "7")], None),
        (200, &[("ratelimit", "\"api\";r=0;t=55")], None),
        (429, &[("ratelimit", "\"api\";r=0;t=55")], seconds(56)),
        (
            429,
            &[("ratelimit", "\"api\";r=0;t=55"), ("retry-after", "7")],
            seconds(56),
        ),
        (
            429,
            &[("ratelimit", "\"api\";r=3;t=1, \"resolvers\";r=0;t=20")],
            seconds(21),
        ),
        (
            429,
            &[("ratelimit", "\"api\";r=3;t=55"), ("retry-after", "7")],
            seconds(7),
        ),
        (
            429,
            &[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")],
            seconds(0),
        ),
        (429, &[("retry-after", "soon")], None),
        (429, &[("retry-after", "-1")], None),
        (
            429,
            &[("ratelimit", "\"api\";r=0;t=18446744073709551615")],
            seconds(u64::MAX),
        ),
        (429, &[], None),
    ];
    for (status, headers, expected) in cases {
        assert_eq!(
            answer(*status, headers).wait_asked(),
            *expected,
            "{headers:?}"
        );
    }
}

#[test]
fn a_wait_may_be_a_date() {
    let wait = answer(429, &[("retry-after", &date_in(60))])
        .wait_asked()
        .unwrap();
    assert!((58..=60).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn what_may_pass_is_asked_again_and_what_can_not_is_not() {
    let policy = RetryPolicy::default();
    for status in [408, 425, 429, 500, 502, 503, 504, 520, 524] {
        assert!(
            policy.delay(0, &Ok(answer(status, &[]))).is_some(),
            "{status}"
        );
    }
    for status in [
        200, 206, 302, 400, 401, 403, 404, 410, 416, 451, 501, 505, 525,
    ] {
        assert!(
            policy.delay(0, &Ok(answer(status, &[]))).is_none(),
            "{status}"
        );
    }
    let blocked = ProviderError::new(ErrorKind::BlockedAddress, "");
    assert!(policy.delay(0, &Err(blocked)).is_none());
    let reset = || Err(ProviderError::transient(ErrorKind::Upstream, ""));
    assert!(policy.delay(policy.retries - 1, &reset()).is_some());
    assert!(policy.delay(policy.retries, &reset()).is_none());
}

#[test]
fn an_unknown_name_is_asked_for_only_a_few_times() {
    let policy = RetryPolicy::default();
    let unknown = || Err(ProviderError::briefly(ErrorKind::Upstream, ""));
    assert!(policy.delay(0, &unknown()).is_some());
    assert!(policy.delay(BRIEF_RETRIES, &unknown()).is_none());
}

#[test]
fn waits_of_our_own_double_up_to_a_cap_and_differ() {
    let policy = RetryPolicy::default();
    for attempt in 0..80 {
        let full = policy
            .base
            .saturating_mul(1 << attempt.min(16))
            .min(policy.cap);
        let wait = policy.backoff(attempt);
        assert!(wait <= full && wait >= full / 2, "{attempt}: {wait:?}");
    }
    let waits: std::collections::HashSet<_> = (0..8).map(|_| policy.backoff(3)).collect();
    assert!(waits.len() > 1, "no jitter");
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_every_request_to_its_host_and_no_other() {
    let pauses = Pauses::default();
    let start = Instant::now();
    pauses.pause("h", Duration::from_secs(5)).await;
    pauses.pause("h", Duration::from_secs(2)).await;
    wait_for(&pauses, "other", Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    wait_for(&pauses, "h", Duration::from_secs(60))
        .await
        .unwrap();
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(5) && waited <= Duration::from_secs(6),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_we_would_sit_out_is_an_error_that_names_it() {
    let pauses = Pauses::default();
    pauses.pause("h", Duration::from_secs(u64::MAX)).await;
    let error = wait_for(&pauses, "h", Duration::from_secs(330))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited);
    assert_eq!(error.retry_after, Some(LONGEST_PAUSE));
}

proptest! {
    #[test]
    fn any_header_gives_a_wait_or_none(text in "[a-z0-9\";=,. -]{0,60}|[ -~]{0,60}") {
        for name in ["retry-after", "ratelimit"] {
            let _ = answer(429, &[(name, &text)]).wait_asked();
        }
    }
}
