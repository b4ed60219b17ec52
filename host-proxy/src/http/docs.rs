//! `/docs`: the typed requests, written from the very types the enclave reads. One HTML page
//! without scripts or anything from elsewhere.

use std::{
    fmt::{self, Write as _},
    sync::LazyLock,
};

use axum::response::Response;
use hyper::HeaderMap;
use openkey_protocol::message::{
    AccountReceipt, Answer, Call, Class, EvidenceBinding, GenesisTranscript, Reply, RootDescriptor,
    SecretOrder, UpgradeConsent, UpgradeWithdrawal,
};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{html, wire};
use crate::document::Document;

static PAGE: LazyLock<Document> = LazyLock::new(|| {
    let mut html = String::new();
    // writing to a string does not fail
    let _ = page(&mut html, &definitions());
    Document::new(html::MIME, html)
});

static MESSAGES: LazyLock<Document> = LazyLock::new(|| {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages of the OpenKey protocol; on the wire deterministic CBOR",
        "$defs": definitions(),
    });
    Document::new("application/json", schema.to_string())
});

pub(super) async fn docs(headers: HeaderMap) -> Response {
    html::with_policy(PAGE.respond(&headers))
}

/// The same as JSON Schema.
pub(super) async fn messages(headers: HeaderMap) -> Response {
    MESSAGES.respond(&headers)
}

/// Every type of the protocol, by name.
fn definitions() -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<Call>();
    generator.subschema_for::<Reply>();
    generator.subschema_for::<Class>();
    // these travel as bytes inside others
    generator.subschema_for::<EvidenceBinding>();
    generator.subschema_for::<Answer>();
    generator.subschema_for::<AccountReceipt>();
    generator.subschema_for::<GenesisTranscript>();
    generator.subschema_for::<RootDescriptor>();
    generator.subschema_for::<SecretOrder>();
    generator.subschema_for::<UpgradeConsent>();
    generator.subschema_for::<UpgradeWithdrawal>();
    let mut types = generator.take_definitions(true);
    types.values_mut().for_each(wire::names);
    types
}

fn page(html: &mut String, types: &Map<String, Value>) -> fmt::Result {
    let style = html::STYLE;
    write!(
        html,
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>OpenKey requests</title>\
         <style>{style}</style><main><h1>OpenKey requests</h1>\
         <p>Send the CBOR (RFC 8949, deterministic) of one <a href=\"#Call\">Call</a>, a \
         <a href=\"#Request\">Request</a> with a fresh random nonce, with <code>POST /api/v1/enclaves/ID/CLASS</code> and <code>Content-Type: application/cbor\
         </code>. The class is <code>evidence</code>, <code>sign-up</code> or <code>request</code> \
         (see <a href=\"#Class\">Class</a>). The answer, status 200, is the CBOR of one \
         <a href=\"#Reply\">Reply</a>, refusals of the enclave included; one that awaits its root \
         key travels with status 503. Any other status is the host's own and carries JSON.</p>\
         <p>A reply is an <a href=\"#Answer\">Answer</a> in its signed bytes, or one of the few \
         things that no enclave signs (<a href=\"#Bare\">Bare</a>). The answer names SHA-256 of \
         the call's bytes and its nonce; act on none that names others. A refusal outside of an \
         answer is the host's word.</p>\
         <p>Enumerations are tagged from outside: a variant without content is its name as a text \
         string, one with content a map of one entry. Keys are text. Bytes and identifiers are \
         byte strings. Members that are not listed are refused.</p>\
         <p>The host carries these bytes without reading them. Believe nothing it says about an \
         enclave: ask for evidence, verify it, and then check the signature of every answer.</p>\
         <p>Also as <a href=\"/docs/messages.json\">JSON Schema</a>; the HTTP routes are in \
         <a href=\"/openapi.json\">OpenAPI</a>.</p><h2>Types</h2>"
    )?;
    let first = ["Call", "Request", "Reply", "Answer"];
    let rest = types
        .keys()
        .map(String::as_str)
        .filter(|name| !first.contains(name));
    for name in first.into_iter().chain(rest) {
        if let Some(schema) = types.get(name) {
            section(html, name, schema)?;
        }
    }
    html.write_str("</main></html>")
}

fn section(html: &mut String, name: &str, schema: &Value) -> fmt::Result {
    write!(html, "<section id=\"{name}\"><h3>{name}</h3>")?;
    prose(html, schema)?;
    let variants = ["oneOf", "anyOf"]
        .into_iter()
        .find_map(|key| schema.get(key)?.as_array());
    if let Some(variants) = variants {
        html.write_str("<table><tr><th>Variant<th>Content<th>Meaning")?;
        for schema in variants {
            variant(html, schema)?;
        }
        html.write_str("</table>")?;
    } else if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        members(html, properties)?;
    } else {
        html.write_str("<p>")?;
        kind(html, schema)?;
        html.write_str("</p>")?;
    }
    html.write_str("</section>")
}

fn members(html: &mut String, properties: &Map<String, Value>) -> fmt::Result {
    html.write_str("<table><tr><th>Member<th>Type<th>Meaning")?;
    for (name, schema) in properties {
        write!(html, "<tr><td><code>{name}</code><td>")?;
        kind(html, schema)?;
        html.write_str("<td>")?;
        prose(html, schema)?;
        html.write_str("</tr>")?;
    }
    html.write_str("</table>")
}

