//! Whom the enclave talks to outside: identity providers and AWS KMS.

use base64ct::{Base64, Encoding};
use der::{Decode, asn1::AnyRef};
use openkey_protocol::message::Bytes;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::ConfigurationError;

/// Most identity providers: each is TLS in the enclave's fixed memory.
pub const MAX_IDENTITY_PROVIDERS: usize = 16;
/// Longest certificate that may be the root of KMS's TLS, in bytes.
const MAX_TLS_ROOT: usize = 4096;

/// The AWS KMS key that wraps the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kms {
    key_arn: String,
    region: String,
    tls_root: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UncheckedKms {
    key_arn: String,
    region: String,
    #[serde(default)]
    tls_root: Option<String>,
}

impl Kms {
    /// The key's ARN.
    #[must_use]
    pub fn key_arn(&self) -> &str {
        &self.key_arn
    }

    /// Its region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The root certificate (DER) that KMS's TLS must chain to, in place of those in the image.
    #[must_use]
    pub fn tls_root(&self) -> Option<&[u8]> {
        self.tls_root.as_ref().map(Bytes::as_slice)
    }

    /// Where it is asked.
    #[must_use]
    pub fn host(&self) -> String {
        format!("kms.{}.amazonaws.com", self.region)
    }

    pub(super) fn check(unchecked: UncheckedKms) -> Result<Self, ConfigurationError> {
        let UncheckedKms {
            key_arn, region, ..
        } = unchecked;
        if !is_region(&region) || !is_key_of(&key_arn, &region) {
            return Err(ConfigurationError::Kms);
        }
        let tls_root = match unchecked.tls_root {
            None => None,
            Some(text) => {
                let der = Base64::decode_vec(&text).map_err(|_| ConfigurationError::TlsRoot)?;
                if der.len() > MAX_TLS_ROOT || AnyRef::from_der(&der).is_err() {
                    return Err(ConfigurationError::TlsRoot);
                }
                Some(der.into())
            }
        };
        Ok(Self {
            key_arn,
            region,
            tls_root,
        })
    }
}

/// `us-east-1`, `us-gov-west-1`: becomes part of a host name.
fn is_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    let word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    region.len() <= 32
        && words.len() >= 2
        && words.iter().all(word)
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// `arn:aws:kms:REGION:ACCOUNT:key/ID`: a key, not an alias, which could be pointed elsewhere.
fn is_key_of(arn: &str, region: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", "aws" | "aws-us-gov", "kms", at, account, key] = parts.as_slice() else {
        return false;
    };
    let Some(id) = key.strip_prefix("key/") else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    *at == region
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=64).contains(&id.len())
        && id.bytes().all(plain)
}

/// Identity providers' hosts, each once and as a URL parser writes it.
pub(super) fn check_hosts(hosts: Vec<String>) -> Result<Vec<String>, ConfigurationError> {
    if hosts.len() > MAX_IDENTITY_PROVIDERS {
        return Err(ConfigurationError::HostCount);
    }
    for (at, host) in hosts.iter().enumerate() {
        if !is_domain(host) {
            return Err(ConfigurationError::Host(at));
        }
        if hosts.iter().take(at).any(|known| known == host) {
            return Err(ConfigurationError::HostCount);
        }
    }
    Ok(hosts)
}

/// Whether a text is a domain name just as a URL parser would write it.
pub(super) fn is_domain(text: &str) -> bool {
    let url = Url::parse(&format!("https://{text}/")).ok();
    let host = url.as_ref().and_then(Url::host);
    matches!(host, Some(Host::Domain(domain)) if domain == text) && !text.ends_with('.')
}
