//! Signed URLs: the right to read one value for a short time, for whoever has the URL.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openkey_capability::ability::Ability;
use openkey_capability::resource::{SpaceId, SpaceResource};
use serde::{Deserialize, Serialize};

use crate::admission::{admit, authorise, explain_revoked, signed};
use crate::allowed::Selected;
use crate::authority::Revocations;
use crate::body;
use crate::bound_body::bound;
use crate::delegation::iso;
use crate::error::Error;
use crate::kv::{self, ETag, IfNoneMatch, Reading};
use crate::node::Node;
use crate::standing::Standing;
use crate::store::Ticket;

/// Longest life of a URL, in seconds.
const MAX_TTL: u64 = 300;
const GET: &str = "tinycloud.kv/get";
/// Bytes of a ticket: it cannot be guessed.
const TICKET: usize = 32;
const CACHE: HeaderValue = HeaderValue::from_static("private, no-store");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    space: String,
    path: String,
    #[serde(alias = "ttl_seconds")]
    ttl_seconds: Option<u64>,
    #[serde(alias = "content_hash")]
    content_hash: Option<String>,
    etag: Option<String>,
    #[serde(alias = "max_uses")]
    max_uses: Option<serde_json::Value>,
}

/// The answer of `POST /signed/kv`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedUrl {
    url: String,
    ticket_id: String,
    expires_at: String,
}

/// Makes a URL for one value, as it is now.
///
/// # Errors
///
/// [`Error`]: the first rule that the request breaks.
pub async fn issue(
    node: &Node,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<SignedUrl, Error> {
    let now_ms = node.now_ms();
    let signed = signed(headers, now_ms, node.config.longest_invocation_ms())?;
    let authorised = authorise(&node.authority, &signed, Revocations::Asked, now_ms).await?;
    let body = bound(body, headers, signed.ucan.facts())?;
    let body = body::read(body, body::SMALL).await?;
    let body: Body = serde_json::from_slice(&body)
        .map_err(|error| Error::Bad(format!("Invalid request: {error}")))?;
    if body.max_uses.is_some() {
        return Err(Error::Bad("maxUses is not supported".to_owned()));
    }
    let bad = |what: &str| Error::Bad(what.to_owned());
    let space = SpaceId::parse(&body.space).map_err(|_| bad("Invalid space ID"))?;
    let path = Some(body.path.as_str()).filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| bad("Invalid path"))?;
    let wanted = SpaceResource::new(space.clone(), kv::SERVICE, Some(path))
        .map_err(|_| bad("Invalid path"))?;
    if wanted.path() != Some(path) {
        return Err(bad("Invalid path"));
    }
    let get = Ability::parse(GET).ok();
    let reads = get.and_then(|get| authorised.grants.within::<Selected>(&get, &wanted));
    if reads.is_none() {
        return Err(Error::Forbidden(
            "signed URL scope is not authorized".to_owned(),
        ));
    }
    let pinned = pinned(&body)?;
    // one token makes one URL
    if let Err(error) = admit(&node.store, &authorised).await {
        return Err(explain_revoked(&node.authority, &signed, now_ms, error).await);
    }
    let value = node.store.value(&space, path).await?;
    // its content is not held while the URL is kept
    let hash = value.map(|value| value.hash);
    let hash = hash.ok_or_else(|| Error::NotFound("Key not found".to_owned()))?;
    if pinned.is_some_and(|pinned| pinned != hash) {
        return Err(Error::Precondition(
            "The value is not the one that was asked for".to_owned(),
        ));
    }
    let ttl = body.ttl_seconds.unwrap_or(MAX_TTL).min(MAX_TTL);
    let ttl_ms = i64::try_from(ttl.saturating_mul(1000)).unwrap_or(i64::MAX);
    let until_ms = now_ms
        .saturating_add(ttl_ms)
        .min(authorised.admission.last_ms());
    if until_ms <= now_ms {
        return Err(Error::Unauthorized(
            "signed URL expired immediately".to_owned(),
        ));
    }
    let mut ticket = [0; TICKET];
    getrandom::fill(&mut ticket).map_err(std::io::Error::other)?;
    let id = *blake3::hash(&ticket).as_bytes();
    let standing = Standing::of(space.owner(), &authorised.invoker, &authorised.links);
    let issued = Ticket {
        id,
        space,
        key: path.to_owned(),
        hash,
        until_ms,
        chain: authorised.admission.chain.clone(),
    };
    let issued = node.store.issue(issued, standing).await;
    if let Err(error) = issued {
        return Err(explain_revoked(&node.authority, &signed, now_ms, error.into()).await);
    }
    Ok(SignedUrl {
        url: format!("/signed/kv/{}", URL_SAFE_NO_PAD.encode(ticket)),
        ticket_id: hex::encode(id),
        expires_at: iso(until_ms),
    })
}

/// The value that the URL is for, if the request names it.
fn pinned(body: &Body) -> Result<Option<[u8; 32]>, Error> {
    let bad = |what: &str| Error::Bad(what.to_owned());
    let hash = match &body.content_hash {
        None => None,
        Some(text) => {
            let digits = text.strip_prefix("blake3-").unwrap_or(text);
            let mut hash = [0; 32];
            let read = hex::decode_to_slice(digits, &mut hash);
            read.map_err(|_| bad("contentHash must be a blake3 hex digest"))?;
            Some(hash)
        }
    };
    let etag = match &body.etag {
        None => None,
        Some(text) => Some(
            ETag::parse(text)
                .ok_or_else(|| bad("etag must be a strong blake3 tag"))?
                .0,
        ),
    };
    match (hash, etag) {
        (Some(hash), Some(etag)) if hash != etag => {
            Err(bad("contentHash and ETag must identify the same object"))
        }
        (hash, etag) => Ok(hash.or(etag)),
    }
}

/// Reads what a URL is for.
///
/// # Errors
///
/// [`Error`].
pub async fn read(node: &Node, ticket: &str, headers: &HeaderMap) -> Result<Response, Error> {
    let unauthorised = |what: &str| Error::Unauthorized(what.to_owned());
    let shown = URL_SAFE_NO_PAD.decode(ticket).ok();
    let shown: [u8; TICKET] = shown
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| unauthorised("signed URL is invalid"))?;
    let ticket = node.store.ticket(blake3::hash(&shown).as_bytes()).await?;
    let ticket = ticket.ok_or_else(|| unauthorised("signed URL ticket not found"))?;
    if ticket.until_ms < node.now_ms() {
        return Err(unauthorised("signed URL expired"));
    }
    let revoked = node.store.revocations(&ticket.chain).await?;
    if revoked.iter().any(Option::is_some) {
        return Err(unauthorised(
            "signed URL is invalid: what it rests on was revoked",
        ));
    }
    let value = node.store.value(&ticket.space, &ticket.key).await?;
    let value = value.ok_or_else(|| Error::NotFound("Key not found".to_owned()))?;
    if value.hash != ticket.hash {
        return Err(Error::Precondition(
            "The value has changed since the URL was made".to_owned(),
        ));
    }
    let etag = ETag(value.hash);
    if IfNoneMatch::of(headers).is_some_and(|tags| tags.names(etag)) {
        return Ok(kv::not_modified(etag, CACHE));
    }
    let reading = Reading {
        part: kv::wanted(headers, value.size, etag)?,
        headers: kv::replayed(&value.headers)?,
        cache: CACHE,
    };
    let mut response = kv::content(node, value, reading).await?;
    guard(response.headers_mut());
    Ok(response)
}

/// What was stored by somebody must not act in this origin's name when a browser opens it.
pub(crate) fn guard(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
}
