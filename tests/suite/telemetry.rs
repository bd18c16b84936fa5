//! Traces: from the request that asks to the worker's last step, sent to a
//! collector that listens on a real socket, and of no harm where none does.

use std::sync::{Arc, Mutex};

use modelferry_fixtures::{Content, Hub, PlainFile, Scene};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{Key, Server, until};
use crate::support::Home;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Takes what is sent to `/v1/traces`.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let taken = spans.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, taken.clone()));
            }
        });
        Self { url, spans }
    }

    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans.lock().unwrap();
        spans
            .iter()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }
}

async fn serve(stream: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push(line);
        }
        assert!(head[0].starts_with("post /v1/traces"), "{head:?}");
        assert!(
            head.contains(&"content-type: application/x-protobuf".to_owned()),
            "{head:?}"
        );
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        for group in request.resource_spans {
            let resource = group.resource.unwrap();
            assert!(
                resource
                    .attributes
                    .iter()
                    .any(|it| it.key == "service.name")
            );
            let sent = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.lock().unwrap().extend(sent);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.get_mut().write_all(answer).await.unwrap();
    }
}

async fn one_file() -> (Hub, String) {
    let file = PlainFile::new("/a.bin", Content::seeded(3, 1000));
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let url = format!("{}/a.bin?sig=s3cret", hub.files_url());
    (hub, url)
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_spans_join_the_trace_of_the_request() {
    let (hub, url) = one_file().await;
    let collector = Collector::start().await;
    let home = Home::of(&hub)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .with("OTEL_BSP_SCHEDULE_DELAY", "100");
    let server = Server::in_home(home, "0").await;
    let body = serde_json::json!({ "url": url, "kind": "asset" }).to_string();
    let request = server
        .request(reqwest::Method::POST, "/v1/uploads", &server.key)
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .body(body);
    let made = request.send().await.unwrap().text().await.unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let worker = server.home.start(&["worker", "--workers", "1"]);
    server.ended(&made["upload"]).await;
    worker.signal("TERM");
    let ran = tokio::task::spawn_blocking(|| worker.ended())
        .await
        .unwrap();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    until("the request is told of", async || {
        !collector.named("POST /v1/uploads").is_empty()
    })
    .await;
    let one = |name: &str| {
        let mut spans = collector.named(name);
        assert_eq!(spans.len(), 1, "{name}: {spans:?}");
        spans.remove(0)
    };
    let (request, upload) = (one("POST /v1/uploads"), one("upload"));
    assert_eq!(hex::encode(&request.parent_span_id), PARENT);
    assert_eq!(upload.parent_span_id, request.span_id);
    assert_eq!(
        attribute(&upload, "id").as_deref(),
        made["upload"]["id"].as_str()
    );
    for name in ["resolve", "transfer", "inspect", "publish"] {
        let step = one(name);
        assert_eq!(hex::encode(&step.trace_id), TRACE, "{name}");
        assert_eq!(step.parent_span_id, upload.span_id, "{name}");
    }
    assert_eq!(
        attribute(&one("transfer"), "bytes").as_deref(),
        Some("1000")
    );
    let all = format!("{:?}", collector.spans.lock().unwrap());
    for secret in ["s3cret", &server.key.secret] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upload_is_an_error_in_its_trace() {
    let (hub, _) = one_file().await;
    let collector = Collector::start().await;
    let home = Home::of(&hub)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .with("OTEL_BSP_SCHEDULE_DELAY", "100");
    let server = Server::in_home(home, "1").await;
    let upload = server.ask(&format!("{}/none.bin", hub.files_url())).await;
    server.ended(&upload).await;
    until("it is told of", async || {
        !collector.named("upload").is_empty()
    })
    .await;
    let span = collector.named("upload").remove(0);
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("not_found"));
    assert_eq!(span.status.unwrap().code(), StatusCode::Error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_disturbs_no_import() {
    let (hub, url) = one_file().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let home = Home::of(&hub).with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"));
    let _ = Key::make(&home, &[]);
    let ran = tokio::task::spawn_blocking(move || home.run(&["import", "--kind", "asset", &url]))
        .await
        .unwrap();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(
        ran.stderr.matches("traces are not taken").count(),
        1,
        "{ran:?}"
    );
}
