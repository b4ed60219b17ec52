//! What a node is known by: one secret, and every key that comes from it.
//!
//! Clients pin the node's DID, so the secret is made once and kept. Keys come from it as in present
//! nodes (BLAKE3 of the secret and a context), so that a deployment can bring its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use openkey_capability::{did::Did, key::PublicKey, resource::SpaceId};
use zeroize::Zeroizing;

/// The secret's file in the node's directory: 64 hexadecimal digits.
pub const FILE_NAME: &str = "node.key";

/// What the identity of a node comes from.
const IDENTITY: &str = "tinycloud/node/identity";
/// What the key of cursors comes from. No space's name begins like it.
const CURSOR: &str = "openkey/node/cursor";

/// A node's secret.
pub struct NodeKeys {
    secret: Zeroizing<[u8; 32]>,
    node_id: Did,
    cursor: Zeroizing<[u8; 32]>,
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file cannot be read or made.
    #[error("cannot use {path}: {error}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{0} does not hold 64 hexadecimal digits: restore it from a backup; clients know this node by it"
    )]
    Content(PathBuf),
    /// There is a store, and not the secret that goes with it.
    #[error(
        "{0} is missing beside a store: restore it from a backup; clients know this node by it"
    )]
    Missing(PathBuf),
    /// There is no randomness.
    #[error("no randomness for a new key: {0}")]
    Random(getrandom::Error),
}

impl NodeKeys {
    /// Of this secret.
    #[must_use]
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        let node_id = did(&derive(&secret, IDENTITY));
        let cursor = derive(&secret, CURSOR);
        Self {
            secret,
            node_id,
            cursor,
        }
    }

    /// Of the secret in `dir`, made at the first start. Of two processes that start at once, one makes
    /// it and both use it.
    ///
    /// # Errors
    ///
    /// [`KeysError`].
    pub fn open(dir: &Path) -> Result<Self, KeysError> {
        let path = dir.join(FILE_NAME);
        let told = |error| KeysError::File {
            path: path.clone(),
            error,
        };
        if !path.exists() {
            make(dir, &path)?;
        }
        let file = File::open(&path).map_err(told)?;
        // one that was copied carelessly is narrowed
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(told)?;
        let mut text = Zeroizing::new(String::with_capacity(65));
        let read = file.take(66).read_to_string(&mut text);
        read.map_err(told)?;
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_end(), &mut *secret)
            .map_err(|_| KeysError::Content(path))?;
        Ok(Self::from_secret(*secret))
    }

    /// The node's DID: one for as long as it lives.
    #[must_use]
    pub const fn node_id(&self) -> &Did {
        &self.node_id
    }

    /// The DID that hosts a space: what its owner names when it is hosted here.
    #[must_use]
    pub fn host(&self, space: &SpaceId) -> Did {
        did(&derive(&self.secret, &space.to_string()))
    }

    /// A tag by which the node knows its own cursors.
    #[must_use]
    pub fn cursor_tag(&self, text: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.cursor, text).as_bytes()
    }
}

fn derive(secret: &[u8; 32], context: &str) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(secret);
    hasher.update(context.as_bytes());
    Zeroizing::new(*hasher.finalize().as_bytes())
}

fn did(seed: &[u8; 32]) -> Did {
    let key = SigningKey::from_bytes(seed);
    Did::from_key(&PublicKey::Ed25519(key.verifying_key().to_bytes()))
}

/// Makes the file whole, or not at all.
fn make(dir: &Path, path: &Path) -> Result<(), KeysError> {
    let told = |error| KeysError::File {
        path: path.to_owned(),
        error,
    };
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(KeysError::Random)?;
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(KeysError::Random)?;
    let draft = dir.join(format!(".{FILE_NAME}.{}", hex::encode(name)));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(told)?;
    let text = Zeroizing::new(hex::encode(*secret));
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        // unlike a rename, a link takes nobody else's place
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(dir)?.sync_all(),
        });
    let removed = fs::remove_file(&draft);
    written.and(removed).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_the_secret_as_in_present_nodes() {
        let keys = NodeKeys::from_secret([3; 32]);
        assert_eq!(
            keys.node_id().as_str(),
            "did:key:z6MktZkuCUPs1Dp1fiDwAR9DirdttDKXVeGmbYqJKZpJmbmK"
        );
        let space = "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:default";
        assert_eq!(
            keys.host(&SpaceId::parse(space).unwrap()).as_str(),
            "did:key:z6MkwJZvUcdFomr1peSoTBjwYEGwKDjLxrDXcMkp1bHAzui6"
        );
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = NodeKeys::open(dir.path()).unwrap();
        let again = NodeKeys::open(dir.path()).unwrap();
        assert_eq!(first.node_id(), again.node_id());
        let other = tempfile::tempdir().unwrap();
        assert_ne!(
            NodeKeys::open(other.path()).unwrap().node_id(),
            first.node_id()
        );
        let mode = fs::metadata(dir.path().join(FILE_NAME))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_secret_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["", "00", &"g".repeat(64), &"0".repeat(80)] {
            fs::write(dir.path().join(FILE_NAME), content).unwrap();
            assert!(
                matches!(NodeKeys::open(dir.path()), Err(KeysError::Content(_))),
                "{content}"
            );
            assert_eq!(
                fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(),
                content
            );
        }
    }
}
