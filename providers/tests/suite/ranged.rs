//! Ranged answers, held against what was asked and what was pinned.

use futures_util::TryStreamExt;
use modelferry_providers::http::{Request, ranged};
use modelferry_providers::{Body, ByteRange, ErrorKind, ProviderError, Validator};

use super::raw::{Play, Raw, client};

const ETAG: &str = "\"v1\"";

fn part(start: u64, end: Option<u64>) -> ByteRange {
    ByteRange {
        start,
        end,
        validator: Some(Validator::Etag(ETAG.into())),
    }
}

fn unpinned(start: u64, end: Option<u64>) -> ByteRange {
    ByteRange {
        validator: None,
        ..part(start, end)
    }
}

/// Asks for `range` of a server that answers this, and opens the body.
async fn open(
    range: &ByteRange,
    total: Option<u64>,
    head: &str,
    body: &str,
) -> Result<Body, ProviderError> {
    let text = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}");
    let server = Raw::start(move |_, _| Play::Send(text.clone().into_bytes())).await;
    let request = Request::get(server.url("/model.bin?sig=s3cret")).range(range);
    let answer = client().send(&request).await?;
    let body = ranged::body(answer, range, total);
    if let Err(error) = &body {
        assert!(error.hint.is_some(), "{error}");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
    body
}

async fn read(body: Body) -> Result<String, ProviderError> {
    let chunks: Vec<_> = body.bytes.try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

#[tokio::test]
async fn a_part_is_opened_where_it_was_asked_for() {
    let head = "206 Partial\r\nContent-Range: bytes 3-5/9\r\nContent-Length: 3\r\nETag: \"v1\"";
    let body = open(&part(3, Some(6)), Some(9), head, "def").await.unwrap();
    assert_eq!((body.offset, body.end, body.total), (3, Some(6), Some(9)));
    assert_eq!(body.validator, Some(Validator::Etag(ETAG.into())));
    assert_eq!(read(body).await.unwrap(), "def");
}

#[tokio::test]
async fn a_shorter_part_than_asked_for_is_a_part() {
    let head = "206 Partial\r\nContent-Range: bytes 3-4/9\r\nContent-Length: 2\r\nETag: \"v1\"";
    let body = open(&part(3, Some(6)), Some(9), head, "de").await.unwrap();
    assert_eq!((body.offset, body.end), (3, Some(5)));
}

#[tokio::test]
async fn a_server_that_ignores_ranges_answers_from_zero() {
    let head = "200 OK\r\nContent-Length: 9\r\nETag: \"v1\"";
    let body = open(&part(3, Some(6)), Some(9), head, "abcdefghi")
        .await
        .unwrap();
    assert_eq!((body.offset, body.end, body.total), (0, Some(9), Some(9)));
    assert_eq!(read(body).await.unwrap(), "abcdefghi");
}

#[tokio::test]
async fn another_content_than_the_one_pinned_is_never_opened() {
    let cases = [
        "200 OK\r\nContent-Length: 9\r\nETag: \"v2\"",
        "200 OK\r\nContent-Length: 9",
        "200 OK\r\nContent-Length: 8\r\nETag: \"v1\"",
        "206 Partial\r\nContent-Range: bytes 3-5/9\r\nETag: \"v2\"",
        "206 Partial\r\nContent-Range: bytes 3-5/10\r\nETag: \"v1\"",
        "416 No\r\nContent-Range: bytes */5\r\nContent-Length: 0",
    ];
    for head in cases {
        let error = open(&part(3, Some(6)), Some(9), head, "abcdefghi")
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::SourceChanged, "{head}: {error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_date_names_a_content_too() {
    let date = "Tue, 03 Mar 2026 08:00:00 GMT";
    let asked = ByteRange {
        validator: Some(Validator::Modified(date.into())),
        ..part(3, None)
    };
    let same = format!("206 Partial\r\nContent-Range: bytes 3-5/6\r\nLast-Modified: {date}");
    assert!(open(&asked, None, &same, "def").await.is_ok());
    let tagged = format!("{same}\r\nETag: \"new-at-this-node\"");
    assert!(open(&asked, None, &tagged, "def").await.is_ok());
    let later = same.replace("08:00:00", "08:00:01");
    let error = open(&asked, None, &later, "def").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::SourceChanged);
}

#[tokio::test]
async fn a_first_request_takes_what_is_there_now() {
    let head = "200 OK\r\nContent-Length: 9\r\nETag: \"v2\"";
    let body = open(&ByteRange::whole(), None, head, "abcdefghi")
        .await
        .unwrap();
    assert_eq!(body.total, Some(9));
    let error = open(&ByteRange::whole(), Some(8), head, "abcdefghi")
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::SizeMismatch,
        "a promised length is a promise"
    );
}

