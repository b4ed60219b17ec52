//! Why a chain does not carry.

use crate::ability::Ability;
use crate::cid::Cid;
use crate::did::{Did, DidError};
use crate::recap::RecapError;
use crate::resource::{Resource, ResourceError};

/// Why a chain does not carry. The words are those that clients of present nodes look for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Issuer or audience is no DID.
    #[error(transparent)]
    Did(#[from] DidError),
    /// A resource cannot be read.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// A sign-in's grants cannot be read, or its words do not say them.
    #[error(transparent)]
    Recap(#[from] RecapError),
    /// A delegation that is not in its time.
    #[error("Delegation expired or not yet valid")]
    DelegationTime,
    /// An invocation that is not in its time.
    #[error("Invocation expired or not yet valid")]
    InvocationTime,
    /// A revocation that is not in its time.
    #[error("Revocation expired or not yet valid")]
    RevocationTime,
    /// A link of the chain that is not in its time.
    #[error("Delegation expired or not yet valid: {0}")]
    AncestorTime(Cid),
    /// A cited delegation that nobody has, or one above it.
    #[error("Cannot find parent delegation")]
    Missing,
    /// A delegation is cited twice.
    #[error("A parent delegation is cited twice")]
    Twice,
    /// A link of the chain is not carried by what it cites.
    #[error("Delegation {cid} is not carried by what it rests on: {reason}")]
    Link {
        /// The link.
        cid: Cid,
        /// The first rule that it breaks.
        reason: Box<Self>,
    },
    /// A cited delegation is for somebody else.
    #[error("Unauthorized Delegator: {0}")]
    Delegator(Did),
    /// A cited delegation is for somebody else.
    #[error("Unauthorized Invoker")]
    Invoker,
    /// Neither delegator nor delegatee nor owner.
    #[error("Unauthorized Revoker")]
    Revoker,
    /// The parent was revoked.
    #[error("delegation-parent-revoked: {0}")]
    ParentRevoked(Cid),
    /// Something above the parent was revoked.
    #[error("delegation-ancestor-revoked: ancestor={ancestor} parent={parent}")]
    ParentsAncestorRevoked {
        /// What was revoked.
        ancestor: Cid,
        /// What was cited.
        parent: Cid,
    },
    /// What is invoked was revoked.
    #[error("delegation-revoked: {0}")]
    InvokedRevoked(Cid),
    /// Something above what is invoked was revoked.
    #[error("delegation-ancestor-revoked: ancestor={ancestor} invoked={invoked}")]
    InvokedsAncestorRevoked {
        /// What was revoked.
        ancestor: Cid,
        /// What was cited.
        invoked: Cid,
    },
    /// More links than are walked.
    #[error("delegation-chain-traversal-limit-exceeded")]
    TooLong,
    /// More capabilities and caveats on both sides than are compared.
    #[error(
        "delegation-chain-comparison-limit-exceeded: more than {} comparisons",
        super::link::MAX_COMPARISONS
    )]
    TooMuch,
    /// What it rests on is too long, all tokens together.
    #[error("delegation-chain-size-limit-exceeded: more than {0} bytes")]
    TooLarge(usize),
    /// The parent says that nobody may delegate it further.
    #[error("terminal-parent-cannot-redelegate")]
    Terminal,
    /// Longer than the parent.
    #[error("Child delegation expiry exceeds parent expiry")]
    Expiry,
    /// Earlier than the parent.
    #[error("Child delegation not_before precedes parent not_before")]
    NotBefore,
    /// No parent grants this.
    #[error("Unauthorized Capability: {resource}, {ability}{}", why(resource))]
    Capability {
        /// The resource that is asked for.
        resource: Box<Resource>,
        /// The ability that is asked for.
        ability: Ability,
    },
    /// A parent grants it with caveats that the child widens.
    #[error("child-caveats-not-subset-of-parent: {resource}, {ability}")]
    ChildCaveats {
        /// The resource that is asked for.
        resource: Box<Resource>,
        /// The ability that is asked for.
        ability: Ability,
    },
    /// Nobody granted this to the invoker.
    #[error("Unauthorized Action: {resource} / {ability}{}", why(resource))]
    Action {
        /// The resource that is asked for.
        resource: Box<Resource>,
        /// The ability that is asked for.
        ability: Ability,
    },
    /// The invocation widens the caveats it was granted with.
    #[error("invocation-caveats-not-subset-of-chain: {resource}, {ability}")]
    InvocationCaveats {
        /// The resource that is asked for.
        resource: Box<Resource>,
        /// The ability that is asked for.
        ability: Ability,
    },
    /// A revocation that names nothing, or several things, to be revoked.
    #[error("The revocation does not name one delegation")]
    Target,
}

/// A line of its own, for what was meant to be ours and names nothing: no grant covers it, and no owner
/// has it. Clients read the line before.
fn why(resource: &Resource) -> &'static str {
    match resource {
        Resource::Other(text) if is_nearly_ours(text) => {
            "\nNothing has this name: write tinycloud:<owner>:<space>/<service>/<path> as normalised by \
             RFC 3986, without `.` and `..`, and with capitals in escapes of what must be escaped"
        }
        _ => "",
    }
}

fn is_nearly_ours(text: &str) -> bool {
    let scheme = text.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("tinycloud")
}
