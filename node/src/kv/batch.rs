//! Several values at once.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::form::Form;
use super::put::{announced, check_size, write};
use super::upload::{Uploads, inline, peek};
use super::{Action, Call, ETag, replayed};
use crate::admission::admit;
use crate::asking;
use crate::blobs::Whole;
use crate::body::{FREE, json};
use crate::bound_body::failed;
use crate::error::Error;
use crate::store::{Change, Condition, Content, StoredValue};

/// Most values written or read at once: nearly as many resources as a token names.
const MAX_KEYS: usize = 1000;
/// Of several things that are not done together so many are named.
const NAMED: usize = 4;
/// Most bytes of all values of one answer, with their headers: they are in memory together.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Values that are read from the store at once: no more than these are in memory before their sizes are known.
const AT_ONCE: usize = 50;
/// Bytes of memory for one of a value in an answer: as it is, in base64, as JSON; and for one of its headers,
/// which are read into parts, and again for the answer.
const EACH_BYTE: u64 = 4;
const OF_HEADERS: u64 = 6;
/// Memory for a form that is large: its values that are small, and what of it waits.
const OF_FORM: usize = 8 * 1024 * 1024;

pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("multipart/")
    })
}

pub(super) async fn batch(
    call: &Call<'_>,
    targets: &[(Action, String)],
    body: Body,
) -> Result<Response, Error> {
    let actions: BTreeSet<u8> = targets.iter().map(|(action, _)| *action as u8).collect();
    let first = targets.first().map(|(action, _)| *action);
    let keys = || {
        targets
            .iter()
            .map(|(_, key)| key.clone())
            .collect::<Vec<_>>()
    };
    match first {
        Some(Action::Put) if actions.len() == 1 => put(call, keys(), body).await,
        Some(Action::Get) if actions.len() == 1 => read(call, keys(), true).await,
        Some(Action::Metadata) if actions.len() == 1 => read(call, keys(), false).await,
        _ if targets
            .iter()
            .all(|(it, _)| matches!(it, Action::Get | Action::Metadata)) =>
        {
            Err(Error::NotImplemented(
                "KV batch read takes kv/get or kv/metadata, not both".to_owned(),
            ))
        }
        _ => {
            let named = targets.iter().take(NAMED);
            let named: Vec<_> = named
                .map(|(action, key)| format!("{} on {key}", action.name()))
                .collect();
            Err(Error::Bad(format!(
                "KV batch takes several kv/put, or several kv/get, or several kv/metadata, not {} things: {}",
                targets.len(),
                named.join(", ")
            )))
        }
    }
}

async fn put(call: &Call<'_>, keys: Vec<String>, body: Body) -> Result<Response, Error> {
    super::etag::check_unconditional(call.headers)?;
    let bad = |text: String| Error::Bad(text);
    if !is_multipart(call.headers) {
        return Err(bad("KV batch put requires multipart/form-data".to_owned()));
    }
    if keys.len() > MAX_KEYS {
        return Err(too_many("put"));
    }
    let kind = call
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let boundary = kind.and_then(|kind| multer::parse_boundary(kind).ok());
    let boundary =
        boundary.ok_or_else(|| bad("KV batch put requires multipart/form-data".to_owned()))?;
    let mut pieces = body.into_data_stream();
    let peeked = peek(&mut pieces, announced(call.headers)).await?;
    let mut uploads = None;
    if !peeked.is_whole {
        asking::room(OF_FORM).await?;
        let any = keys.iter().map(|key| (key.clone(), Condition::Any));
        // the form is large, which does not say that its values are
        uploads = Some(Uploads::begin(call, any.collect(), 0).await?);
    }
    let form = stream::iter([Ok(peeked.first)]).chain(pieces.map_err(failed));
    let form = Form::new(form.boxed(), boundary);
    let received = receive(call, &mut uploads, &keys, form).await?;
    if let Some(missing) = keys.iter().find(|key| !received.contains_key(*key)) {
        return Err(bad(format!("KV batch put: no part for {missing}")));
    }
    let changes = received
        .into_iter()
        .map(|(key, value)| (key, Condition::Any, Change::Put(value)));
    match uploads {
        Some(uploads) => uploads.write(changes.collect()).await?,
        None => write(call, changes.collect(), false).await?,
    };
    let mut answer = json(&json!({ "written": keys, "count": keys.len() }))?;
    answer.extensions_mut().insert(asking::CarriedOut);
    Ok(answer)
}

