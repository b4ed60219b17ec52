//! AWS Signature Version 4, from the service's side: who signed this request?
//!
//! After "Create a signed AWS API request" in the AWS IAM User Guide. Written apart from the
//! enclave's signer, so that a mistake is not made twice.

use aws_lc_rs::{
    digest,
    hmac::{HMAC_SHA256, Key, Tag, sign, verify},
};
use hyper::http::{HeaderMap, request::Parts};
use openkey_protocol::message::AwsCredentials;
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};

use super::{REGION, api::Rule};

const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";
const SERVICE: &str = "kms";
/// How far the request's date may be from the clock, in seconds.
const MAX_SKEW: u64 = 300;
/// What must be signed, where it is sent.
const MUST_BE_SIGNED: [&str; 5] = [
    "content-type",
    "host",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
];

/// Checks that a request was signed with these credentials, about now.
pub(super) fn check(
    request: &Parts,
    body: &[u8],
    credentials: &AwsCredentials,
    now_ms: u64,
) -> Result<(), Rule> {
    let headers = &request.headers;
    let authorization = header(headers, "authorization").ok_or(Rule::NotSigned)?;
    let rest = authorization
        .strip_prefix(ALGORITHM)
        .ok_or(Rule::NotSigned)?;
    let mut members = rest.split(", ");
    let mut member = |name: &str| {
        let member = members.next().and_then(|member| member.strip_prefix(name));
        member.ok_or(Rule::NotSigned)
    };
    let credential = member("Credential=")?;
    let signed = member("SignedHeaders=")?;
    let signature = hex::decode(member("Signature=")?).map_err(|_| Rule::Signature)?;

    let (id, scope) = credential.split_once('/').ok_or(Rule::NotSigned)?;
    let token = header(headers, "x-amz-security-token");
    if id != credentials.access_key_id || token != credentials.session_token.as_deref() {
        return Err(Rule::UnknownCredentials);
    }
    let date = header(headers, "x-amz-date").ok_or(Rule::NotSigned)?;
    if seconds(date)?.abs_diff(now_ms / 1000) > MAX_SKEW {
        return Err(Rule::Signature);
    }
    let day = date.get(..8).unwrap_or_default();
    if scope != format!("{day}/{REGION}/{SERVICE}/aws4_request") {
        return Err(Rule::Signature);
    }
    let names: Vec<&str> = signed.split(';').collect();
    let sent = |name: &&&str| headers.contains_key(**name);
    if !names.is_sorted()
        || !MUST_BE_SIGNED
            .iter()
            .filter(sent)
            .all(|name| names.contains(name))
    {
        return Err(Rule::Signature);
    }

    let mut canonical = vec![
        request.method.to_string(),
        request.uri.path().to_owned(),
        request.uri.query().unwrap_or_default().to_owned(),
    ];
    for name in &names {
        let value = header(headers, name).ok_or(Rule::Signature)?;
        let value: Vec<&str> = value.split_whitespace().collect();
        canonical.push(format!("{name}:{}", value.join(" ")));
    }
    canonical.extend([String::new(), signed.to_owned(), sha256(body)]);
    let canonical = sha256(canonical.join("\n").as_bytes());
    let to_sign = [ALGORITHM.trim_end(), date, scope, &canonical].join("\n");
    let secret = format!("AWS4{}", credentials.secret_access_key);
    let key = [day, REGION, SERVICE, "aws4_request"].into_iter().fold(
        hmac_key(secret.as_bytes()),
        |key, part| {
            let tag: Tag = sign(&key, part.as_bytes());
            hmac_key(tag.as_ref())
        },
    );
    verify(&key, to_sign.as_bytes(), &signature).map_err(|_| Rule::Signature)
}

fn hmac_key(bytes: &[u8]) -> Key {
    Key::new(HMAC_SHA256, bytes)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// The one value of a header.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn seconds(date: &str) -> Result<u64, Rule> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = PrimitiveDateTime::parse(date, format).map_err(|_| Rule::Signature)?;
    let since = date.assume_utc() - OffsetDateTime::UNIX_EPOCH;
    u64::try_from(since.whole_seconds()).map_err(|_| Rule::Signature)
}
