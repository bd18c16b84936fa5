//! `/openapi.json`, from the code, and `/docs`, which shows it.

use axum::Json;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    credentials, entities, events, feed, lists, parts, request, sources, stats, syncs, uploads,
    webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "modelferry", description = "Imports models from Hugging Face, Civitai and any URL."),
    paths(
        uploads::create, uploads::list, uploads::retrieve, uploads::action, uploads::artifacts, events::stream, feed::stream,
        sources::one, sources::many, stats::stats, lists::models, lists::assets,
        credentials::put, credentials::list, credentials::remove,
        webhooks::secret, webhooks::rotate, webhooks::deliveries, webhooks::retry,
        entities::model, entities::model_file, entities::asset, entities::asset_file,
        syncs::create, syncs::list, syncs::retrieve, syncs::update, syncs::remove, syncs::run, syncs::runs,
        parts::put,
    ),
    components(schemas(request::UploadConfig)),
    security(("key" = [])),
    modifiers(&Keys),
)]
struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The description of this API.
pub(super) async fn document() -> impl IntoResponse {
    Json(Document::openapi())
}

/// A page for people; all of it is in the program.
pub(super) async fn page() -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    (
        [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, policy),
        ],
        include_str!("docs.html"),
    )
}
