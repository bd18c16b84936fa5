use super::*;

fn with(changes: &[(&str, Value)]) -> Value {
    let mut body = asked(12 * MIB, 2);
    for (name, value) in changes {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(*name)),
            value => body[name] = value.clone(),
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_for_parts_says_what_is_wrong_and_stores_nothing() {
    let server = server("0").await;
    let cases = [
        ("parts", json!(0)),
        ("parts", json!(10_001)),
        ("parts", json!(3.5)),
        ("parts", json!(-1)),
        ("parts", json!("2")),
        ("parts", json!(1e300)),
        ("parts", json!(4)),
        ("parts", Value::Null),
        ("fileSize", json!(0)),
        ("fileSize", json!(1_u64 << 60)),
        ("fileSize", json!(12 * 1024 * 1024 * 1024_u64)),
        ("fileSize", Value::Null),
        ("fileName", json!("")),
        ("fileName", json!("../../etc/passwd")),
        ("fileName", json!("/etc/passwd")),
        ("fileName", json!("a\u{0}b")),
        ("fileName", json!("a\u{202e}b")),
        ("fileName", json!("con.txt")),
        ("fileName", json!("a".repeat(300))),
        ("fileName", Value::Null),
        ("contentType", json!("")),
        ("contentType", json!("text")),
        ("contentType", json!("text/pl\r\nain")),
        ("contentType", Value::Null),
        ("kind", json!("picture")),
        ("kind", Value::Null),
        ("url", json!("https://example.com/a")),
        ("huggingFaceModelName", json!("acme/tiny")),
        ("civitaiModelUrl", json!("https://civitai.com/models/1")),
        ("config", json!({ "sha256": "ab" })),
        ("config", json!({ "revision": "main" })),
        ("config", json!({ "include": ["*"] })),
        ("assetOptions", json!({ "show": true })),
        ("partSize", json!(5)),
    ];
    for (name, value) in cases {
        let body = with(&[(name, value)]);
        let answer = server.post("/v1/uploads", &body).await;
        assert!((400..500).contains(&answer.status), "{body}: {answer:?}");
        answer.assert_problem(answer.status, "invalid_request");
    }
    let of_a_model = with(&[
        ("kind", json!("model")),
        ("assetOptions", json!({ "hide": true })),
    ]);
    server
        .post("/v1/uploads", &of_a_model)
        .await
        .assert_problem(400, "invalid_request");
    assert_eq!(server.get("/v1/uploads").await.body["uploads"], json!([]));
    server.home.assert_holds_only(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_may_be_written_as_floats_and_every_kind_is_taken() {
    let server = server("0").await;
    let kinds = [
        "3d", "asset", "audio", "avatar", "image", "model", "text", "video",
    ];
    for kind in kinds {
        let body = with(&[
            ("kind", json!(kind)),
            ("fileSize", json!(12_582_912.0)),
            ("parts", json!(2.0)),
            ("fileName", json!("Mod\u{e8}le (1).bin")),
            ("contentType", json!("text/plain; charset=utf-8")),
        ]);
        let upload = server.post("/v1/uploads", &body).await.upload();
        assert_eq!(upload["kind"], kind);
        assert_eq!(upload["originalFileName"], body["fileName"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_plan_and_stores_nothing() {
    let server = server("0").await;
    let plan = server
        .post("/v1/uploads?dryRun=true", &asked(12 * MIB, 2))
        .await;
    assert_eq!(plan.status, 269, "{plan:?}");
    assert_eq!(plan.body["creativeUnitsCost"], 0);
    assert_eq!(plan.body["totalBytes"], 12 * MIB);
    assert_eq!(plan.body["artifacts"][0]["path"], "weights.bin");
    assert_eq!(server.get("/v1/uploads").await.body["uploads"], json!([]));
    server.home.assert_holds_only(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_refuses_a_file_before_its_bytes_move() {
    let home = Home::alone()
        .with("MODELFERRY_MAX_FILE_SIZE", "10 MiB")
        .with("MODELFERRY_KINDS", "asset");
    let server = Server::in_home(home, "0").await;
    server
        .post("/v1/uploads", &asked(12 * MIB, 2))
        .await
        .assert_problem(413, "too_large");
    server
        .post(
            "/v1/uploads",
            &with(&[("kind", json!("model")), ("fileSize", json!(6 * MIB))]),
        )
        .await
        .assert_problem(422, "not_allowed");
    server.home.assert_holds_only(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_too_many_open_is_told_to_complete_some() {
    let home = Home::alone().with("MODELFERRY_MAX_QUEUED", "2");
    let server = Server::in_home(home, "0").await;
    let first = open(&server, 3000, 1).await;
    open(&server, 3000, 1).await;
    server
        .post("/v1/uploads", &asked(3000, 1))
        .await
        .assert_problem(429, "rate_limited");
    act(&server, &first, "cancel").await.upload();
    open(&server, 3000, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_upload_in_parts_is_completed() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start(&hub, "0").await;
    let asked = json!({ "huggingFaceModelName": "acme/tiny" });
    let upload = server.post("/v1/uploads", &asked).await.upload();
    act(&server, &upload, "complete")
        .await
        .assert_problem(409, "invalid_request");
}
