//! Listing keys by prefix, page by page.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use openkey_capability::attenuation::MAX_RESOURCE;
use openkey_capability::caveat::ResourceSelector;
use openkey_capability::resource::{Resource, SpaceId};

use super::Call;
use crate::admission::admit;
use crate::allowance::{Allowance, Read, Taken};
use crate::allowed::{Allowed, Selected};
use crate::clock::Clock as _;
use crate::error::Error;
use crate::kept_time::KeptTime;
use crate::store::{Keys, Page, Statement, Store};

const LIMIT: &str = "x-tinycloud-limit";
const CURSOR: &str = "x-tinycloud-cursor";
const TRUNCATED: &str = "x-tinycloud-truncated";
const NEXT: &str = "x-tinycloud-next-cursor";
const MAX_LIMIT: u32 = 1000;
/// Bytes of a cursor that say whose it is.
const TAG: usize = 16;
/// Longest cursor that is read: that of the longest key, in Base64.
const MAX_CURSOR: usize = (TAG + MAX_RESOURCE).div_ceil(3) * 4;
/// Bytes of memory for one of a page's keys: as it is, and as JSON while that grows.
const EACH_BYTE: usize = 4;
/// Keys read at once when all are wanted: the answer is written as it is read, and no more of it is in memory,
/// 128 KiB of the longest keys.
const PAGE: u32 = 32;

pub(super) async fn list(call: &Call<'_>, keys: Keys, prefix: &str) -> Result<Response, Error> {
    super::etag::check_unconditional(call.headers)?;
    let limit = limit(call.headers)?;
    let after = match call.headers.get(CURSOR) {
        None => None,
        Some(cursor) => Some(read_cursor(call, prefix, limit, cursor)?),
    };
    admit(&call.node.store, call.authorised).await?;
    match limit {
        Some(limit) => page(call, prefix, &keys, limit, after).await,
        None => whole(call, keys, after).await,
    }
}

/// Which keys are listed. Keys that begin with a prefix may lie beside what was granted (`ab` beside
/// `a`): only those are shown that the grant and its selectors cover, as for every other ability.
pub(super) fn reach(allowed: &[Allowed<Selected>], prefix: &str) -> Keys {
    let key = || prefix.to_owned();
    let [Allowed { kept, held, .. }] = allowed else {
        return Keys::Only(key());
    };
    // below a path all that begins with the prefix lies below the path, too
    let ends_here = |path: &str| path == prefix && !path.ends_with('/');
    let is_wide = |held: &Resource| match held {
        Resource::Space(held) => !held.path().is_some_and(ends_here),
        _ => false,
    };
    let selectors = kept.selectors();
    let is_unrestricted = selectors.is_empty();
    let (mut wide, mut below) = (is_unrestricted, is_unrestricted);
    for selector in selectors {
        if let ResourceSelector::Prefix(path) = selector {
            wide |= !ends_here(path);
            below = true;
        }
    }
    if !below {
        Keys::Only(key())
    } else if wide && (held.is_empty() || held.iter().any(is_wide)) {
        Keys::With(key())
    } else {
        Keys::AtOrBelow(key())
    }
}

async fn page(
    call: &Call<'_>,
    prefix: &str,
    which: &Keys,
    limit: u32,
    after: Option<String>,
) -> Result<Response, Error> {
    let page = Page {
        after,
        limit: limit + 1,
    };
    let (mut taken, mut allowed) = (Taken::default(), Allowance::LEAST);
    let mut keys = loop {
        let page = page.clone();
        let read = call.node.store.keys(call.space, which, page, allowed);
        match read.await? {
            Read::All(keys) => break keys,
            Read::Larger(bytes) => allowed = taken.allow(bytes, bytes * EACH_BYTE).await?,
        }
    };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let truncated = keys.len() > wanted;
    keys.truncate(wanted);
    let text = serde_json::to_vec(&keys).map_err(std::io::Error::other)?;
    let mut response = json(Body::from(text), truncated);
    if let (true, Some(last)) = (truncated, keys.last()) {
        let cursor = cursor(call, prefix, limit, last);
        let value = HeaderValue::try_from(cursor).map_err(std::io::Error::other)?;
        response.headers_mut().insert(NEXT, value);
    }
    Ok(response)
}

