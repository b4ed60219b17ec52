//! Acknowledgements on disk: what an enclave said it had done, to be read back later.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ack", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ack {
    /// An account is there. With its software passkey, so that anybody can sign in and look.
    Account {
        /// Account id, hex.
        account: String,
        /// The user handle of its passkeys, hex.
        user_handle: String,
        /// The first key's address, hex.
        address: String,
        /// Credential id, hex.
        passkey: String,
        /// PKCS #8 of the passkey, hex.
        key: String,
    },
    /// A signature was released, so it is in the history.
    Signature {
        /// Account id, hex.
        account: String,
        /// The digest, hex.
        digest: String,
        /// r ‖ s ‖ v, hex.
        signature: String,
    },
}

/// The file of acknowledgements cannot be used.
#[derive(Debug, thiserror::Error)]
// the error's own text names its causes: as a source it would be said twice
#[error("acknowledgements in {}: {error}", .path.display())]
pub struct AcksError {
    /// The file.
    path: PathBuf,
    /// What went wrong.
    error: io::Error,
}

impl AcksError {
    fn of(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self {
            path: path.to_owned(),
            error,
        }
    }
}

/// Writes acknowledgements, each handed to the system before it counts.
#[derive(Debug, Default)]
pub(crate) struct AckFile(Option<(PathBuf, Mutex<File>)>);

impl AckFile {
    pub(crate) fn create(path: Option<&Path>) -> Result<Self, AcksError> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        // Passkeys are in it.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(AcksError::of(path))?;
        Ok(Self(Some((path.to_owned(), Mutex::new(file)))))
    }

    /// One write of one line: a killed program leaves at most the last line short.
    pub(crate) fn write(&self, ack: &impl Serialize) -> Result<(), AcksError> {
        let Some((path, file)) = &self.0 else {
            return Ok(());
        };
        let write = || {
            let mut line = serde_json::to_vec(ack)?;
            line.push(b'\n');
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(&line)?;
            file.flush()
        };
        write().map_err(AcksError::of(path))
    }
}

/// Everything acknowledged to one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) user_handle: String,
    pub(super) address: String,
    pub(super) passkey: Vec<u8>,
    pub(super) key: Vec<u8>,
    /// Digest and signature.
    pub(super) signatures: Vec<(String, String)>,
}

fn broken(number: usize, why: &str) -> io::Error {
    let line = number + 1;
    io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: {why}"))
}

/// Every line of a file. A last one without an end was never counted.
pub(crate) fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, AcksError> {
    let text = std::fs::read_to_string(path).map_err(AcksError::of(path))?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let lines = text.get(..whole).unwrap_or_default().lines().enumerate();
    let read = |(number, line)| {
        serde_json::from_str(line).map_err(|error| broken(number, &error.to_string()))
    };
    let read: io::Result<Vec<T>> = lines.map(read).collect();
    read.map_err(AcksError::of(path))
}

/// Reads a file back, by account.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Acknowledged>, AcksError> {
    by_account(lines(path)?).map_err(AcksError::of(path))
}

fn by_account(acks: Vec<Ack>) -> io::Result<BTreeMap<String, Acknowledged>> {
    let mut accounts: BTreeMap<String, Acknowledged> = BTreeMap::new();
    for (number, ack) in acks.into_iter().enumerate() {
        match ack {
            Ack::Account {
                account,
                user_handle,
                address,
                passkey,
                key,
            } => {
                let bytes = |text: &str| hex::decode(text).map_err(|_| broken(number, "not hex"));
                let found = accounts.entry(account).or_default();
                found.user_handle = user_handle;
                found.address = address;
                found.passkey = bytes(&passkey)?;
                found.key = bytes(&key)?;
            }
            Ack::Signature {
                account,
                digest,
                signature,
            } => accounts
                .get_mut(&account)
                .ok_or_else(|| broken(number, "a signature before its account"))?
                .signatures
                .push((digest, signature)),
        }
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Ack {
        Ack::Account {
            account: "aa".into(),
            user_handle: "cc".into(),
            address: "bb".into(),
            passkey: "0102".into(),
            key: "03".into(),
        }
    }

    fn signature() -> Ack {
        Ack::Signature {
            account: "aa".into(),
            digest: "d".into(),
            signature: "s".into(),
        }
    }

    #[test]
    fn lines_come_back_and_a_short_last_one_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acks");
        let file = AckFile::create(Some(&path)).unwrap();
        file.write(&account()).unwrap();
        file.write(&signature()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"ack\":\"sig");
        std::fs::write(&path, bytes).unwrap();
        let accounts = read(&path).unwrap();
        assert_eq!(accounts.len(), 1);
        let found = &accounts["aa"];
        assert_eq!(
            (found.passkey.as_slice(), found.key.as_slice()),
            (&[1, 2][..], &[3][..])
        );
        assert_eq!(found.signatures, [("d".to_owned(), "s".to_owned())]);
    }

    #[test]
    fn a_broken_line_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acks");
        let file = AckFile::create(Some(&path)).unwrap();
        file.write(&signature()).unwrap();
        let said = read(&path).unwrap_err().to_string();
        let expected = format!("acknowledgements in {}: line 1: ", path.display());
        assert!(said.starts_with(&expected), "{said}");
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read(&path).is_err());
        AckFile::create(None).unwrap().write(&account()).unwrap();
    }
}
