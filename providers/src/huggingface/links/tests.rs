use proptest::prelude::*;

use super::super::repo::{Commit, RepoId, RepoPath, RepoType};
use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn dates_of_signatures_are_read() {
    let cases = [
        ("19700101T000000Z", Some(0)),
        ("20000229T120000Z", Some(951_825_600)),
        ("20261124T083000Z", Some(1_795_509_000)),
        ("20261324T083000Z", None),
        ("2026-11-24T08:30:00Z", None),
        ("20261124T083000", None),
        ("", None),
    ];
    for (text, seconds) in cases {
        assert_eq!(basic_date(text), seconds.map(at), "{text}");
    }
}

#[test]
fn a_link_is_used_for_as_long_as_it_says_less_a_margin() {
    let now = at(1_795_509_000);
    let cases = [
        ("X-Amz-Date=20261124T082000Z&X-Amz-Expires=3600", 3000 - 60),
        ("X-Amz-Expires=100", 90),
        ("X-Goog-Date=20261124T083000Z&X-Goog-Expires=200", 180),
        ("Expires=1795509600&Policy=x", 540),
        ("Expires=1795508000", 0),
        ("Expires=99999999999", 3600),
        ("Expires=18446744073709551615", 54),
        ("signature=x", 54),
    ];
    for (query, seconds) in cases {
        let url = SafeUrl::parse(&format!("https://cdn.example/x?{query}")).unwrap();
        assert_eq!(lifetime(&url, now).as_secs(), seconds, "{query}");
    }
}

proptest! {
    #[test]
    fn any_query_gives_a_lifetime_within_its_bounds(query in "(X-Amz-Date=|X-Goog-Date=)?[0-9TZ]{0,20}(&X-Amz-Expires=[0-9]{0,25})?(&Expires=[0-9]{0,25})?|.{0,60}") {
        if let Ok(url) = SafeUrl::parse(&format!("https://cdn.example/x?{query}")) {
            prop_assert!(lifetime(&url, SystemTime::now()) <= LONGEST);
        }
        let _ = basic_date(&query);
    }
}

fn origin(n: usize) -> HfOrigin {
    HfOrigin {
        repo_type: RepoType::Model,
        repo: RepoId::parse("acme/tiny").unwrap(),
        commit: Commit::parse(&"ab".repeat(20)).unwrap(),
        path: RepoPath::parse(&format!("{n}.bin")).unwrap(),
    }
}

fn link(query: &str) -> Way {
    Way::Link(SafeUrl::parse(&format!("https://cdn.example/x?{query}")).unwrap())
}

/// Asks for a way; says whether the hub had to be asked.
async fn lent(links: &Links, key: &LinkKey, query: &str) -> (Lent, bool) {
    let mut was_asked = false;
    let ask = async {
        was_asked = true;
        Ok(link(query))
    };
    let lent = links.lend(key, ask).await.unwrap();
    (lent, was_asked)
}

#[tokio::test]
async fn the_store_of_links_is_bounded_and_apart_by_account() {
    let links = Links::default();
    let token = Token::new("hf_a");
    for n in 0..=MAX_LINKS {
        lent(
            &links,
            &links.key(&origin(n), token.as_ref()),
            "X-Amz-Expires=3600",
        )
        .await;
    }
    assert_eq!(links.cells.lock().unwrap().len(), MAX_LINKS);
    let last = origin(MAX_LINKS);
    for (token, is_asked) in [(token, false), (None, true), (Token::new("hf_b"), true)] {
        let key = links.key(&last, token.as_ref());
        assert_eq!(lent(&links, &key, "x").await.1, is_asked);
    }
}

#[tokio::test]
async fn a_link_is_given_up_once_and_not_after_it_was_replaced() {
    let links = Links::default();
    let key = links.key(&origin(1), None);
    let (first, _) = lent(&links, &key, "X-Amz-Expires=3600&n=1").await;
    links.give_up(&key, &first);
    let (_, was_asked) = lent(&links, &key, "X-Amz-Expires=3600&n=2").await;
    assert!(was_asked);
    links.give_up(&key, &first);
    let (_, was_asked) = lent(&links, &key, "X-Amz-Expires=3600&n=3").await;
    assert!(!was_asked, "the second is none of the first's business");
}

#[tokio::test]
async fn an_expired_link_is_not_lent() {
    let links = Links::default();
    let key = links.key(&origin(1), None);
    lent(&links, &key, "Expires=1").await;
    assert!(lent(&links, &key, "X-Amz-Expires=3600").await.1);
    assert!(!lent(&links, &key, "x").await.1);
}
