//! The closed list of messages that are not dangerous, each with its source and its severity.
//!
//! A message is on it only as a whole: `encodeType` of its primary type, every struct in it
//! included, to the letter. Severities are decided by what a signature under such a message has
//! power over, not by how the message looks; a test holds every row to a vector.

use openkey_protocol::message::Severity;

use super::{Context, Finding, shape::Shape, sign_in};
use crate::typed_data::Document;

/// A message that is known not to move value or hand over control.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// `encodeType` of the primary type.
    written: &'static str,
    severity: Severity,
    title: &'static str,
    /// What to know before signing; empty where the severity is a notice.
    why: &'static str,
    /// Members that may hold a digest as a number or text, because the source says what it is.
    pub(super) digests: &'static [&'static str],
    domain: DomainRule,
    /// Whose account it is for: a member that nearly always holds the signer's own address.
    actor: Option<&'static str>,
}

/// What the domain has to be.
#[derive(Clone, Copy)]
enum DomainRule {
    Any,
    /// This name, and no contract.
    Named(&'static str),
}

impl Known {
    pub(super) fn finding(&self, document: &Document<'_>, context: Context<'_>) -> Finding {
        if self.written.is_empty() {
            return sign_in::finding(document, context);
        }
        let mut finding = Finding::new(self.severity, self.title, self.why);
        if self.severity == Severity::Notice {
            finding.warnings.clear();
        }
        let Some(actor) = self.actor else {
            return finding;
        };
        let shape = Shape::of(&document.message);
        let is_foreign = shape
            .addresses(&[actor])
            .iter()
            .any(|it| *it != context.signer);
        finding.with(shape.actor_rows(&[actor], context)).also_warn(
            Severity::Notice,
            is_foreign.then_some(
                "It is in the name of another address than that of your key. It counts only where \
                     that address lets your key sign for it.",
            ),
        )
    }
}

/// The row of a message, if it is on the list.
pub(super) fn find(document: &Document<'_>, signer: &[u8; 20]) -> Option<Known> {
    if sign_in::is_one(document, signer) {
        return Some(SIGN_IN);
    }
    let domain = &document.domain;
    ROWS.iter()
        .find(|row| row.written == document.written)
        .filter(|row| match row.domain {
            DomainRule::Any => true,
            DomainRule::Named(name) => domain.name() == Some(name) && domain.contract().is_none(),
        })
        .copied()
}

/// Told by its members ([`sign_in`]), in whatever order they stand.
const SIGN_IN: Known = Known {
    written: "",
    severity: Severity::Notice,
    title: "",
    why: "",
    // A nonce is random, and programs write it as they like.
    digests: &["nonce"],
    domain: DomainRule::Any,
    actor: None,
};

const fn notice(written: &'static str, title: &'static str) -> Known {
    Known {
        written,
        severity: Severity::Notice,
        title,
        why: "",
        digests: &[],
        domain: DomainRule::Any,
        actor: None,
    }
}

const fn attention(written: &'static str, title: &'static str, why: &'static str) -> Known {
    Known {
        written,
        severity: Severity::Attention,
        title,
        why,
        digests: &[],
        domain: DomainRule::Any,
        actor: None,
    }
}

/// Proposals are digests on Snapshot; hidden choices are encrypted.
const fn snapshot(written: &'static str) -> Known {
    Known {
        digests: &["proposal", "choice"],
        domain: DomainRule::Named("snapshot"),
        actor: Some("from"),
        ..notice(written, "Vote on a proposal (Snapshot)")
    }
}

/// OpenZeppelin's Governor names a proposal by a digest.
const fn governor(written: &'static str, actor: Option<&'static str>) -> Known {
    Known {
        digests: &["proposalId"],
        actor,
        ..attention(
            written,
            "Vote on a proposal (Governor)",
            "Whoever holds this signature can cast this vote for you.",
        )
    }
}

const fn lens(written: &'static str, title: &'static str) -> Known {
    Known {
        // What is published is named by its digest.
        digests: &["contentURI", "metadataURI"],
        ..attention(
            written,
            title,
            "Whoever holds this signature can publish this in your name.",
        )
    }
}

/// With the member that holds the signer's own address.
const fn of(actor: &'static str, row: Known) -> Known {
    Known {
        actor: Some(actor),
        ..row
    }
}

const fn makes_key(written: &'static str) -> Known {
    attention(
        written,
        "Make a secret key for dYdX",
        "The signature itself is a secret key: whoever gets it can trade with that account. Sign \
         this only for dYdX.",
    )
}

/// Every row, with the source of its type above it.
const ROWS: [Known; 23] = [
    // https://eips.ethereum.org/EIPS/eip-712, the specification's example
    notice(
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)",
        "Sign a letter (the example of EIP-712)",
    ),
    // https://github.com/snapshot-labs/snapshot.js, src/sign/types.ts
    snapshot(
        "Vote(address from,string space,uint64 timestamp,bytes32 proposal,uint32 choice,string reason,string app,string metadata)",
    ),
    snapshot(
        "Vote(address from,string space,uint64 timestamp,bytes32 proposal,uint32[] choice,string reason,string app,string metadata)",
    ),
    snapshot(
        "Vote(address from,string space,uint64 timestamp,bytes32 proposal,string choice,string reason,string app,string metadata)",
    ),
    snapshot(
        "Vote(address from,string space,uint64 timestamp,string proposal,uint32 choice,string reason,string app,string metadata)",
    ),
    snapshot(
        "Vote(address from,string space,uint64 timestamp,string proposal,uint32[] choice,string reason,string app,string metadata)",
    ),
    snapshot(
        "Vote(address from,string space,uint64 timestamp,string proposal,string choice,string reason,string app,string metadata)",
    ),
    // https://github.com/ethereum-attestation-service/eas-sdk, src/offchain/offchain.ts, version 2
    attention(
        "Attest(uint16 version,bytes32 schema,address recipient,uint64 time,uint64 expirationTime,bool revocable,bytes32 refUID,bytes data,bytes32 salt)",
        "Attest something (EAS, off chain)",
        "Anybody can show this as your attestation. What it attests is encoded, and a person cannot \
         read it here.",
    ),
    // https://github.com/farcasterxyz/hub-monorepo, packages/core/src/crypto/eip712.ts
    of(
        "address",
        attention(
            "VerificationClaim(uint256 fid,address address,bytes32 blockHash,uint8 network)",
            "Claim an address for a Farcaster account",
            "The Farcaster account with this number is shown as yours.",
        ),
    ),
    // https://github.com/Polymarket/clob-client, src/signing/eip712.ts
    of(
        "address",
        attention(
            "ClobAuth(address address,string timestamp,uint256 nonce,string message)",
            "Make API keys (Polymarket)",
            "Whoever holds this signature can get API keys that trade for this account.",
        ),
    ),
    // https://github.com/compound-finance/compound-protocol, GovernorBravoDelegateStorageV1
    governor("Ballot(uint256 proposalId,uint8 support)", None),
    // https://github.com/OpenZeppelin/openzeppelin-contracts, version 5, Governor.sol
    governor(
        "Ballot(uint256 proposalId,uint8 support,address voter,uint256 nonce)",
        Some("voter"),
    ),
    governor(
        "ExtendedBallot(uint256 proposalId,uint8 support,address voter,uint256 nonce,string reason,bytes params)",
        Some("voter"),
    ),
    // https://eips.ethereum.org/EIPS/eip-3009
    of(
        "authorizer",
        attention(
            "CancelAuthorization(address authorizer,bytes32 nonce)",
            "Cancel a transfer that you authorised",
            "The authorisation with this number can no longer be used.",
        ),
    ),
    // https://github.com/cowprotocol/contracts, src/ts/order.ts
    attention(
        "OrderCancellations(bytes[] orderUids)",
        "Cancel orders (CoW Protocol)",
        "The orders with these numbers are no longer carried out.",
    ),
    // https://github.com/dydxprotocol/v3-client, src/eth-signing/onboarding-action.ts
    makes_key("dYdX(string action,string onlySignOn)"),
    // https://github.com/dydxprotocol/v4-web, src/constants/wallets.ts
    makes_key("dYdX(string action)"),
    // https://github.com/lens-protocol/core, contracts/libraries/Constants.sol, version 1
    lens(
        "PostWithSig(uint256 profileId,string contentURI,address collectModule,bytes collectModuleInitData,address referenceModule,bytes referenceModuleInitData,uint256 nonce,uint256 deadline)",
        "Publish a post (Lens)",
    ),
    lens(
        "MirrorWithSig(uint256 profileId,uint256 profileIdPointed,uint256 pubIdPointed,bytes referenceModuleData,address referenceModule,bytes referenceModuleInitData,uint256 nonce,uint256 deadline)",
        "Share somebody's post (Lens)",
    ),
    lens(
        "FollowWithSig(uint256[] profileIds,bytes[] datas,uint256 nonce,uint256 deadline)",
        "Follow profiles (Lens)",
    ),
    // https://github.com/lens-protocol/core, contracts/libraries/constants/Typehash.sol, version 2
    lens(
        "Post(uint256 profileId,string contentURI,address[] actionModules,bytes[] actionModulesInitDatas,address referenceModule,bytes referenceModuleInitData,uint256 nonce,uint256 deadline)",
        "Publish a post (Lens)",
    ),
    lens(
        "Mirror(uint256 profileId,string metadataURI,uint256 pointedProfileId,uint256 pointedPubId,uint256[] referrerProfileIds,uint256[] referrerPubIds,bytes referenceModuleData,uint256 nonce,uint256 deadline)",
        "Share somebody's post (Lens)",
    ),
    lens(
        "Follow(uint256 followerProfileId,uint256[] idsOfProfilesToFollow,uint256[] followTokenIds,bytes[] datas,uint256 nonce,uint256 deadline)",
        "Follow profiles (Lens)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_there_once_and_says_why_it_needs_attention() {
        for (at, row) in ROWS.iter().enumerate() {
            assert!(
                ROWS[..at].iter().all(|it| it.written != row.written),
                "{}",
                row.written
            );
            assert!(row.severity < Severity::Danger, "{}", row.written);
            assert_eq!(row.severity == Severity::Notice, row.why.is_empty());
        }
    }
}
