//! Tokens of lists: as every other token, they have room before they are read, and are verified in turns.

use std::sync::Arc;

use openkey_capability::chain::Delegation;

use crate::allowance::{Allowance, Taken};
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
    taken: Taken,
}

impl Reading {
    /// Allows to read a page of so many bytes, for a list that shows tokens of so many bytes already.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`].
    pub(super) async fn allow(&mut self, page: usize, listed: usize) -> Result<Allowance, Error> {
        self.taken.allow(page, memory(page, listed)).await
    }

    /// Verifies a page of rows.
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
        self.allow(bytes, listed).await?;
        let all = rows.iter();
        let verify = || {
            all.map(|row| node.authority.verified(row.cid, &row.token))
                .collect()
        };
        asking::in_turn(bytes, verify).await?
    }
}

fn memory(read: usize, listed: usize) -> usize {
    read.saturating_mul(READ)
        .saturating_add(listed.saturating_mul(SHOWN))
}
