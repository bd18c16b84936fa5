//! An S3 server in the test's process: it checks signatures, remembers what it
//! was asked, and fails when it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use modelferry::storage::cloud::{CloudStorage, Tuning};
use modelferry::storage::{Place, Storage, Variables};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

pub const KEY: &str = "AKTEST";
pub const SECRET: &str = "test-secret";

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this and goes no further.
    Answer(u16, &'static str),
    /// It is carried out, and then answered with this.
    Afterwards(u16, &'static str),
}

/// Orders a fault for the requests that a test picks: method and path with query.
type Order = Box<dyn FnMut(&str, &str) -> Option<Fault> + Send>;

#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    order: Option<Order>,
}

#[derive(Clone)]
struct Desk {
    service: S3Service,
    seen: Arc<Mutex<Seen>>,
}

pub struct Server {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    seen: Arc<Mutex<Seen>>,
    _serving: AbortOnDropHandle<()>,
}

/// A bucket's address with the variables that open it.
#[derive(Clone)]
pub struct Address {
    pub place: Place,
    pub variables: BTreeMap<String, String>,
    pub tuning: Tuning,
}

impl Address {
    pub fn new(endpoint: &str, bucket: &str, key: &str, secret: &str) -> Self {
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
        ];
        Self {
            place: Place::parse(&format!("s3://{bucket}/some/folder")).unwrap(),
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            tuning: Tuning::default(),
        }
    }

    pub fn open(&self) -> Arc<dyn Storage> {
        let Place::Bucket(bucket) = &self.place else {
            panic!("{} is no bucket", self.place);
        };
        let variables = Variables::gather(&self.variables);
        Arc::new(CloudStorage::open(bucket, &variables, self.tuning.clone()).unwrap())
    }
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let desk = Desk {
            service: builder.build(),
            seen: Arc::default(),
        };
        let seen = desk.seen.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(desk);
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            folder,
            seen,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    pub fn place(&self, bucket: &str) -> Address {
        std::fs::create_dir_all(self.folder.path().join(bucket)).unwrap();
        Address::new(&self.endpoint(), bucket, KEY, SECRET)
    }

    /// Has every request decided on from now.
    pub fn order(&self, order: impl FnMut(&str, &str) -> Option<Fault> + Send + 'static) {
        self.seen.lock().unwrap().order = Some(Box::new(order));
    }

    /// The requests so far, as `METHOD path?query`; none of them is told again.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap().requests)
    }

    /// The objects of a bucket, by their names.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        let root = self.folder.path().join(bucket);
        let mut names = Vec::new();
        walk(&root, &mut |path| {
            names.push(
                path.strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
        });
        names.sort();
        names
    }

    /// The parts of unfinished uploads that the server still keeps.
    pub fn parts(&self) -> usize {
        let mut parts = 0;
        walk(self.folder.path(), &mut |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy();
            parts += usize::from(name.contains(".upload_id-") || name.contains(".part-"));
        });
        parts
    }

    /// An object's bytes.
    pub fn read(&self, bucket: &str, object: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(bucket).join(object)).unwrap()
    }

    /// Changes an object behind everybody's back.
    pub fn change(&self, bucket: &str, object: &str, change: impl FnOnce(&mut [u8])) {
        let mut bytes = self.read(bucket, object);
        change(&mut bytes);
        std::fs::write(self.folder.path().join(bucket).join(object), bytes).unwrap();
    }
}

fn walk(folder: &Path, found: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found(&path);
        }
    }
}

async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let fault = {
        let mut seen = desk.seen.lock().unwrap();
        seen.requests.push(format!("{method} {uri}"));
        seen.order.as_mut().and_then(|order| order(&method, &uri))
    };
    let told = |status: u16, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>As ordered.</Message></Error>");
        (StatusCode::from_u16(status).unwrap(), body).into_response()
    };
    if let Some(Fault::Answer(status, code)) = fault {
        return told(status, code);
    }
    let answered = desk
        .service
        .call(request.map(s3s::Body::http_body_unsync))
        .await;
    match (fault, answered) {
        (Some(Fault::Afterwards(status, code)), _) => told(status, code),
        (_, Ok(response)) => response.map(Body::new),
        (_, Err(error)) => panic!("the S3 server broke: {error:?}"),
    }
}

/// Asks with no credentials, as a client with a signed URL does.
pub async fn ask(method: &str, url: &str, body: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .unwrap()
        .unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    (status, headers.collect(), answer[end + 4..].to_vec())
}
