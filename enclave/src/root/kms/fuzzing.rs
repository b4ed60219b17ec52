//! For the fuzz targets: what is read of a KMS answer is within its bounds and has one reading.

use std::sync::LazyLock;

use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
use serde_json::Value;

use super::{
    api::{Answer, Call, MAX_BLOB},
    cms::Enveloped,
};

const ARN: &str = "arn:aws:kms:eu-sim-1:1:key/1";
/// The recipient of the seeds.
static RECIPIENT: LazyLock<Option<OaepPrivateDecryptingKey>> = LazyLock::new(|| {
    let key = include_bytes!("../../../tests/data/kms/recipient.pkcs8");
    OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(key).ok()?).ok()
});
/// The longest content, in bytes: the longest plaintext of KMS and a block of padding.
const MAX_CONTENT: usize = 4096 + 16;

/// Reads and opens a CMS structure. True if the recipient of the seeds can open it.
pub(crate) fn cms(bytes: &[u8]) -> bool {
    let Ok(enveloped) = Enveloped::parse(bytes) else {
        return false;
    };
    // A structure says where it ends: no other reader finds more or less in these bytes.
    let longer = [bytes, &[0]].concat();
    assert!(Enveloped::parse(&longer).is_err(), "bytes follow");
    let shorter = bytes.get(..bytes.len() - 1).unwrap_or_default();
    assert!(Enveloped::parse(shorter).is_err(), "cut short");
    let Some(key) = &*RECIPIENT else {
        panic!("the recipient's key is invalid");
    };
    let Ok(content) = enveloped.open(key) else {
        return false;
    };
    assert!(content.len() < MAX_CONTENT, "{} bytes", content.len());
    true
}

/// Reads an answer; the first byte chooses call and status. True if it is one to the call.
pub(crate) fn reply(bytes: &[u8]) -> bool {
    let Some((choice, body)) = bytes.split_first() else {
        return false;
    };
    let call = if choice & 1 == 0 {
        Call::GenerateDataKey
    } else {
        Call::Decrypt { blob: b"blob" }
    };
    let status = if choice & 2 == 0 { 200 } else { 400 };
    let Ok(answer) = Answer::read(call, ARN, status, body) else {
        return false;
    };
    assert_eq!(status, 200, "a refusal is read as an answer");
    let is_long = |blob: &Vec<u8>| blob.is_empty() || blob.len() > MAX_BLOB;
    assert!(!answer.blob.as_ref().is_some_and(is_long));
    assert_eq!(answer.blob.is_some(), call == Call::GenerateDataKey);
    // Nested deeper than this reader goes, only the answer's own members are read.
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        assert_eq!(json["KeyId"], ARN);
        let plaintext = &json["Plaintext"];
        assert!(plaintext.is_null() || plaintext == "", "in the clear");
    }
    cms(&answer.for_recipient);
    true
}
