//! What a node acknowledged, line by line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Kind;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ack", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ack {
    Value {
        client: usize,
        key: String,
        value: String,
    },
    Row {
        client: usize,
        id: String,
    },
    Delegation {
        client: usize,
        cid: String,
    },
    Revocation {
        client: usize,
        cid: String,
    },
}

impl Ack {
    pub(super) const fn client(&self) -> usize {
        match self {
            Self::Value { client, .. }
            | Self::Row { client, .. }
            | Self::Delegation { client, .. }
            | Self::Revocation { client, .. } => *client,
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Value { .. } => Kind::Put,
            Self::Row { .. } => Kind::Insert,
            Self::Delegation { .. } => Kind::Delegate,
            Self::Revocation { .. } => Kind::Revoke,
        }
    }
}

/// The file.
pub(super) struct Acks(Option<Mutex<File>>);

impl Acks {
    pub(super) fn create(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(path.map(open).transpose()?.map(Mutex::new)))
    }

    /// One write of one line: a killed program leaves at most the last line short.
    pub(super) fn write(&self, ack: &Option<Ack>) -> io::Result<()> {
        let (Some(file), Some(ack)) = (&self.0, ack) else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(ack)?;
        line.push(b'\n');
        file.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line)
    }
}

/// Every whole line.
pub(super) fn read(path: &Path) -> io::Result<Vec<Ack>> {
    let mut acks = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        match serde_json::from_str(&line?) {
            Ok(ack) => acks.push(ack),
            Err(error) if error.is_eof() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(acks)
}
