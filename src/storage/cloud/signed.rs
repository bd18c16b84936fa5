//! What S3 can do and the library has no call for: asked with signed URLs over
//! the library's own transport.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::path::Path as ObjectPath;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer};

use super::super::intake::in_order;
use super::super::{Part, StageName, StorageError, Stray};
use super::failure::Failure;
use super::{Client, CloudStorage};

/// How long a signed request may take to be sent.
const SIGNED_FOR: Duration = Duration::from_secs(900);
/// Waits between tries.
const WAITS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(9),
];

/// One request.
pub(super) struct Ask {
    method: Method,
    pub path: ObjectPath,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl Ask {
    fn get(path: ObjectPath, query: Vec<(&'static str, String)>) -> Self {
        Self {
            method: Method::GET,
            path,
            query,
            headers: Vec::new(),
        }
    }

    /// [UploadPartCopy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html);
    /// `number` counts from 1.
    pub(super) fn copy_part(
        bucket: &str,
        from: &ObjectPath,
        to: &ObjectPath,
        id: &str,
        number: u64,
        range: Range<u64>,
    ) -> Self {
        let range = format!("bytes={}-{}", range.start, range.end - 1);
        Self {
            method: Method::PUT,
            path: to.clone(),
            query: vec![
                ("partNumber", number.to_string()),
                ("uploadId", id.to_owned()),
            ],
            headers: vec![
                ("x-amz-copy-source", format!("{bucket}/{}", encoded(from))),
                ("x-amz-copy-source-range", range),
            ],
        }
    }

    pub(super) fn number(&self) -> &str {
        self.query.first().map_or("", |(_, value)| value)
    }

    /// Sends it once; `Err` when there was no answer.
    async fn send(&self, signer: &dyn Signer, http: &HttpClient) -> Result<(u16, String), Failure> {
        let mut options = SignedUrlOptions::new().with_query(self.query.clone());
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).map_err(|_| Failure::silent())?;
            options = options.with_signed_header(HeaderName::from_static(name), value);
        }
        let signed = signer.signed_url_opts(self.method.clone(), &self.path, SIGNED_FOR, &options);
        let url = signed.await.map_err(|error| Failure::of(&error))?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url.as_str().parse().map_err(|_| Failure::silent())?;
        request.headers_mut().extend(options.signed_headers.clone());
        let answer = http.execute(request).await.map_err(|_| Failure::silent())?;
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .bytes()
            .await
            .map_err(|_| Failure::silent())?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

impl Failure {
    fn silent() -> Self {
        Self {
            code: None,
            says: "the store gave no answer".to_owned(),
            status: None,
        }
    }

    /// Whether the same request may fare better.
    fn may_pass(&self) -> bool {
        match self.status {
            None => true,
            Some(status) => status == 429 || (status >= 500 && status != 501),
        }
    }
}

/// What lists answer with, as far as it is used.
mod answers {
    use super::{DateTime, Utc};
    use serde::Deserialize;

    /// [ListMultipartUploads](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html)
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub struct Uploads {
        #[serde(default)]
        pub is_truncated: bool,
        #[serde(default)]
        pub next_key_marker: Option<String>,
        #[serde(default)]
        pub next_upload_id_marker: Option<String>,
        #[serde(default, rename = "Upload")]
        pub uploads: Vec<Upload>,
    }

    /// [ListParts](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html)
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub struct Parts {
        #[serde(default)]
        pub is_truncated: bool,
        #[serde(default)]
        pub next_part_number_marker: Option<u32>,
        #[serde(default, rename = "Part")]
        pub parts: Vec<Part>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub struct Part {
        pub part_number: u32,
        pub size: u64,
        /// Not every server that lists parts names their tags.
        #[serde(default, rename = "ETag")]
        pub tag: Option<String>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub struct Upload {
        pub key: String,
        pub upload_id: String,
        pub initiated: DateTime<Utc>,
    }
}

impl CloudStorage {
    /// Sends a request and its repeats, and returns the good answer's body.
    pub(super) async fn ask(&self, ask: &Ask, doing: &str) -> Result<String, StorageError> {
        let answer = self.try_ask(ask).await;
        answer.map_err(|failure| failure.explain(&self.bucket, doing))
    }

    async fn try_ask(&self, ask: &Ask) -> Result<String, Failure> {
        let Client::S3(signer, http) = &self.client else {
            return Err(Failure::of_answer(501, ""));
        };
        let mut waits = WAITS.iter();
        loop {
            let failure = match ask.send(&**signer, http).await {
                // A copy that fails late has said 200 already.
                Ok((200..=299, body)) if !body.contains("<Error>") => return Ok(body),
                Ok((200..=299, body)) => Failure::of_answer(500, &body),
                Ok((status, body)) => Failure::of_answer(status, &body),
                Err(failure) => failure,
            };
            match waits.next() {
                Some(wait) if failure.may_pass() => tokio::time::sleep(*wait).await,
                _ => return Err(failure),
            }
        }
    }

    /// Whether the store still has this unfinished upload. A store that can't
    /// tell is taken at the marker's word.
    pub(super) async fn upload_exists(
        &self,
        path: &ObjectPath,
        id: &str,
    ) -> Result<bool, StorageError> {
        if !matches!(self.client, Client::S3(..)) {
            return Ok(true);
        }
        let query = vec![("uploadId", id.to_owned()), ("max-parts", "1".to_owned())];
        match self.try_ask(&Ask::get(path.clone(), query)).await {
            Ok(_) => Ok(true),
            // Some servers answer for an upload that is gone as if it were another's.
            Err(failure) if failure.is_gone() || failure.status == Some(403) => Ok(false),
            Err(failure) if failure.is_unknown() => Ok(true),
            Err(failure) => {
                Err(failure.explain(&self.bucket, &format!("look at the upload of {path}")))
            }
        }
    }

    /// Whether the store lists the parts of an unfinished upload.
    pub(super) async fn can_list_parts(
        &self,
        path: &ObjectPath,
        id: &str,
    ) -> Result<bool, StorageError> {
        match self.page_of_parts(path, id, 0).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_unknown() => Ok(false),
            Err(failure) => {
                Err(failure.explain(&self.bucket, &format!("list the parts of {path}")))
            }
        }
    }

    /// The parts of an unfinished upload, in order.
    pub(super) async fn list_parts(
        &self,
        path: &ObjectPath,
        id: &str,
    ) -> Result<Vec<Part>, StorageError> {
        let (mut parts, mut after) = (Vec::new(), 0);
        loop {
            let page = match self.page_of_parts(path, id, after).await {
                Ok(page) => page,
                // Some servers answer for an upload that is gone as if it were another's.
                Err(failure) if failure.is_gone() || failure.status == Some(403) => {
                    return Err(StorageError::Missing(format!(
                        "the unfinished upload of {path}"
                    )));
                }
                Err(failure) => {
                    return Err(failure.explain(&self.bucket, &format!("list the parts of {path}")));
                }
            };
            parts.extend(page.parts.into_iter().map(|part| Part {
                number: part.part_number.saturating_sub(1),
                offset: 0,
                size: part.size,
                tag: part.tag.unwrap_or_else(|| "\"\"".to_owned()),
            }));
            match page.next_part_number_marker {
                Some(next) if page.is_truncated && next > after => after = next,
                _ => return Ok(in_order(parts)),
            }
        }
    }

    async fn page_of_parts(
        &self,
        path: &ObjectPath,
        id: &str,
        after: u32,
    ) -> Result<answers::Parts, Failure> {
        let mut query = vec![("uploadId", id.to_owned())];
        if after > 0 {
            query.push(("part-number-marker", after.to_string()));
        }
        let body = self.try_ask(&Ask::get(path.clone(), query)).await?;
        quick_xml::de::from_str(&body).map_err(|error| Failure {
            code: None,
            says: format!("the list of parts can't be read: {error}"),
            status: Some(200),
        })
    }

    /// Unfinished uploads below the root that no marker names.
    pub(super) async fn find_strays(&self) -> Result<Vec<Stray>, StorageError> {
        let uploads = match self.unfinished().await {
            Ok(uploads) => uploads,
            Err(failure) if matches!(failure.status, Some(403 | 405 | 501)) => {
                tracing::debug!(bucket = %self.bucket, "the store does not list unfinished uploads");
                return Ok(Vec::new());
            }
            Err(failure) => return Err(failure.explain(&self.bucket, "list unfinished uploads")),
        };
        if uploads.is_empty() {
            return Ok(Vec::new());
        }
        // Listed before the markers are read: one that begins in between has no marker yet, and
        // is told by its age.
        let mut named = HashSet::new();
        let mut staged = self.list("staging");
        while let Some(meta) = staged.try_next().await? {
            if StageName::parse(&self.below_root(&meta.location)).is_some()
                && let Some(marker) = self.marker_at(&meta.location).await?
            {
                named.insert(marker.parts.id);
            }
        }
        Ok(uploads
            .into_iter()
            .filter(|stray| !named.contains(&stray.id))
            .collect())
    }

    async fn unfinished(&self) -> Result<Vec<Stray>, Failure> {
        let mut found = Vec::new();
        let mut markers: Option<(String, String)> = None;
        for folder in ["blobs", "staging"] {
            loop {
                let mut query = vec![
                    ("uploads", String::new()),
                    ("prefix", format!("{}/", self.at(folder))),
                ];
                if let Some((key, id)) = markers.take() {
                    query.extend([("key-marker", key), ("upload-id-marker", id)]);
                }
                let body = self
                    .try_ask(&Ask::get(ObjectPath::default(), query))
                    .await?;
                let page: answers::Uploads =
                    quick_xml::de::from_str(&body).map_err(|error| Failure {
                        code: None,
                        says: format!("the list of unfinished uploads can't be read: {error}"),
                        status: Some(200),
                    })?;
                let listed = page.uploads.into_iter().map(|upload| Stray {
                    name: self.below_root(&ObjectPath::from(upload.key)),
                    id: upload.upload_id,
                    since: upload.initiated,
                });
                // Not every server heeds the prefix.
                let ours = format!("{folder}/");
                found.extend(listed.filter(|stray| stray.name.starts_with(&ours)));
                match (
                    page.is_truncated,
                    page.next_key_marker,
                    page.next_upload_id_marker,
                ) {
                    (true, Some(key), id) => markers = Some((key, id.unwrap_or_default())),
                    _ => break,
                }
            }
        }
        Ok(found)
    }
}

/// A key as it stands in a header: every byte but the plain ones escaped.
fn encoded(path: &ObjectPath) -> String {
    let mut text = String::new();
    for byte in path.as_ref().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}
