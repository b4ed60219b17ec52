//! Delegations: accepted, taken back, asked after.

mod accept;
mod listing;
mod query;
mod reading;
mod revoke;
mod standing;
mod status;
mod view;

pub(crate) use self::accept::names;
pub(crate) use self::view::iso;

pub use self::accept::{Delegated, delegate};
pub use self::listing::{InSpace, Listed, chain_of, in_space, is_active, is_between};
pub use self::query::query;
pub use self::revoke::{RevokedCid, revoke};
pub use self::standing::Standing;
pub use self::status::status;
pub use self::view::{View, capabilities};
