//! The shape of a token: which keys there are, and what their values must be.

use core::num::NonZeroU64;

use super::cbor::{self, Map, Node};
use super::{CacaoError, SIGNATURE};
use crate::address::AddressBytes;
use crate::did::Did;
use crate::siwe::{Field, Fields, MAX_NONCE, MAX_RESOURCES, Timestamp};
use crate::uri::{self, UriError};

/// `h.t`: the payload is a sign-in message.
const MESSAGE_KIND: &str = "eip4361";
/// `s.t`: the signature is an account's, over the text under the ERC-191 prefix.
const SIGNATURE_KIND: &str = "eip191";

/// The moments of a token, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) issued_at: Timestamp,
    pub(super) expires: Option<Timestamp>,
    pub(super) not_before: Option<Timestamp>,
}

/// Reads the fields and the signature of a token; the caller checks the fields.
pub(super) fn read(bytes: &[u8]) -> Result<(Fields, [u8; SIGNATURE]), CacaoError> {
    let token = cbor::decode(bytes)?;
    let token = map("the token", Some(&token))?;
    only(token, &["h", "p", "s"])?;
    let header = map("h", token.get("h"))?;
    only(header, &["t"])?;
    let signature = map("s", token.get("s"))?;
    only(signature, &["s", "t"])?;
    if text(header, "t")? != MESSAGE_KIND || text(signature, "t")? != SIGNATURE_KIND {
        return Err(CacaoError::Kind);
    }
    let signature = match signature.get("s") {
        Some(Node::Bytes(bytes)) => *bytes,
        Some(_) => return Err(CacaoError::Type("s")),
        None => return Err(CacaoError::Missing("s")),
    };
    let signature = signature
        .try_into()
        .map_err(|_| CacaoError::SignatureLength)?;
    Ok((fields(map("p", token.get("p"))?)?, signature))
}

fn fields(payload: &Map<'_>) -> Result<Fields, CacaoError> {
    match payload.get("version") {
        Some(Node::Unsigned(1)) => {}
        Some(_) => return Err(CacaoError::Version),
        None => return Err(CacaoError::Missing("version")),
    }
    let owned = |name| text(payload, name).map(str::to_owned);
    let optional = |name| optional_text(payload, name).map(|text| text.map(str::to_owned));
    let (chain_id, address) = account(text(payload, "iss")?).ok_or(CacaoError::Issuer)?;
    // Programs disagree on the spelling.
    let request_id = match (optional("request_id")?, optional("requestId")?) {
        (Some(_), Some(_)) => return Err(CacaoError::Duplicate),
        (one, other) => one.or(other),
    };
    let resources = match payload.get("resources") {
        None | Some(Node::Null) => None,
        Some(Node::List(list)) => {
            if list.len() > MAX_RESOURCES {
                return Err(CacaoError::TooManyResources);
            }
            let texts = list.iter().map(|node| match node {
                Node::Text(text) => Ok((*text).to_owned()),
                _ => Err(CacaoError::Type("resources")),
            });
            let texts = texts.collect::<Result<Vec<_>, _>>()?;
            // The text that was signed lists none.
            (!texts.is_empty()).then_some(texts)
        }
        Some(_) => return Err(CacaoError::Type("resources")),
    };
    Ok(Fields {
        scheme: optional("scheme")?,
        domain: owned("domain")?,
        address,
        statement: optional("statement")?,
        uri: owned("aud")?,
        chain_id,
        nonce: owned("nonce")?,
        issued_at: owned("iat")?,
        expiration_time: optional("exp")?,
        not_before: optional("nbf")?,
        request_id,
        resources,
    })
}

/// The account of `did:pkh:eip155:<chain>:<address>`, without a fragment.
fn account(did: &str) -> Option<(NonZeroU64, AddressBytes)> {
    if did.contains('#') {
        return None;
    }
    Did::parse(did).ok()?.account()
}

