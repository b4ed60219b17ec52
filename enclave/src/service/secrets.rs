//! Secrets that operators bring, such as client secrets: sealed to the boot key, kept sealed under the
//! root key, read by other parts of the enclave.

use openkey_protocol::{
    message::{
        EnclaveEvent, Error, ErrorCode, MAX_OPERATOR_NAME, MAX_SECRET, SECRET_INFO, SecretOrder,
        Signed,
    },
    store::RecordStore,
};
use zeroize::Zeroizing;

use super::{
    Enclave,
    kept::{Again, Kept, Secret, Written, unconfirmed},
    orders::refused,
};
use crate::{errors::refuse_because, hybrid, seal::Kind};

/// Most secrets of a deployment: with [`MAX_SECRET`] they fit one record.
pub const MAX_SECRETS: usize = 32;

impl<S: RecordStore> Enclave<S> {
    /// Keeps a secret, by the order of an operator. Any one operator can: what they bring opens
    /// nothing of people's keys.
    pub(crate) async fn set_secret(
        &self,
        operator: u32,
        order: &Signed<SecretOrder>,
    ) -> Result<(), Error> {
        let order = self.ordered(operator, order)?;
        let identity = self.platform.identity();
        if order.identity.0 != identity {
            return Err(refused("The order is for another boot of the enclave."));
        }
        if !is_name(&order.name) {
            let message = "A secret's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'.";
            return Err(refuse_because(ErrorCode::OutOfBounds, message));
        }
        let root_id = self.platform.configuration().root_id();
        let root_id =
            root_id.ok_or_else(|| refused("There are no operators without a root_id."))?;
        // Nobody else's order, and no other order, opens what one operator sealed for one.
        let bound: [&[u8]; 6] = [
            &root_id.0,
            &identity,
            &operator.to_be_bytes(),
            &order.version.to_be_bytes(),
            &order.expires_at.to_be_bytes(),
            order.name.as_bytes(),
        ];
        let content = self
            .platform
            .boot_key
            .open(&hybrid::info(SECRET_INFO, &bound), &order.secret)
            .map_err(|_| {
                refused(
                    "The secret was not sealed for this boot, root id, operator, name, version and expiry.",
                )
            })?;
        if content.is_empty() || content.len() > MAX_SECRET {
            let message = "A secret has 1 to 4096 bytes.";
            return Err(refuse_because(ErrorCode::OutOfBounds, message));
        }
        let mut kept: Kept<Vec<Secret>> = self.read_kept(Kind::Secrets).await?;
        let known = kept
            .content
            .iter()
            .position(|secret| secret.name == order.name);
        let version = known
            .and_then(|at| kept.content.get(at))
            .map_or(0, |secret| secret.version);
        if order.version.checked_sub(1) != Some(version) {
            let message = format!("The secret has version {version}: the next one must follow.");
            return Err(refuse_because(ErrorCode::Conflict, message));
        }
        if let Some(at) = known {
            kept.content.remove(at);
        } else if kept.content.len() >= MAX_SECRETS {
            return Err(refuse_because(
                ErrorCode::Full,
                "There is no room for another secret.",
            ));
        }
        kept.content.push(Secret {
            name: order.name,
            version: order.version,
            content: content.as_slice().into(),
        });
        kept.content.sort_by(|one, two| one.name.cmp(&two.name));
        let again = Again::Until(order.expires_at);
        match self.write_kept(Kind::Secrets, &kept, again).await? {
            Written::Done => self.platform.record(EnclaveEvent::SecretSet),
            Written::Conflict => return Err(unconfirmed(again)),
        }
        Ok(())
    }

    /// A secret that an operator brought; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Unavailable`] while the store does not answer, [`ErrorCode::RolledBack`] or
    /// [`ErrorCode::RecordCorrupt`] if it answers with something else.
    pub async fn secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let kept: Kept<Vec<Secret>> = self.read_kept(Kind::Secrets).await?;
        let found = kept.content.iter().find(|secret| secret.name == name);
        Ok(found.map(|secret| Zeroizing::new(secret.content.0.clone())))
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    };
    (1..=MAX_OPERATOR_NAME).contains(&name.len()) && name.bytes().all(plain)
}
