//! Chains of delegations, from the owner of a space to whoever acts in it.
//!
//! Nothing here fetches anything: a caller that has a store brings the [`Ancestors`] which a check
//! asks for, and the time. What is decided holds for that moment, and is never kept: a revocation
//! counts from the next check on.
//!
//! Three questions are answered: may this [`Delegation`] be accepted ([`Delegation::check`]), may this
//! [`Invocation`] be carried out ([`Invocation::check`]), may this [`Revocation`] take effect
//! ([`Revocation::check`]). Signatures are the tokens' own: verify them first.

mod ancestors;
mod delegation;
mod error;
mod invocation;
mod link;
mod revocation;
#[cfg(test)]
mod tests;

pub use self::ancestors::{Ancestors, MAX_NODES, Node};
pub use self::delegation::Delegation;
pub use self::error::ChainError;
pub use self::invocation::{Granted, Invocation};
pub use self::link::{Capability, Window};
pub use self::revocation::Revocation;
