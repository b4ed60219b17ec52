//! What only a check asks of the store.

use super::check::{
    self, DatabaseRow, DelegationFound, Listing, Miscount, RevocationFound, ValueRow,
};
use super::{SqliteStore, spaces};
use crate::store::{Statement, StoreError};

/// Each answers rows behind a place, in order, or all findings of a kind.
///
/// # Errors
///
/// [`StoreError`].
#[allow(clippy::missing_errors_doc)] // as above
impl SqliteStore {
    /// Values.
    pub async fn values_after(&self, after: i64, limit: u32) -> Result<Vec<ValueRow>, StoreError> {
        self.read(move |c| check::values(c, after, limit)).await
    }

    /// Delegations.
    pub async fn delegations_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<DelegationFound>, StoreError> {
        self.read(move |c| check::delegations(c, after, limit))
            .await
    }

    /// Revocations.
    pub async fn revocations_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<RevocationFound>, StoreError> {
        self.read(move |c| check::revocations(c, after, limit))
            .await
    }

    /// A kept token that says this.
    pub async fn token_saying(&self, statement: &Statement) -> Result<Option<Vec<u8>>, StoreError> {
        let statement = *statement;
        self.read(move |c| check::token_saying(c, &statement)).await
    }

    /// Listed databases.
    pub async fn databases_after(
        &self,
        after: (i64, String),
        limit: u32,
    ) -> Result<Vec<DatabaseRow>, StoreError> {
        self.read(move |c| check::databases(c, &after, limit)).await
    }

    /// Spaces: place, name and recorded owner.
    pub async fn owners_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, String, String)>, StoreError> {
        self.read(move |c| check::owners(c, after, limit)).await
    }

    /// Tickets, by the hash that they are known by, and the names of their spaces.
    pub async fn tickets_after(
        &self,
        after: Vec<u8>,
        limit: u32,
    ) -> Result<Vec<(Vec<u8>, String)>, StoreError> {
        self.read(move |c| check::tickets(c, &after, limit)).await
    }

    /// Whether a delegation is in all lists that it belongs in.
    pub async fn is_listed(&self, listing: Listing) -> Result<bool, StoreError> {
        self.read(move |c| check::is_listed(c, &listing)).await
    }

    /// How many rows list delegations up to a place.
    pub async fn listed(&self, last: i64) -> Result<u64, StoreError> {
        self.read(move |c| check::listed(c, last)).await
    }

    /// Those of these blobs that neither a value nor a reservation lists.
    pub async fn unlisted_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>, StoreError> {
        self.read(move |c| check::unlisted(c, &blobs)).await
    }

    /// Reservations of what cannot be the name of a blob.
    pub async fn misnamed_reservations(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        self.read(move |c| check::misnamed(c, limit)).await
    }

    /// Rows that refer to missing rows: their table, what they refer to, how many.
    pub async fn dangling(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        self.read(check::dangling).await
    }

    /// Counts of bytes that are not what there is; at most 1000.
    pub async fn miscounted(&self) -> Result<Vec<Miscount>, StoreError> {
        self.read(spaces::miscounted).await
    }
}
