//! CMS EnvelopedData (RFC 5652 §6) as AWS writes it, byte by byte.
//!
//! Outside: indefinite lengths, each closed by two zero bytes. Inside the recipient: definite ones,
//! and NULL for the parameters of hashes. The content stands in several OCTET STRINGs.

/// Bytes of one chunk of content. AWS's are longer; this way a data key already takes two.
const CHUNK: usize = 32;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `[0]`, constructed and primitive; `[1]`, constructed.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_0_PRIMITIVE: u8 = 0x80;
const CONTEXT_1: u8 = 0xa1;
/// INTEGER 2: the version of EnvelopedData and of KeyTransRecipientInfo with a key identifier.
const VERSION_2: [u8; 3] = [0x02, 0x01, 0x02];
const NULL: [u8; 2] = [0x05, 0x00];

const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
const DATA: &str = "1.2.840.113549.1.7.1";
const RSAES_OAEP: &str = "1.2.840.113549.1.1.7";
const MGF1: &str = "1.2.840.113549.1.1.8";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const AES256_CBC: &str = "2.16.840.1.101.3.4.1.42";

/// What is put into a structure.
pub(super) struct Enveloped<'a> {
    /// Names the recipient's key.
    pub(super) key_id: &'a [u8],
    /// The content key under RSAES-OAEP.
    pub(super) encrypted_key: &'a [u8],
    /// The initialisation vector.
    pub(super) iv: &'a [u8],
    /// The content under AES-256-CBC.
    pub(super) ciphertext: &'a [u8],
}

impl Enveloped<'_> {
    /// ContentInfo.
    pub(super) fn encode(&self) -> Vec<u8> {
        let chunks: Vec<u8> = self
            .ciphertext
            .chunks(CHUNK)
            .flat_map(|chunk| definite(OCTET_STRING, chunk))
            .collect();
        let algorithm = [oid(AES256_CBC), definite(OCTET_STRING, self.iv)].concat();
        let encrypted_content_info = [
            oid(DATA),
            definite(SEQUENCE, &algorithm),
            indefinite(CONTEXT_0, &chunks),
        ];
        let enveloped_data = [
            VERSION_2.to_vec(),
            definite(SET, &self.recipient()),
            indefinite(SEQUENCE, &encrypted_content_info.concat()),
        ];
        let content = indefinite(SEQUENCE, &enveloped_data.concat());
        let content_info = [oid(ENVELOPED_DATA), indefinite(CONTEXT_0, &content)];
        indefinite(SEQUENCE, &content_info.concat())
    }

    /// KeyTransRecipientInfo.
    fn recipient(&self) -> Vec<u8> {
        let hash = definite(SEQUENCE, &[oid(SHA256), NULL.to_vec()].concat());
        let mask = definite(SEQUENCE, &[oid(MGF1), hash.clone()].concat());
        let parameters = [definite(CONTEXT_0, &hash), definite(CONTEXT_1, &mask)].concat();
        let algorithm = [oid(RSAES_OAEP), definite(SEQUENCE, &parameters)].concat();
        let recipient = [
            VERSION_2.to_vec(),
            definite(CONTEXT_0_PRIMITIVE, self.key_id),
            definite(SEQUENCE, &algorithm),
            definite(OCTET_STRING, self.encrypted_key),
        ];
        definite(SEQUENCE, &recipient.concat())
    }
}

/// Tag, length in the fewest bytes, content.
pub(super) fn definite(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut bytes = vec![tag];
    match significant.as_slice() {
        [] => bytes.push(0),
        [short @ 0..0x80] => bytes.push(*short),
        long => {
            // At most eight bytes of length.
            bytes.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            bytes.extend_from_slice(long);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// Tag, 0x80, content, end-of-contents.
fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}

/// An OBJECT IDENTIFIER from its dotted form.
fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> = dotted
        .split('.')
        .filter_map(|arc| arc.parse().ok())
        .collect();
    let mut content = Vec::new();
    if let [first, second, rest @ ..] = arcs.as_slice() {
        base128(first * 40 + second, &mut content);
        for arc in rest {
            base128(*arc, &mut content);
        }
    }
    definite(OBJECT_IDENTIFIER, &content)
}

fn base128(arc: u32, to: &mut Vec<u8>) {
    for shift in [28, 21, 14, 7] {
        if arc >> shift != 0 {
            // Seven bits, and the mark that more follow.
            to.push(0x80 | u8::try_from((arc >> shift) & 0x7f).unwrap_or_default());
        }
    }
    to.push(u8::try_from(arc & 0x7f).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_that_of_aws() {
        let encoded = Enveloped {
            key_id: &[0xaa; 32],
            encrypted_key: &[0xbb; 256],
            iv: &[0xcc; 16],
            ciphertext: &[0xdd; 48],
        }
        .encode();
        // Everything around the values, as an answer of AWS has it.
        let expected = [
            "3080 06092a864886f70d010703 a080 3080 020102 3182016b 30820167 020102 8020",
            &"aa".repeat(32),
            "303c 06092a864886f70d010107 302f",
            "a00f 300d 0609608648016503040201 0500",
            "a11c 301a 06092a864886f70d010108 300d 0609608648016503040201 0500",
            "04820100",
            &"bb".repeat(256),
            "3080 06092a864886f70d010701 301d 060960864801650304012a 0410",
            &"cc".repeat(16),
            "a080 0420",
            &"dd".repeat(32),
            "0410",
            &"dd".repeat(16),
            "0000 0000 0000 0000 0000",
        ];
        assert_eq!(hex::encode(encoded), expected.concat().replace(' ', ""));
    }
}
