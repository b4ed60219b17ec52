//! AWS Signature Version 4 for the one kind of request made here: `POST /` without a query.
//!
//! Canonical form, string to sign and key derivation are those of "Create a signed AWS API request"
//! in the AWS IAM User Guide. A path and a query would need encoding and ordering; the fixed ones
//! need none, which leaves headers, three hashes and four HMACs, checked against the vectors that
//! AWS publishes. (The crate that AWS maintains for it brings the runtime of its SDK.)

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use openkey_protocol::message::AwsCredentials;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, macros::format_description};
use zeroize::Zeroizing;

/// Whose signature, and where it counts.
pub(super) struct Signer<'a> {
    pub(super) credentials: &'a AwsCredentials,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// `20150830T123600Z`; `None` beyond the year 9999.
pub(super) fn amz_date(now_ms: u64) -> Option<String> {
    let seconds = i64::try_from(now_ms / 1000).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()?
        .format(format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .ok()
}

impl Signer<'_> {
    /// The value of `Authorization` for `POST /` with exactly these headers signed. Their names are
    /// in lower case, their values without leading, trailing or repeated spaces.
    pub(super) fn authorization(
        &self,
        amz_date: &str,
        headers: &BTreeMap<&str, &str>,
        body: &[u8],
    ) -> String {
        let date = amz_date.get(..8).unwrap_or_default();
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let signed_headers = headers.keys().copied().collect::<Vec<_>>().join(";");
        let mut canonical = Zeroizing::new(String::from("POST\n/\n\n"));
        for (name, value) in headers {
            canonical.push_str(name);
            canonical.push(':');
            canonical.push_str(value);
            canonical.push('\n');
        }
        canonical.push('\n');
        canonical.push_str(&signed_headers);
        canonical.push('\n');
        canonical.push_str(&hex::encode(Sha256::digest(body)));
        let request = hex::encode(Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{request}");
        let signature = hex::encode(*mac(&*self.key(date), to_sign.as_bytes()));
        let id = &self.credentials.access_key_id;
        format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
        )
    }

    fn key(&self, date: &str) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new(format!("AWS4{}", self.credentials.secret_access_key));
        let mut key = mac(secret.as_bytes(), date.as_bytes());
        for part in [self.region, self.service, "aws4_request"] {
            key = mac(&*key, part.as_bytes());
        }
        key
    }
}

fn mac(key: &[u8], data: &[u8]) -> Zeroizing<[u8; 32]> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length.
        unreachable!("HMAC has no key length to refuse");
    };
    mac.update(data);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> AwsCredentials {
        AwsCredentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
        }
    }

    /// `post-vanilla` and `post-x-www-form-urlencoded` of the test suite that AWS publishes for
    /// Signature Version 4.
    #[test]
    fn k3_the_published_examples_are_signed_as_published() {
        let credentials = example();
        let signer = Signer {
            credentials: &credentials,
            region: "us-east-1",
            service: "service",
        };
        // 2015-08-30T12:36:00Z
        let date = amz_date(1_440_938_160_000).unwrap();
        assert_eq!(date, "20150830T123600Z");
        let mut headers = BTreeMap::from([
            ("host", "example.amazonaws.com"),
            ("x-amz-date", date.as_str()),
        ]);
        let scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        assert_eq!(
            signer.authorization(&date, &headers, b""),
            format!(
                "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, \
                 Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
            )
        );
        headers.insert("content-type", "application/x-www-form-urlencoded");
        assert_eq!(
            signer.authorization(&date, &headers, b"Param1=value1"),
            format!(
                "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host;x-amz-date, \
                 Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
            )
        );
    }

    /// The derived key in the AWS General Reference's example of the derivation.
    #[test]
    fn the_published_key_is_derived() {
        let credentials = example();
        let signer = Signer {
            credentials: &credentials,
            region: "us-east-1",
            service: "iam",
        };
        assert_eq!(
            hex::encode(*signer.key("20150830")),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
    }
}