/// Holds every field to what it may be, above all to its own line: only then does the text have
/// one reading.
pub(super) fn check(fields: &Fields) -> Result<Times, CacaoError> {
    if !fields.scheme.as_deref().is_none_or(uri::is_scheme) {
        return Err(CacaoError::Scheme);
    }
    let domain = uri::parse_authority(&fields.domain).ok_or(CacaoError::Domain)?;
    if domain.userinfo.is_some() {
        return Err(CacaoError::Domain); // it poses as another domain
    }
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if fields
        .statement
        .as_deref()
        .is_some_and(|s| s.contains(breaks))
    {
        return Err(CacaoError::Statement);
    }
    // Only what stands before the first mark says who it is for. Some programs named the key twice.
    let (whose, key) = fields.uri.split_once('#').unwrap_or((&fields.uri, ""));
    uri::parse_uri(whose).map_err(CacaoError::Audience)?;
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CacaoError::Audience(UriError::Tail));
    }
    // ERC-4361 wants eight letters and digits. Apps bring UUIDs and the like, which wallets sign; here
    // it counts only that the nonce stays in its line.
    let is_word = fields.nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_word || !(1..=MAX_NONCE).contains(&fields.nonce.len()) {
        return Err(CacaoError::Nonce);
    }
    if !fields.request_id.as_deref().is_none_or(uri::is_pchars) {
        return Err(CacaoError::RequestId);
    }
    match fields.resources.as_deref() {
        None => {}
        Some([]) => return Err(CacaoError::NoResources),
        Some(list) if list.len() > MAX_RESOURCES => return Err(CacaoError::TooManyResources),
        Some(list) => {
            for resource in list {
                uri::parse_uri(resource).map_err(CacaoError::Resource)?;
            }
        }
    }
    let time = |field, text: &str| Timestamp::parse(text).ok_or(CacaoError::Time(field));
    let optional = |field, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| time(field, text)).transpose()
    };
    Ok(Times {
        issued_at: time(Field::IssuedAt, &fields.issued_at)?,
        expires: optional(Field::ExpirationTime, &fields.expiration_time)?,
        not_before: optional(Field::NotBefore, &fields.not_before)?,
    })
}

/// The bytes of a token.
pub(super) fn write(fields: &Fields, signature: &[u8; SIGNATURE]) -> Option<Vec<u8>> {
    let issuer = Did::pkh(fields.chain_id, &fields.address);
    let mut payload = vec![
        ("aud", Node::Text(&fields.uri)),
        ("iat", Node::Text(&fields.issued_at)),
        ("iss", Node::Text(issuer.as_str())),
        ("nonce", Node::Text(&fields.nonce)),
        ("domain", Node::Text(&fields.domain)),
        ("version", Node::Unsigned(1)),
    ];
    for (name, value) in [
        ("exp", &fields.expiration_time),
        ("nbf", &fields.not_before),
        ("scheme", &fields.scheme),
        ("statement", &fields.statement),
        ("request_id", &fields.request_id),
    ] {
        payload.extend(value.as_deref().map(|value| (name, Node::Text(value))));
    }
    if let Some(resources) = &fields.resources {
        let list = resources.iter().map(|resource| Node::Text(resource));
        payload.push(("resources", Node::List(list.collect())));
    }
    let map = |members| Node::Map(Map::sorted(members));
    cbor::encode(&map(vec![
        ("h", map(vec![("t", Node::Text(MESSAGE_KIND))])),
        ("p", map(payload)),
        (
            "s",
            map(vec![
                ("s", Node::Bytes(signature)),
                ("t", Node::Text(SIGNATURE_KIND)),
            ]),
        ),
    ]))
}

fn map<'a, 'b>(name: &'static str, node: Option<&'b Node<'a>>) -> Result<&'b Map<'a>, CacaoError> {
    match node {
        Some(Node::Map(map)) => Ok(map),
        Some(_) => Err(CacaoError::Type(name)),
        None => Err(CacaoError::Missing(name)),
    }
}

fn only(map: &Map<'_>, names: &[&str]) -> Result<(), CacaoError> {
    let known = map.keys().all(|key| names.contains(&key));
    known.then_some(()).ok_or(CacaoError::Unknown)
}

fn text<'a>(map: &Map<'a>, name: &'static str) -> Result<&'a str, CacaoError> {
    optional_text(map, name)?.ok_or(CacaoError::Missing(name))
}

/// An absent text has no key, or null behind it, as some programs write: the text that was signed has no
/// line for either.
fn optional_text<'a>(map: &Map<'a>, name: &'static str) -> Result<Option<&'a str>, CacaoError> {
    match map.get(name) {
        None | Some(Node::Null) => Ok(None),
        Some(Node::Text(text)) => Ok(Some(text)),
        Some(_) => Err(CacaoError::Type(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_in_any_capitals() {
        let lower = "did:pkh:eip155:10:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
        let (chain, address) = account(lower).unwrap();
        let mixed = Did::pkh(chain, &address);
        assert_eq!(chain.get(), 10);
        assert_eq!(account(mixed.as_str()), Some((chain, address)));
        assert_eq!(
            account(&lower.replace("0xf3", "0xF3")),
            Some((chain, address))
        );
        for text in [
            "",
            "did:key:z6Mk",
            "did:pkh:eip155:10",
            "did:pkh:solana:10:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
            "did:pkh:eip155:0:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
            "did:pkh:eip155:+1:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
            "did:pkh:eip155:10:f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
            "did:pkh:eip155:10:0xf39fd6e51aad88f6f4ce6ab8827279cfffb922",
            "did:pkh:eip155:10:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266#a",
        ] {
            assert_eq!(account(text), None, "{text}");
        }
    }
}
