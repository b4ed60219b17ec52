//! `/openapi.json`: the host's own routes, and the opaque one.

use std::sync::LazyLock;

use axum::response::Response;
use hyper::HeaderMap;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    failure::FailureBody,
    own::{Enclaves, Health, PageConfig, Ready},
};
use crate::{config::MAX_ROUTING_ID, document::Document};

static DOCUMENT: LazyLock<Document> =
    LazyLock::new(|| Document::new("application/json", document().to_string()));

pub(super) async fn openapi(headers: HeaderMap) -> Response {
    DOCUMENT.respond(&headers)
}

/// OpenAPI 3.1, whose schemas are JSON Schema as it is.
fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let mut schema = Schemas(&mut generator);
    let paths = json!({
        "/api/v1/enclaves/{id}/{class}": { "post": carry(&mut schema) },
        "/api/v1/enclaves": { "get": {
            "summary": "The enclaves requests can be carried to",
            "responses": { "200": schema.json::<Enclaves>("Their routing ids and whether they can be used") },
        }},
        "/config.json": { "get": {
            "summary": "What the page needs to know; nothing in it makes the page accept anything",
            "responses": { "200": schema.json::<PageConfig<'static>>("The page's configuration") },
        }},
        "/releases.json": { "get": {
            "summary": "The signed release manifests of this deployment; each counts under the release keys of the page's anchor only",
            "responses": { "200": text("application/json", "A list of releases (docs/verify.md)") },
        }},
        "/healthz": { "get": {
            "summary": "Whether the process is alive",
            "responses": { "200": schema.json::<Health>("It is") },
        }},
        "/readyz": { "get": {
            "summary": "Whether requests can be served: the store takes writes, the enclaves answer and have their root key",
            "responses": {
                "200": schema.json::<Ready>("They can"),
                "503": schema.json::<Ready>("They cannot, and why"),
            },
        }},
        "/openapi.json": { "get": {
            "summary": "This description",
            "responses": { "200": text("application/json", "OpenAPI 3.1") },
        }},
        "/docs": { "get": {
            "summary": "The typed requests inside the opaque ones",
            "responses": { "200": text("text/html", "A page without scripts") },
        }},
        "/docs/messages.json": { "get": {
            "summary": "The same as JSON Schema",
            "responses": { "200": text("application/json", "JSON Schema 2020-12") },
        }},
    });
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "OpenKey host",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The untrusted half of an OpenKey deployment. It carries opaque \
                requests to enclaves; what is inside is described at /docs.",
        },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn carry(schema: &mut Schemas<'_>) -> Value {
    let cbor = json!({ "application/cbor": { "schema": {
        "type": "string", "contentMediaType": "application/cbor",
    }}});
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The enclave's reply, refusals included: CBOR of a Reply",
            "content": cbor,
        }),
    );
    for (status, meaning) in [
        (
            "400",
            "The request has more than one reading, no body, or came too slowly",
        ),
        (
            "403",
            "The request was sent under a foreign name or by a foreign page",
        ),
        ("404", "No such enclave or class"),
        ("405", "Not asked with POST"),
        ("413", "The body is too large"),
        ("415", "The body is not declared as plain CBOR"),
        (
            "429",
            "Too many requests from this address; see Retry-After",
        ),
        (
            "503",
            "Too many requests at once, or the enclave is not there; see Retry-After. As CBOR: the \
             enclave's own reply that its root key is awaited",
        ),
        ("504", "The enclave did not answer in time"),
    ] {
        let response = schema.json::<FailureBody<'static>>(meaning);
        responses.insert(status.to_owned(), response);
    }
    if let Some(content) = responses
        .get_mut("503")
        .and_then(|response| response.get_mut("content"))
        .and_then(Value::as_object_mut)
    {
        let reply = cbor.get("application/cbor").cloned().unwrap_or_default();
        content.insert("application/cbor".to_owned(), reply);
    }
    json!({
        "summary": "Carries one opaque request to an enclave",
        "description": "The host knows routing id, size and class, and reads nothing else.",
        "parameters": [
            {
                "name": "id", "in": "path", "required": true,
                "description": "Routing id of the enclave",
                "schema": { "type": "string", "pattern": "^[a-z0-9-]+$", "maxLength": MAX_ROUTING_ID },
            },
            {
                "name": "class", "in": "path", "required": true,
                "description": "Class of the request; the enclave refuses one under a class not its own",
                "schema": { "type": "string", "enum": ["evidence", "sign-up", "request"] },
            },
        ],
        "requestBody": {
            "required": true,
            "description": "Deterministic CBOR of a Request, with Content-Length",
            "content": cbor,
        },
        "responses": responses,
    })
}

struct Schemas<'a>(&'a mut schemars::SchemaGenerator);

impl Schemas<'_> {
    fn json<T: JsonSchema>(&mut self, description: &str) -> Value {
        json!({
            "description": description,
            "content": { "application/json": { "schema": self.0.subschema_for::<T>() } },
        })
    }
}

fn text(mime: &str, description: &str) -> Value {
    json!({
        "description": description,
        "content": { mime: { "schema": { "type": "string" } } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` leads somewhere.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
