//! The files in which people keep secret keys.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::KeyError;

/// Longest key file, in bytes.
pub const MAX_KEY_FILE: usize = 4096;
/// The version of key files.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    seed: String,
}

/// Reads a key file of this kind: whose it is, if it says so, and its seed.
pub(crate) fn read(
    kind: &str,
    json: &[u8],
) -> Result<(Option<String>, Zeroizing<[u8; 32]>), KeyError> {
    if json.len() > MAX_KEY_FILE {
        return Err(KeyError::File);
    }
    // serde would read an array, too. The strict reader of other files copies what it reads, and
    // this one is secret; it holds no object below the first.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(KeyError::File);
    }
    let mut file: File = serde_json::from_slice(json).map_err(|_| KeyError::File)?;
    if file.version != VERSION {
        return Err(KeyError::File);
    }
    if file.kind != kind {
        return Err(KeyError::Kind {
            found: shown(&file.kind),
            wanted: shown(kind),
        });
    }
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&file.seed, &mut *seed).map_err(|_| KeyError::File)?;
    Ok((file.name.take(), seed))
}

/// A kind for a message: what stands before the first colon, and no more than a kind of ours has. A file of
/// another program may hold anything there.
fn shown(kind: &str) -> String {
    const LONGEST: usize = 40;
    let kind = kind.split(':').next().unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-');
    kind.chars().take(LONGEST).filter(plain).collect()
}

/// A key file's text: **secret**.
pub(crate) fn write(kind: &str, name: Option<&str>, seed: &[u8; 32]) -> Zeroizing<String> {
    let file = File {
        version: VERSION,
        kind: kind.to_owned(),
        name: name.map(str::to_owned),
        seed: hex::encode(seed),
    };
    // A number and texts always serialise.
    let mut text = Zeroizing::new(serde_json::to_string_pretty(&file).unwrap_or_default());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let text = write("a key: secret", Some("ada"), &[1; 32]);
        let (name, seed) = read("a key: secret", text.as_bytes()).unwrap();
        assert_eq!((name.as_deref(), *seed), (Some("ada"), [1; 32]));
        let long = format!("{}{}", *text, " ".repeat(MAX_KEY_FILE));
        for bad in [
            "",
            "{}",
            &text.replace("\"version\": 1", "\"version\": 2"),
            &text.replace("0101", "01"),
            &text.replace("\"name\"", "\"who\""),
            &long,
        ] {
            let read = read("a key: secret", bad.as_bytes());
            assert_eq!(read.err(), Some(KeyError::File), "{bad:.200}");
        }
        let other = read("another key: secret", text.as_bytes()).err().unwrap();
        assert_eq!(
            other.to_string(),
            "it holds a key of another kind: \u{201c}a key\u{201d}, not \u{201c}another key\u{201d}"
        );
        assert!(!write("k", None, &[1; 32]).contains("name"));
    }
}
