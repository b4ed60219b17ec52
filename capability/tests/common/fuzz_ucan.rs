//! Any text as a token, or as the JSON in one: the fuzz target's body, also run on its corpus by the tests.

use cid::multibase::Base;
use openkey_capability::cid::Cid;
use openkey_capability::ucan::{MAX_FACTS, MAX_PROOFS, MAX_TOKEN, Ucan};
use serde_json::Value;

/// Whether it is a token, and whether its signature holds.
pub(crate) fn run(input: &[u8]) -> (bool, bool) {
    let Ok(text) = core::str::from_utf8(input) else {
        return (false, false);
    };
    // A fuzzer does not guess base64: header, payload and signature as lines are taken as well.
    let lines: Vec<&str> = text.splitn(3, '\n').collect();
    let token = match lines.as_slice() {
        [header, payload, signature] => {
            let part = |text: &str| Base::Base64Url.encode(text);
            format!("{}.{}.{signature}", part(header), part(payload))
        }
        _ => text.to_owned(),
    };
    let Ok(ucan) = Ucan::decode(&token) else {
        return (false, false);
    };
    assert_eq!(ucan.token(), token);
    assert!(token.len() <= MAX_TOKEN);
    assert!(ucan.proofs().len() <= MAX_PROOFS && ucan.facts().len() <= MAX_FACTS);
    let cid = ucan.cid();
    assert_eq!(Cid::parse(&cid.to_string()), Ok(cid));
    // Nested deeper than this reader goes, only the token's own members are read.
    if let Some(json) = payload(&token) {
        says(&json, &ucan);
    }
    (true, ucan.verify().is_ok())
}

fn payload(token: &str) -> Option<Value> {
    let bytes = Base::Base64Url.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Another reader of JSON finds the same in a payload.
fn says(json: &Value, ucan: &Ucan) {
    assert_eq!(json["iss"], ucan.issuer());
    assert_eq!(json["aud"], ucan.audience());
    assert_eq!(json["nnc"].as_str(), ucan.nonce());
    let facts = json["fct"].as_array();
    assert_eq!(facts.map_or(&[][..], Vec::as_slice), ucan.facts());
    let proofs = json["prf"].as_array().map_or(0, Vec::len);
    assert_eq!(proofs, ucan.proofs().len());
    let resources = json["att"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(resources, ucan.attenuation().resources().count());
    assert_eq!(json["nbf"].is_null(), ucan.not_before_ms().is_none());
}
