//! To whom a sign-in hands out permissions: the message's URI.

use openkey_capability::did::Did;
use openkey_protocol::message::{Severity, Warning};

use crate::words::{quoted, warning};

/// Who gets the permissions, in words, and what is odd about them.
pub(super) struct Audience {
    pub(super) who: String,
    pub(super) warnings: Vec<Warning>,
}

impl Audience {
    /// Reads a URI. For hosting it names a node's key: no node is known here, so it is shown as it
    /// is written.
    pub(super) fn of(uri: &str, signer: &Did, is_hosting: bool) -> Self {
        let Ok(did) = Did::parse(uri) else {
            return Self::new(
                format!("{}, which is neither a key nor an account", quoted(uri)),
                Severity::Danger,
                "What is to get the permissions is neither a key nor an account.",
            );
        };
        if did.public_key().is_none() {
            return Self::other(&did, signer);
        }
        let mut audience = if is_hosting {
            Self::new(
                format!("The node with the key {did}"),
                Severity::Attention,
                "This enclave knows no nodes. Allow only a node that you chose: compare its key.",
            )
        } else {
            Self {
                who: format!("Whoever holds the session key {did}"),
                warnings: Vec::new(),
            }
        };
        if let Some((_, fragment)) = uri.split_once('#')
            && did.as_str().strip_prefix("did:key:") != Some(fragment)
        {
            audience.warnings.push(warning(
                Severity::Attention,
                "The key's name has a second part that names another key; only the first counts.",
            ));
        }
        audience
    }

    fn other(did: &Did, signer: &Did) -> Self {
        if did == signer {
            return Self::new(
                format!("Yourself, {did}"),
                Severity::Notice,
                "The permissions go to your own account, which has them already.",
            );
        }
        if did.account().is_some() {
            return Self::new(
                format!("The account {did}"),
                Severity::Attention,
                "The permissions go to another account, not to a key of this session.",
            );
        }
        Self::new(
            did.to_string(),
            Severity::Danger,
            "Who gets the permissions cannot be told: the name is of a kind that nobody here can check.",
        )
    }

    fn new(who: String, severity: Severity, why: &str) -> Self {
        Self {
            who,
            warnings: vec![warning(severity, why)],
        }
    }
}