#[tokio::test]
async fn a_whole_read_of_a_pinned_content_notices_another_one() {
    let asked = ByteRange {
        validator: Some(Validator::Etag(ETAG.into())),
        ..ByteRange::whole()
    };
    let changed = "200 OK\r\nContent-Length: 9\r\nETag: \"v2\"";
    let error = open(&asked, None, changed, "abcdefghi").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::SourceChanged);
    let untold = "200 OK\r\nContent-Length: 9";
    assert!(open(&asked, Some(9), untold, "abcdefghi").await.is_ok());
}

#[tokio::test]
async fn answers_that_break_the_rules_of_ranges_are_refused() {
    let cases = [
        "206 Partial\r\nContent-Length: 3",
        "206 Partial\r\nContent-Range: bytes 4-6/9",
        "206 Partial\r\nContent-Range: bytes 3-8/9",
        "206 Partial\r\nContent-Range: bytes 3-5/4",
        "206 Partial\r\nContent-Range: items 3-5/9",
        "206 Partial\r\nContent-Range: bytes 3-5/9\r\nContent-Length: 2",
        "206 Partial\r\nContent-Type: multipart/byteranges; boundary=x",
        "206 Partial\r\nContent-Range: bytes 3-5/9\r\nContent-Encoding: gzip",
        "200 OK\r\nContent-Encoding: gzip",
        "416 No\r\nContent-Range: bytes */9\r\nContent-Length: 0",
        "416 No\r\nContent-Length: 0",
        "202 Accepted\r\nContent-Length: 0",
        "302 Found\r\nContent-Length: 0",
    ];
    for head in cases {
        let error = open(&unpinned(3, Some(6)), Some(9), head, "def")
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Upstream, "{head}: {error}");
    }
}

#[tokio::test]
async fn statuses_keep_their_meaning() {
    use ErrorKind::*;
    let cases = [
        ("401 No", AuthRequired),
        ("403 No", AccessDenied),
        ("404 No", NotFound),
        ("410 Gone", NotFound),
        ("451 No", RegionBlocked),
        ("429 Slow", RateLimited),
        ("500 Oops", Upstream),
    ];
    for (status, kind) in cases {
        let head = format!("{status}\r\nContent-Length: 0\r\nX-Request-Id: abc-1");
        let error = open(&ByteRange::whole(), None, &head, "")
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        assert_eq!(error.request_id.as_deref(), Some("abc-1"));
    }
}

#[tokio::test]
async fn asking_for_more_at_the_end_of_an_unknown_length_gives_an_empty_body() {
    let head = "416 No\r\nContent-Range: bytes */9\r\nContent-Length: 0";
    let body = open(&part(9, None), None, head, "").await.unwrap();
    assert_eq!((body.offset, body.end, body.total), (9, Some(9), Some(9)));
    assert_eq!(read(body).await.unwrap(), "");
    let error = open(&part(10, None), None, head, "").await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::SourceChanged,
        "less is there than we hold"
    );
}

#[tokio::test]
async fn a_chunked_part_is_counted() {
    let head = "206 Partial\r\nContent-Range: bytes 3-5/9\r\nTransfer-Encoding: chunked";
    let cases = [
        ("3\r\ndef\r\n0\r\n\r\n", None),
        ("2\r\nde\r\n0\r\n\r\n", Some(ErrorKind::Truncated)),
        ("4\r\ndefg\r\n0\r\n\r\n", Some(ErrorKind::SizeMismatch)),
    ];
    for (chunks, expected) in cases {
        let body = open(&unpinned(3, Some(6)), Some(9), head, chunks)
            .await
            .unwrap();
        assert_eq!(
            read(body).await.map_err(|error| error.kind).err(),
            expected,
            "{chunks}"
        );
    }
}

#[tokio::test]
async fn a_chunked_file_of_pinned_length_is_counted_too() {
    let head = "200 OK\r\nTransfer-Encoding: chunked";
    let body = open(
        &ByteRange::whole(),
        Some(4),
        head,
        "5\r\nhello\r\n0\r\n\r\n",
    )
    .await
    .unwrap();
    assert_eq!(read(body).await.unwrap_err().kind, ErrorKind::SizeMismatch);
    let body = open(&ByteRange::whole(), None, head, "5\r\nhello\r\n0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!((body.end, body.total), (None, None));
    assert_eq!(read(body).await.unwrap(), "hello");
}