/// The parts of a form, each the value of a key that was signed.
async fn receive(
    call: &Call<'_>,
    uploads: &mut Option<Uploads<'_>>,
    keys: &[String],
    mut parts: Form,
) -> Result<BTreeMap<String, StoredValue>, Error> {
    let bad = |text: String| Error::Bad(text);
    let signed: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
    let mut received: BTreeMap<String, StoredValue> = BTreeMap::new();
    while let Some(part) = parts.next().await? {
        let name = part
            .name()
            .ok_or_else(|| bad("KV batch put: a part without a name".to_owned()))?;
        let key = percent_decode_str(name).decode_utf8();
        let key = key.map_err(|_| {
            bad(format!(
                "KV batch put: the name of a part is not UTF-8: {name}"
            ))
        })?;
        // clients escape what a part's name cannot hold, escapes included; who does not is understood
        // where there is no doubt
        let key = [&*key, name]
            .into_iter()
            .find(|key| signed.contains(key))
            .map(str::to_owned);
        let key =
            key.ok_or_else(|| bad(format!("KV batch put: a part that was not signed: {name}")))?;
        if received.contains_key(&key) {
            return Err(bad(format!("KV batch put: a part twice: {key}")));
        }
        let headers = super::headers::kept_of_part(part.headers())?;
        let value = match uploads {
            Some(uploads) => {
                let pieces = parts.pieces(part).boxed();
                uploads.receive(pieces, 0, headers).await?
            }
            // the whole form is in memory
            None => {
                let all = parts.whole(part).await?;
                check_size(call, all.len() as u64)?;
                inline(all, headers)
            }
        };
        received.insert(key, value);
    }
    Ok(received)
}

fn too_many(what: &str) -> Error {
    Error::TooLarge(format!("KV batch {what} takes at most {MAX_KEYS} keys"))
}

async fn read(call: &Call<'_>, keys: Vec<String>, whole: bool) -> Result<Response, Error> {
    super::etag::check_unconditional(call.headers)?;
    if keys.len() > MAX_KEYS {
        return Err(too_many("read"));
    }
    admit(&call.node.store, call.authorised).await?;
    let mut results = Vec::with_capacity(keys.len());
    let mut size = 0_u64;
    for some in keys.chunks(AT_ONCE) {
        let values = call.node.store.values(call.space, some).await?;
        let (mut of_headers, mut of_values) = (0_u64, 0_u64);
        for value in values.iter().flatten() {
            of_headers = of_headers.saturating_add(value.headers.len() as u64);
            of_values = of_values.saturating_add(if whole { value.size } else { 0 });
        }
        size = size.saturating_add(of_headers).saturating_add(of_values);
        if size > MAX_ANSWER {
            return Err(Error::TooLarge(format!(
                "The values and what is stored with them have more than {MAX_ANSWER} bytes: ask for fewer"
            )));
        }
        if size > FREE as u64 {
            let room = (of_values.saturating_mul(EACH_BYTE))
                .saturating_add(of_headers.saturating_mul(OF_HEADERS));
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            asking::room(room).await?;
        }
        for (key, value) in some.iter().zip(values) {
            results.push(match value {
                Some(value) => item(call, key, value, whole).await?,
                None => json!({
                    "key": key,
                    "ok": false,
                    "error": { "code": "KV_NOT_FOUND", "message": format!("Key not found: {key}") },
                }),
            });
        }
    }
    json(&json!({ "results": results }))
}

async fn item(call: &Call<'_>, key: &str, value: StoredValue, whole: bool) -> Result<Value, Error> {
    let mut headers = Map::new();
    for (name, value) in &replayed(&value.headers)? {
        headers.insert(name.to_string(), value.to_str().unwrap_or_default().into());
    }
    headers.insert("etag".to_owned(), ETag(value.hash).to_string().into());
    if !whole {
        return Ok(json!({ "key": key, "ok": true, "headers": headers }));
    }
    headers.insert("content-length".to_owned(), value.size.to_string().into());
    let whole = Whole::new(value.hash, &call.node.signs);
    let bytes = match value.content {
        Content::Inline(bytes) => {
            whole.check(&bytes)?;
            bytes.to_vec()
        }
        Content::Blob(name) => {
            let mut pieces = whole.of(call.node.blobs.read(&name, 0..value.size).await?);
            let mut all = Vec::new();
            while let Some(piece) = pieces.next().await {
                all.extend_from_slice(&piece?);
            }
            all
        }
    };
    Ok(json!({ "key": key, "ok": true, "dataBase64": STANDARD.encode(bytes), "headers": headers }))
}
