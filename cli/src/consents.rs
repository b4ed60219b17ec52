//! Which boots of enclaves an operator consented to, so that a withdrawal can ask those very boots.
//!
//! A consent lives in the memory of one boot. A host can show another enclave, under the same name, to
//! whoever withdraws: only the boot's identity key tells them apart, and only the operator knows which
//! ones they signed for.

use openkey_attestation::json;
use openkey_protocol::message::{Hash32, Key32};
use serde::{Deserialize, Serialize};

/// Longest file of consents, in bytes: one with as many consents as there can be, each with the longest
/// name: 1.1 MiB.
pub const MAX_CONSENTS_FILE: usize = MAX_CONSENTS * MAX_ENTRY + 64;
/// Most consents of one file: the oldest ones are not dropped for new ones.
const MAX_CONSENTS: usize = 1024;
/// Longest name of an enclave, in characters. A host chooses a part of it, so a longer one is cut.
const MAX_NAME: usize = 128;
/// Longest entry of a file, in bytes: three hashes in hex, the names of four members with what JSON puts
/// around them, and a name each of whose characters takes the six bytes of `\u0000`.
const MAX_ENTRY: usize = 3 * 64 + 192 + 6 * MAX_NAME;
/// The version of such files.
const VERSION: u32 = 1;

/// The consents that an operator signed, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consents(Vec<Given>);

/// One consent that was signed, whether or not it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The root key that the consent lets move on, by the id of its genesis.
    pub root_id: Hash32,
    /// SHA-256 of the successor's manifest.
    pub manifest: Hash32,
    /// The identity key of the boot that it was signed for.
    pub identity: Key32,
    /// What the host called that enclave, for people. Of a longer name than 128 characters the first 128
    /// are kept.
    pub enclave: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    consents: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    root_id: String,
    manifest: String,
    identity: String,
    enclave: String,
}

/// Why a file is none of consents, or has no room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsentsError {
    /// Not such a file.
    #[error("it is no file of consents: {0}")]
    File(&'static str),
    /// No room for another one.
    #[error("it holds {MAX_CONSENTS} consents: move it away, and keep it")]
    Full,
}

impl ConsentsError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::File(_) => "consents_file",
            Self::Full => "consents_full",
        }
    }
}

impl Consents {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ConsentsError::File`].
    pub fn from_json(text: &[u8]) -> Result<Self, ConsentsError> {
        if text.len() > MAX_CONSENTS_FILE {
            return Err(ConsentsError::File("too long"));
        }
        let file: File =
            json::read(text).map_err(|_| ConsentsError::File("no JSON of its form"))?;
        if file.version != VERSION {
            return Err(ConsentsError::File("another version"));
        }
        if file.consents.len() > MAX_CONSENTS {
            return Err(ConsentsError::Full);
        }
        let given = file.consents.into_iter().map(|entry| {
            let not_hex = |_| ConsentsError::File("not 64 hexadecimal digits");
            Ok(Given {
                root_id: entry.root_id.parse().map_err(not_hex)?,
                manifest: entry.manifest.parse().map_err(not_hex)?,
                identity: entry.identity.parse().map_err(not_hex)?,
                enclave: entry.enclave,
            })
        });
        given.collect::<Result<_, _>>().map(Self)
    }

    /// The JSON of the file, as [`Self::from_json`] reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let entries = self.0.iter().map(|given| Entry {
            root_id: given.root_id.to_string(),
            manifest: given.manifest.to_string(),
            identity: given.identity.to_string(),
            enclave: given.enclave.clone(),
        });
        let file = File {
            version: VERSION,
            consents: entries.collect(),
        };
        // A number and texts always serialise.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Notes a consent that is about to be signed. One that is known is noted once.
    ///
    /// # Errors
    ///
    /// [`ConsentsError::Full`].
    pub fn note(&mut self, mut given: Given) -> Result<(), ConsentsError> {
        if self.0.iter().any(|known| known.is_same(&given)) {
            return Ok(());
        }
        if self.0.len() >= MAX_CONSENTS {
            return Err(ConsentsError::Full);
        }
        if let Some((end, _)) = given.enclave.char_indices().nth(MAX_NAME) {
            given.enclave.truncate(end);
        }
        self.0.push(given);
        Ok(())
    }

    /// The boots that a consent to this successor was signed for.
    pub fn of(&self, root_id: Hash32, manifest: Hash32) -> impl Iterator<Item = &Given> {
        let same = move |given: &&Given| given.root_id == root_id && given.manifest == manifest;
        self.0.iter().filter(same)
    }

    /// The boots that a consent to this successor was signed for, under another root key.
    pub fn elsewhere(&self, root_id: Hash32, manifest: Hash32) -> impl Iterator<Item = &Given> {
        let other = move |given: &&Given| given.root_id != root_id && given.manifest == manifest;
        self.0.iter().filter(other)
    }
}

impl Given {
    fn is_same(&self, other: &Self) -> bool {
        (self.root_id, self.manifest, self.identity)
            == (other.root_id, other.manifest, other.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(identity: u8) -> Given {
        Given {
            root_id: Hash32([1; 32]),
            manifest: Hash32([2; 32]),
            identity: Key32([identity; 32]),
            enclave: "e1".into(),
        }
    }

    #[test]
    fn a_file_gives_back_what_was_noted_once() {
        let mut consents = Consents::default();
        for identity in [3, 4, 3] {
            consents.note(given(identity)).unwrap();
        }
        let again = Consents::from_json(consents.to_json().as_bytes()).unwrap();
        assert_eq!(again, consents);
        let of = |root: u8| again.of(Hash32([root; 32]), Hash32([2; 32])).count();
        assert_eq!((of(1), of(9)), (2, 0));
        let elsewhere = |root: u8| again.elsewhere(Hash32([root; 32]), Hash32([2; 32])).count();
        assert_eq!((elsewhere(1), elsewhere(9)), (0, 2));
        assert_eq!(
            Consents::from_json(b"{\"version\":2,\"consents\":[]}"),
            Err(ConsentsError::File("another version"))
        );
        assert!(Consents::from_json(b"{}").is_err());
    }

    #[test]
    fn a_file_holds_as_many_consents_as_there_can_be() {
        // The longest in JSON and in UTF-8.
        for longest in ['\u{1}', '\u{10ffff}'] {
            let mut consents = Consents::default();
            for number in 0..MAX_CONSENTS {
                let mut identity = [0xff; 32];
                identity[..8].copy_from_slice(&number.to_be_bytes());
                let one = Given {
                    identity: Key32(identity),
                    enclave: longest.to_string().repeat(MAX_NAME * 2),
                    ..given(0)
                };
                consents.note(one).unwrap();
            }
            let text = consents.to_json();
            assert!(text.len() <= MAX_CONSENTS_FILE, "{}", text.len());
            assert_eq!(Consents::from_json(text.as_bytes()), Ok(consents.clone()));
            assert_eq!(consents.note(given(1)), Err(ConsentsError::Full));
            assert!(
                consents
                    .0
                    .iter()
                    .all(|it| it.enclave.chars().count() == MAX_NAME)
            );
        }
    }

    #[test]
    fn nothing_is_dropped_for_want_of_room() {
        let mut consents = Consents(vec![given(0); MAX_CONSENTS]);
        assert_eq!(consents.note(given(1)), Err(ConsentsError::Full));
    }
}
