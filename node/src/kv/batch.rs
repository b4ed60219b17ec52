//! Several values at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, json};

use super::form::Form;
use super::get::unread;
use super::put::{announced, check_size, write};
use super::upload::{Uploads, inline, peek};
use super::{Action, Call, ETag, replayed};
use crate::admission::admit;
use crate::allowance::{Allowance, Read, Taken};
use crate::asking;
use crate::blobs::Whole;
use crate::body::{FREE, json, json_text};
use crate::bound_body::failed;
use crate::error::Error;
use crate::store::{Change, Condition, Content, Extent, StoredValue};

/// Most values written or read at once: nearly as many resources as a token names.
const MAX_KEYS: usize = 1000;
/// Of several things that are not done together so many are named.
const NAMED: usize = 4;
/// Most bytes of all values of one answer, with their headers: they are in memory together.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Values that are read from the store at once.
const AT_ONCE: usize = 50;
/// Bytes of memory for one of a value in an answer, or of what is stored with it: as it is, and in base64 as JSON.
const EACH_BYTE: u64 = 2;
/// Bytes that an answer has around each value, about.
const AROUND: usize = 200;
/// Memory for a form that is large: its values that are small, and what of it waits.
const OF_FORM: usize = 8 * 1024 * 1024;
/// And, of so many bytes at once, for the headers of its parts: as they are, and while they are stored.
const OF_PARTS: usize = 256 * 1024;
const EACH_OF_PARTS: usize = 2;

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
    let (mut of_parts, mut counted) = (0, 0);
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
                of_parts += key.len() + headers.len();
                if of_parts > counted {
                    asking::room(OF_PARTS * EACH_OF_PARTS).await?;
                    counted += OF_PARTS;
                }
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
    let store = &call.node.store;
    let mut answer = Answer::new(call, whole);
    // how large all of them are
    let all = store.values(call.space, &keys, whole, Allowance::LEAST);
    let mut left = match all.await? {
        Read::All(values) if bytes(extent(&values, whole)) <= FREE as u64 => {
            answer.add(&keys, values).await?;
            return answer.done();
        }
        Read::All(values) => bytes(extent(&values, whole)),
        Read::Larger(extent) => bytes(extent),
    };
    let (mut done, mut taken) = (0_u64, Taken::default());
    for some in keys.chunks(AT_ONCE) {
        let values = loop {
            let allowed = room(&mut taken, done, left).await?;
            answer.reserve(&keys, left);
            let (extent, values) = match store.values(call.space, some, whole, allowed).await? {
                Read::All(values) => (extent(&values, whole), Some(values)),
                Read::Larger(extent) => (extent, None),
            };
            let bytes = bytes(extent);
            if let Some(values) = values.filter(|_| bytes <= left) {
                (done, left) = (done + bytes, left - bytes);
                break values;
            }
            // they have grown meanwhile
            left = bytes;
        };
        answer.add(some, values).await?;
    }
    answer.done()
}

/// Room for an answer of which so much is done, and so much is left.
async fn room(taken: &mut Taken, done: u64, left: u64) -> Result<Allowance, Error> {
    let all = done.saturating_add(left);
    if all > MAX_ANSWER {
        return Err(Error::TooLarge(format!(
            "The values and what is stored with them have more than {MAX_ANSWER} bytes: ask for fewer"
        )));
    }
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    taken.allow(size(left), size(all * EACH_BYTE)).await
}

fn bytes(extent: Extent) -> u64 {
    extent.values.saturating_add(extent.headers)
}

/// How large values are that were read, those in blobs included.
fn extent(values: &[Option<StoredValue>], contents: bool) -> Extent {
    let mut extent = Extent::default();
    for value in values.iter().flatten() {
        extent.headers = extent.headers.saturating_add(value.headers.len() as u64);
        extent.values = extent
            .values
            .saturating_add(if contents { value.size } else { 0 });
    }
    extent
}

/// An answer that is written value by value, so that no more of it is in memory than what it is, and those that
/// it is made of next.
struct Answer<'a> {
    call: &'a Call<'a>,
    whole: bool,
    text: Vec<u8>,
}

impl<'a> Answer<'a> {
    fn new(call: &'a Call<'a>, whole: bool) -> Self {
        Self {
            call,
            whole,
            text: b"{\"results\":[".to_vec(),
        }
    }

    /// Has as much memory for the text at once as it will take; what is not written to is not used.
    fn reserve(&mut self, keys: &[String], left: u64) {
        if self.text.capacity() < FREE {
            let of_keys: usize = keys.iter().map(|key| key.len() + AROUND).sum();
            let left = usize::try_from(left).unwrap_or(0);
            self.text.reserve_exact(of_keys + left + left / 3);
        }
    }

    async fn add(
        &mut self,
        keys: &[String],
        values: Vec<Option<StoredValue>>,
    ) -> Result<(), Error> {
        for (key, value) in keys.iter().zip(values) {
            if !self.text.ends_with(b"[") {
                self.text.push(b',');
            }
            match value {
                Some(value) => self.item(key, value).await?,
                None => self.json(&json!({
                    "key": key,
                    "ok": false,
                    "error": { "code": "KV_NOT_FOUND", "message": format!("Key not found: {key}") },
                }))?,
            }
        }
        Ok(())
    }

    async fn item(&mut self, key: &str, value: StoredValue) -> Result<(), Error> {
        let mut headers = Map::new();
        for (name, value) in &replayed(&value.headers)? {
            headers.insert(name.to_string(), value.to_str().unwrap_or_default().into());
        }
        headers.insert("etag".to_owned(), ETag(value.hash).to_string().into());
        self.text.extend_from_slice(b"{\"key\":");
        self.json(&key)?;
        self.text.extend_from_slice(b",\"ok\":true");
        if self.whole {
            headers.insert("content-length".to_owned(), value.size.to_string().into());
            self.text.extend_from_slice(b",\"dataBase64\":\"");
            self.data(value).await?;
            self.text.push(b'"');
        }
        self.text.extend_from_slice(b",\"headers\":");
        self.json(&headers)?;
        self.text.push(b'}');
        Ok(())
    }

    async fn data(&mut self, value: StoredValue) -> Result<(), Error> {
        let node = self.call.node;
        let whole = Whole::new(value.hash, &node.signs);
        let mut text = EncoderWriter::new(&mut self.text, &STANDARD);
        match value.content {
            Content::Inline(bytes) => {
                whole.check(&bytes)?;
                text.write_all(&bytes)?;
            }
            Content::Unread => return Err(unread()),
            Content::Blob(name) => {
                let mut pieces = whole.of(node.blobs.read(&name, 0..value.size).await?);
                while let Some(piece) = pieces.next().await {
                    text.write_all(&piece?)?;
                }
            }
        }
        text.finish()?;
        Ok(())
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        Ok(serde_json::to_writer(&mut self.text, value).map_err(std::io::Error::other)?)
    }

    fn done(mut self) -> Result<Response, Error> {
        self.text.extend_from_slice(b"]}");
        Ok(json_text(self.text))
    }
}
