//! Tokens of lists: as every other token, they have room before they are verified, and are verified in turns.

use std::sync::Arc;

use openkey_capability::chain::Delegation;

use crate::asking;
use crate::error::Error;
use crate::node::Node;
use crate::store::DelegationRow;

/// Bytes of memory for one of a token that is read.
const READ: usize = 10;
/// And for one of a token that is shown: its part of the list, and of the answer that is made of that.
const SHOWN: usize = 6;

/// The memory that a list takes: of all that it shows, and of the largest page that it was read in.
#[derive(Debug, Default)]
pub(super) struct Reading {
    taken: usize,
}

impl Reading {
    /// Verifies a page of rows, for a list that shows tokens of so many bytes already.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`], [`Error::Checks`], [`Error::Store`] if the store gives something that was never
    /// accepted.
    pub(super) async fn page(
        &mut self,
        node: &Node,
        rows: &[DelegationRow],
        listed: usize,
    ) -> Result<Vec<Arc<Delegation>>, Error> {
        let bytes = rows.iter().map(|row| row.token.len()).sum::<usize>();
        let wanted = bytes
            .saturating_mul(READ)
            .saturating_add(listed.saturating_mul(SHOWN));
        if let Some(more) = wanted.checked_sub(self.taken).filter(|more| *more > 0) {
            asking::room(more).await?;
            self.taken = wanted;
        }
        let all = rows.iter();
        let verify = || {
            all.map(|row| node.authority.verified(row.cid, &row.token))
                .collect()
        };
        asking::in_turn(bytes, verify).await?
    }
}