/// All keys, however many: written while they are read, so that no list fills the memory.
async fn whole(call: &Call<'_>, which: Keys, after: Option<String>) -> Result<Response, Error> {
    let first = Page { after, limit: PAGE };
    let allowed = Allowance::OF_CONNECTION;
    let keys = call.node.store.keys(call.space, &which, first, allowed);
    let keys = keys.await?.all()?;
    if keys.len() < PAGE as usize {
        let text = serde_json::to_vec(&keys).map_err(std::io::Error::other)?;
        return Ok(json(Body::from(text), false));
    }
    let reading = Reading {
        rests: Rests {
            store: call.node.store.clone(),
            clock: call.node.clock(),
            chain: call.authorised.admission.chain.clone(),
            until_ms: call.authorised.admission.chain_expires_ms,
        },
        space: call.space.clone(),
        which,
        keys: Some(keys),
        after: None,
        has_begun: false,
        has_ended: false,
    };
    let pieces = stream::try_unfold(reading, |mut reading| async move {
        if reading.has_ended {
            return Ok::<_, std::io::Error>(None);
        }
        let keys = match reading.keys.take() {
            Some(keys) => keys,
            None => reading.more().await?,
        };
        let text = reading.text(keys).map_err(std::io::Error::other)?;
        Ok(Some((Bytes::from(text), reading)))
    });
    Ok(json(Body::from_stream(pieces.boxed()), false))
}

/// What a list rests on, which may end before the list does.
struct Rests {
    store: Arc<dyn Store>,
    clock: Arc<KeptTime>,
    chain: Vec<Statement>,
    until_ms: Option<i64>,
}

impl Rests {
    async fn check(&self) -> std::io::Result<()> {
        let known = self.store.revocations(&self.chain).await;
        let known = known.map_err(std::io::Error::other)?;
        let has_ended = self.until_ms.is_some_and(|end| self.clock.now_ms() > end);
        if has_ended || known.iter().any(Option::is_some) {
            let why = "what the list rests on was revoked or has ended";
            return Err(std::io::Error::other(why));
        }
        Ok(())
    }
}

/// A list that is written while it is read.
struct Reading {
    rests: Rests,
    space: SpaceId,
    which: Keys,
    /// What was read and is not written.
    keys: Option<Vec<String>>,
    after: Option<String>,
    has_begun: bool,
    has_ended: bool,
}

impl Reading {
    /// The next keys, if what the list rests on still holds.
    async fn more(&mut self) -> std::io::Result<Vec<String>> {
        let page = Page {
            after: self.after.take(),
            limit: PAGE,
        };
        let allowed = Allowance::OF_CONNECTION;
        let keys = self
            .rests
            .store
            .keys(&self.space, &self.which, page, allowed);
        let keys = keys.await.and_then(Read::all);
        // after they were read: none of them came later
        self.rests.check().await?;
        keys.map_err(std::io::Error::other)
    }

    /// The text of the next keys, with what stands around it in the whole list.
    fn text(&mut self, mut keys: Vec<String>) -> serde_json::Result<String> {
        self.has_ended = keys.len() < PAGE as usize;
        let mut text = serde_json::to_string(&keys)?;
        if !self.has_ended {
            text.pop();
        }
        if self.has_begun {
            let between = if keys.is_empty() { "" } else { "," };
            text.replace_range(..1, between);
        }
        self.has_begun = true;
        self.after = keys.pop();
        Ok(text)
    }
}

fn json(body: Body, truncated: bool) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let truncated = if truncated { "true" } else { "false" };
    headers.insert(TRUNCATED, HeaderValue::from_static(truncated));
    response
}

fn limit(headers: &HeaderMap) -> Result<Option<u32>, Error> {
    let Some(value) = headers.get(LIMIT) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    match number.filter(|limit| (1..=MAX_LIMIT).contains(limit)) {
        Some(limit) => Ok(Some(limit)),
        None => Err(Error::Bad(format!("{LIMIT} must be 1 to {MAX_LIMIT}"))),
    }
}

/// The last key of a page, tagged for whom and what the page was: nobody learns anything from a cursor,
/// but one that went astray must not look as if it worked.
fn cursor(call: &Call<'_>, prefix: &str, limit: u32, last: &str) -> String {
    let mut bytes = tag(call, prefix, limit, last).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(
    call: &Call<'_>,
    prefix: &str,
    limit: Option<u32>,
    value: &HeaderValue,
) -> Result<String, Error> {
    let bad = || Error::Bad("Invalid KV list cursor".to_owned());
    let limit = limit.ok_or_else(bad)?;
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= MAX_CURSOR)
        .ok_or_else(bad)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
    let (own, last) = bytes.split_first_chunk::<TAG>().ok_or_else(bad)?;
    let last = std::str::from_utf8(last).map_err(|_| bad())?;
    // the tag guards against mistakes, not secrets: time tells nothing that the holder does not know
    if *own == tag(call, prefix, limit, last) {
        Ok(last.to_owned())
    } else {
        Err(bad())
    }
}

fn tag(call: &Call<'_>, prefix: &str, limit: u32, last: &str) -> [u8; TAG] {
    // each part with its length before it: no two lists of parts are the same bytes
    let mut bytes = Vec::new();
    let space = call.space.to_string();
    for part in [
        call.authorised.invoker.as_str(),
        &space,
        prefix,
        &limit.to_string(),
        last,
    ] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let mut tag = [0; TAG];
    for (to, from) in tag.iter_mut().zip(call.node.keys.cursor_tag(&bytes)) {
        *to = from;
    }
    tag
}
