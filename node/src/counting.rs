//! How large databases are, counted after each request, or later where the store cannot be written just then.

use std::sync::Arc;
use std::time::Duration;

use openkey_capability::resource::SpaceId;

use crate::error::Error;
use crate::sql::{Access, Databases, Request, SqlError};
use crate::store::{Entered, Store, StoreError};

/// After how long a count that failed is tried again: the first time, and at the most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is tried: a database that is damaged is never counted.
const TRIES: u32 = 12;

/// The count of one database of a space.
#[derive(Clone)]
pub(crate) struct Count {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) databases: Arc<dyn Databases>,
    pub(crate) space: SpaceId,
    pub(crate) database: String,
}

impl Count {
    /// Ends the reservation of a request and counts the size of the database, where that changed. If the store
    /// fails, the request is done all the same: its reservation stays, and both are tried again for some minutes.
    /// Should the node end before, the reservation ends by its time, and the next request that writes the
    /// database counts it.
    pub(crate) async fn settle(&self, access: &Access, entered: &Entered, size: Option<u64>) {
        let Err(error) = self.try_settle(entered.reservation, size).await else {
            return;
        };
        tracing::warn!(%error, "the size of a database is counted later");
        self.settle_later(access, entered, size.is_some());
    }

    /// The same, a little later, and for some minutes until it succeeds. With `has_changed` the size is asked
    /// then, by a request that writes nothing: also the log of a worker that was killed is given back by that.
    pub(crate) fn settle_later(&self, access: &Access, entered: &Entered, has_changed: bool) {
        // it writes nothing, so nothing of it is held to what it rests on
        let (count, access) = (self.clone(), access.clone().resting_on(None));
        let reservation = entered.reservation;
        tokio::spawn(async move {
            let mut wait = FIRST;
            for _ in 0..TRIES {
                tokio::time::sleep(wait).await;
                match count.again(&access, reservation, has_changed).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::debug!(%error, "the size of a database is counted later")
                    }
                }
                wait = (wait * 2).min(LONGEST);
            }
        });
    }

    async fn try_settle(
        &self,
        reservation: Option<i64>,
        size: Option<u64>,
    ) -> Result<(), StoreError> {
        let (space, name) = (&self.space, &self.database);
        match (reservation, size) {
            (Some(id), size) => self.store.settle(space, name, id, size).await,
            (None, Some(size)) => self.store.sized(space, name, size).await,
            (None, None) => Ok(()),
        }
    }

    /// Others have written the database meanwhile, so that its size is asked again.
    async fn again(
        &self,
        access: &Access,
        reservation: Option<i64>,
        has_changed: bool,
    ) -> Result<(), Error> {
        let asked = if has_changed {
            let nothing = Request::Batch(Vec::new());
            match self
                .databases
                .run(&access.database(), access, nothing)
                .await
            {
                Err(SqlError::NotFound) => None,
                done => done?.sizes,
            }
        } else {
            None
        };
        let size = asked.as_ref().map(|sizes| sizes.after);
        // before the turn to write ends, with `asked`
        Ok(self.try_settle(reservation, size).await?)
    }
}