fn variant(html: &mut String, schema: &Value) -> fmt::Result {
    let names = schema.get("const").into_iter();
    let names = names.chain(
        schema
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten(),
    );
    for name in names.filter_map(Value::as_str) {
        write!(html, "<tr><td><code>{name}</code><td><td>")?;
        prose(html, schema)?;
        html.write_str("</tr>")?;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, content) in properties.into_iter().flatten() {
        write!(html, "<tr><td><code>{name}</code><td>")?;
        match content.get("properties").and_then(Value::as_object) {
            Some(properties) => members(html, properties)?,
            None => kind(html, content)?,
        }
        html.write_str("<td>")?;
        prose(html, schema)?;
        html.write_str("</tr>")?;
    }
    Ok(())
}

/// A type in words.
fn kind(html: &mut String, schema: &Value) -> fmt::Result {
    if let Some(name) = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.rsplit('/').next())
    {
        return write!(html, "<a href=\"#{name}\">{name}</a>");
    }
    if let Some(all) = ["anyOf", "oneOf"]
        .into_iter()
        .find_map(|key| schema.get(key)?.as_array())
    {
        for (index, schema) in all.iter().enumerate() {
            html.write_str(if index > 0 { " or " } else { "" })?;
            kind(html, schema)?;
        }
        return Ok(());
    }
    if let Some(items) = schema.get("items") {
        html.write_str("array of ")?;
        return kind(html, items);
    }
    let one;
    let names = match schema.get("type") {
        Some(Value::Array(names)) => names.as_slice(),
        Some(name) => {
            one = [name.clone()];
            &one
        }
        None => return html.write_str("anything"),
    };
    let format = schema.get("format").and_then(Value::as_str);
    for (index, name) in names.iter().filter_map(Value::as_str).enumerate() {
        html.write_str(if index > 0 { " or " } else { "" })?;
        html.write_str(match (name, format) {
            ("string", Some("cbor-bytes")) => "byte string",
            ("string", _) => "text",
            ("integer", Some(format)) => format,
            (name, _) => name,
        })?;
    }
    Ok(())
}

/// A type's documentation, its code marks turned into HTML.
fn prose(html: &mut String, schema: &Value) -> fmt::Result {
    let text = schema.get("description").and_then(Value::as_str);
    let text = text.unwrap_or_default();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        html.write_str("<p>")?;
        for (index, part) in paragraph.split('`').enumerate() {
            let code = index % 2 == 1;
            html.write_str(if code { "<code>" } else { "" })?;
            for c in part.chars() {
                match c {
                    '<' => html.write_str("&lt;")?,
                    '>' => html.write_str("&gt;")?,
                    '&' => html.write_str("&amp;")?,
                    c => html.write_char(c)?,
                }
            }
            html.write_str(if code { "</code>" } else { "" })?;
        }
        html.write_str("</p>")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::description::openapi;

    fn text() -> &'static str {
        std::str::from_utf8(&PAGE.body).unwrap()
    }

    /// What is asked for again is the same bytes at the same place.
    #[tokio::test]
    async fn h1_documents_are_written_once() {
        async fn place(response: Response) -> *const u8 {
            let body = response.into_body().collect().await.unwrap();
            body.to_bytes().as_ptr()
        }
        let headers = HeaderMap::new;
        for (first, again) in [
            (docs(headers()).await, docs(headers()).await),
            (messages(headers()).await, messages(headers()).await),
            (openapi(headers()).await, openapi(headers()).await),
        ] {
            assert_eq!(place(first).await, place(again).await);
        }
    }

    #[test]
    fn every_request_and_every_type_is_described() {
        let page = text();
        let types = definitions();
        for name in types.keys() {
            assert!(page.contains(&format!("<section id=\"{name}\">")), "{name}");
        }
        for name in [
            "status",
            "evidence",
            "sign_up",
            "sign_up_finish",
            "sign_in",
            "propose",
            "passkey_created",
            "approve",
            "read",
        ] {
            assert!(page.contains(&format!("<code>{name}</code>")), "{name}");
        }
        let links = page
            .split("href=\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        for link in links {
            assert!(types.contains_key(link), "nothing at #{link}");
        }
    }

    #[test]
    fn no_name_of_the_source_is_left_in_the_words() {
        let constant =
            |word: &str| word.contains('_') && word.len() > 3 && !word.contains(char::is_lowercase);
        for document in [&*PAGE, &*MESSAGES] {
            let text = std::str::from_utf8(&document.body).unwrap();
            for forbidden in ["::", "[`", "`]"] {
                let at = text.find(forbidden);
                let around = at.and_then(|at| text.get(at.saturating_sub(60)..at + 60));
                assert_eq!(around, None, "{forbidden}");
            }
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let constants: Vec<&str> = words.filter(|word| constant(word)).collect();
            assert_eq!(constants, [""; 0]);
        }
        for said in [
            "<code>Request.propose</code>",
            "<code>Action.add_passkey</code>",
        ] {
            assert!(text().contains(said), "{said}");
        }
    }

    #[test]
    fn the_page_needs_no_script_and_nothing_from_elsewhere() {
        let page = text();
        for forbidden in [
            "<script", "http://", "https://", "src=", "<link", "@import", " style=",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}
