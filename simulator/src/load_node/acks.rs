//! What a node acknowledged, line by line.

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
