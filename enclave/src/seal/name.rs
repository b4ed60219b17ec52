//! What a sealed record is called: the part of its identity that stands nowhere in the blob.

/// What a record is for. Labels are part of every key derivation: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// An account: passkeys, keys, counters.
    Account,
    /// One link of an account's history.
    History,
    /// One link of the history of a record that the deployment keeps once.
    KeptHistory,
    /// An owner key's scalar, inside its account.
    OwnerKey,
    /// A registration under way.
    SignUp,
    /// A passkey that is about to be made for an account.
    NewPasskey,
    /// A prompt that waits for its approval.
    Prompt,
    /// A read token.
    Token,
    /// The secrets that operators brought.
    Secrets,
    /// The successors that were announced.
    Upgrades,
    /// What a boot remembers of accounts beyond its memory.
    Seen,
}

impl Kind {
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::Account => b"account",
            Self::History => b"history",
            Self::KeptHistory => b"kept-history",
            Self::OwnerKey => b"owner-key",
            Self::SignUp => b"sign-up",
            Self::NewPasskey => b"new-passkey",
            Self::Prompt => b"prompt",
            Self::Token => b"token",
            Self::Secrets => b"secrets",
            Self::Upgrades => b"upgrades",
            Self::Seen => b"seen",
        }
    }
}

/// A record's name. A blob opens under its own name only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) kind: Kind,
    /// Tells records of one kind and owner apart.
    pub(crate) id: &'a [u8],
    /// Whose it is; empty for tickets, which say so inside.
    pub(crate) owner: &'a [u8],
}

impl Name<'_> {
    /// The name and the header, each part preceded by its length.
    pub(super) fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 5] = [
            b"openkey/sealed/v1",
            self.kind.label(),
            self.id,
            self.owner,
            header,
        ];
        let mut data = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}
