//! Every message of the closed list ([`super::known`]), with the source of its type above it.

use openkey_capability::address::eip55;
use openkey_protocol::message::{Line, Severity, Warning};

use super::{
    Context, ethauth,
    known::{DomainRule, Known},
    lens::modules,
    shape::Shape,
    votes,
};
use crate::words::{line, warning};

pub(super) const fn notice(written: &'static str, title: &'static str) -> Known {
    Known {
        written,
        severity: Severity::Notice,
        title,
        why: "",
        digests: &[],
        prose: &[],
        is_letter: false,
        bytes: &[],
        makes_key: false,
        protocol: None,
        domain: DomainRule::Any,
        actor: None,
        check: None,
    }
}

const fn attention(written: &'static str, title: &'static str, why: &'static str) -> Known {
    Known {
        severity: Severity::Attention,
        why,
        ..notice(written, title)
    }
}

/// The specification's example, and what wallets made of it.
const fn letter(written: &'static str) -> Known {
    Known {
        is_letter: true,
        ..notice(written, "Sign a letter (the example of EIP-712)")
    }
}

/// Everything of Snapshot is signed without a contract, in the name of `from`.
const fn snapshot(row: Known) -> Known {
    Known {
        prose: &["reason", "title", "body", "discussion"],
        protocol: Some("snapshot"),
        domain: DomainRule::Named("snapshot"),
        actor: Some("from"),
        ..row
    }
}

/// Proposals are digests on Snapshot; hidden choices are encrypted.
const fn snapshot_vote(written: &'static str) -> Known {
    Known {
        digests: &["proposal", "choice"],
        check: Some(votes::check),
        ..snapshot(notice(written, "Vote on a proposal"))
    }
}

const fn snapshot_proposal(written: &'static str) -> Known {
    snapshot(attention(
        written,
        "Publish a proposal",
        "The proposal is published in your name, and others can vote on it.",
    ))
}

/// OpenZeppelin's Governor names a proposal by a digest.
const fn governor(written: &'static str, actor: Option<&'static str>) -> Known {
    Known {
        digests: &["proposalId"],
        prose: &["reason"],
        actor,
        ..attention(
            written,
            "Vote on a proposal (Governor)",
            "Whoever holds this signature can cast this vote for you.",
        )
    }
}

const PUBLISHES: &str = "Whoever holds this signature can publish this in your name.";
const FOLLOWS: &str = "Whoever holds this signature can follow these profiles in your name.";

const fn lens(written: &'static str, title: &'static str, why: &'static str) -> Known {
    Known {
        // What is published is named by its digest.
        digests: &["contentURI", "metadataURI"],
        protocol: Some("lens"),
        check: Some(modules),
        ..attention(written, title, why)
    }
}

/// With the member that holds the signer's own address.
const fn of(actor: &'static str, row: Known) -> Known {
    Known {
        actor: Some(actor),
        ..row
    }
}

const fn from(protocol: &'static str, row: Known) -> Known {
    Known {
        protocol: Some(protocol),
        ..row
    }
}

const fn makes_key(written: &'static str) -> Known {
    Known {
        makes_key: true,
        protocol: Some("dydx"),
        ..attention(
            written,
            "Make a secret key",
            "The signature itself is a secret key: whoever gets it can trade with the account that \
             the key belongs to. Sign this only at the site of the exchange itself.",
        )
    }
}

/// A token that signs in to an app until its end; it is signed without a contract.
const fn ethauth(written: &'static str) -> Known {
    Known {
        domain: DomainRule::Named("ETHAuth"),
        check: Some(ethauth::check),
        ..attention(
            written,
            "Make a token that signs you in (ETHAuth)",
            "Whoever holds this signature can act as you at the app that it names, until the end that it \
             names.",
        )
    }
}

/// Every row, with the source of its type above it.
pub(super) const ROWS: [Known; 37] = [
    // https://eips.ethereum.org/EIPS/eip-712, the specification's example
    letter("Mail(Person from,Person to,string contents)Person(string name,address wallet)"),
    // https://docs.metamask.io/wallet/how-to/sign-data, and https://github.com/MetaMask/test-dapp, signTypedData_v4
    letter("Mail(Person from,Person[] to,string contents)Person(string name,address wallet)"),
    letter("Mail(Person from,Person[] to,string contents)Person(string name,address[] wallets)"),
    // https://github.com/snapshot-labs/snapshot.js, src/sign/types.ts, up to version 0.12
    snapshot_vote(
        "Vote(address from,string space,uint64 timestamp,bytes32 proposal,uint32 choice,string reason,string app,string metadata)",
    ),
    snapshot_vote(
        "Vote(address from,string space,uint64 timestamp,bytes32 proposal,uint32[] choice,string reason,string app,string metadata)",
    ),
    snapshot_vote(
        "Vote(address from,string space,uint64 timestamp,bytes32 proposal,string choice,string reason,string app,string metadata)",
    ),
    snapshot_vote(
        "Vote(address from,string space,uint64 timestamp,string proposal,uint32 choice,string reason,string app,string metadata)",
    ),
    snapshot_vote(
        "Vote(address from,string space,uint64 timestamp,string proposal,uint32[] choice,string reason,string app,string metadata)",
    ),
    snapshot_vote(
        "Vote(address from,string space,uint64 timestamp,string proposal,string choice,string reason,string app,string metadata)",
    ),
    // The same from version 0.14, where the voter is a text
    snapshot_vote(
        "Vote(string from,string space,uint64 timestamp,string proposal,uint32 choice,string reason,string app,string metadata)",
    ),
    snapshot_vote(
        "Vote(string from,string space,uint64 timestamp,string proposal,uint32[] choice,string reason,string app,string metadata)",
    ),
    snapshot_vote(
        "Vote(string from,string space,uint64 timestamp,string proposal,string choice,string reason,string app,string metadata)",
    ),
    // The same file: versions 0.11, 0.12, and from 0.14
    snapshot_proposal(
        "Proposal(address from,string space,uint64 timestamp,string type,string title,string body,string discussion,string[] choices,uint64 start,uint64 end,uint64 snapshot,string plugins,string app)",
    ),
    snapshot_proposal(
        "Proposal(address from,string space,uint64 timestamp,string type,string title,string body,string discussion,string[] choices,string[] labels,uint64 start,uint64 end,uint64 snapshot,string plugins,string privacy,string app)",
    ),
    snapshot_proposal(
        "Proposal(string from,string space,uint64 timestamp,string type,string title,string body,string discussion,string[] choices,string[] labels,uint64 start,uint64 end,uint64 snapshot,string plugins,string privacy,string app)",
    ),
    // The same file: version 0.4, and from 0.11
    snapshot(notice(
        "Follow(address from,string space)",
        "Follow a space",
    )),
    snapshot(notice(
        "Follow(address from,string network,string space,uint64 timestamp)",
        "Follow a space",
    )),
    // The same file
    snapshot(notice(
        "Unfollow(address from,string space)",
        "Stop following a space",
    )),
    snapshot(notice(
        "Subscribe(address from,string space)",
        "Subscribe to a space",
    )),
    snapshot(notice(
        "Unsubscribe(address from,string space)",
        "Stop a subscription to a space",
    )),
    // https://github.com/0xsequence/ethauth.js, src/proof.ts and src/typed-data.ts
    ethauth("Claims(string app,int64 iat,int64 exp,string v)"),
    ethauth("Claims(string app,int64 iat,int64 exp,string ogn,string v)"),
    // https://github.com/ethereum-attestation-service/eas-sdk, src/offchain/offchain.ts, version 2
    Known {
        bytes: &["data"],
        ..from(
            "eas",
            attention(
                "Attest(uint16 version,bytes32 schema,address recipient,uint64 time,uint64 expirationTime,bool revocable,bytes32 refUID,bytes data,bytes32 salt)",
                "Attest something",
                "Anybody can show this as your attestation. What it attests is encoded, and a person \
                 cannot read it here.",
            ),
        )
    },
    // https://github.com/farcasterxyz/hub-monorepo, packages/core/src/crypto/eip712.ts
    of(
        "address",
        from(
            "farcaster",
            attention(
                "VerificationClaim(uint256 fid,address address,bytes32 blockHash,uint8 network)",
                "Claim an address for an account",
                "The account with this number is shown as yours.",
            ),
        ),
    ),
    // https://github.com/Polymarket/clob-client, src/signing/eip712.ts
    Known {
        makes_key: true,
        ..of(
            "address",
            from(
                "polymarket-keys",
                attention(
                    "ClobAuth(address address,string timestamp,uint256 nonce,string message)",
                    "Make API keys",
                    "Whoever holds this signature can get API keys that trade for this account.",
                ),
            ),
        )
    },
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
    Known {
        bytes: &["orderUids"],
        check: Some(cancelled_orders),
        ..from(
            "cow",
            attention(
                "OrderCancellations(bytes[] orderUids)",
                "Cancel orders",
                "The orders with these numbers are no longer carried out.",
            ),
        )
    },
    // https://github.com/dydxprotocol/v3-client, src/eth-signing/onboarding-action.ts
    makes_key("dYdX(string action,string onlySignOn)"),
    // https://github.com/lens-protocol/core, contracts/libraries/Constants.sol, version 1
    lens(
        "PostWithSig(uint256 profileId,string contentURI,address collectModule,bytes collectModuleInitData,address referenceModule,bytes referenceModuleInitData,uint256 nonce,uint256 deadline)",
        "Publish a post",
        PUBLISHES,
    ),
    lens(
        "MirrorWithSig(uint256 profileId,uint256 profileIdPointed,uint256 pubIdPointed,bytes referenceModuleData,address referenceModule,bytes referenceModuleInitData,uint256 nonce,uint256 deadline)",
        "Share somebody's post",
        PUBLISHES,
    ),
    lens(
        "FollowWithSig(uint256[] profileIds,bytes[] datas,uint256 nonce,uint256 deadline)",
        "Follow profiles",
        FOLLOWS,
    ),
    // https://github.com/lens-protocol/core, contracts/libraries/constants/Typehash.sol, version 2
    lens(
        "Post(uint256 profileId,string contentURI,address[] actionModules,bytes[] actionModulesInitDatas,address referenceModule,bytes referenceModuleInitData,uint256 nonce,uint256 deadline)",
        "Publish a post",
        PUBLISHES,
    ),
    lens(
        "Mirror(uint256 profileId,string metadataURI,uint256 pointedProfileId,uint256 pointedPubId,uint256[] referrerProfileIds,uint256[] referrerPubIds,bytes referenceModuleData,uint256 nonce,uint256 deadline)",
        "Share somebody's post",
        PUBLISHES,
    ),
    lens(
        "Follow(uint256 followerProfileId,uint256[] idsOfProfilesToFollow,uint256[] followTokenIds,bytes[] datas,uint256 nonce,uint256 deadline)",
        "Follow profiles",
        FOLLOWS,
    ),
];

/// Numbers of orders to cancel: digest of the order, its owner, its end (CoW's `packOrderUidParams`,
/// <https://github.com/cowprotocol/contracts/blob/main/src/contracts/libraries/GPv2Order.sol>).
fn cancelled_orders(shape: &Shape<'_, '_>, context: Context<'_>) -> (Vec<Line>, Vec<Warning>) {
    const DIGEST: usize = 32;
    const END: usize = 4;
    let orders = shape.bytes(&["orderuid"]);
    let owners: Option<Vec<[u8; 20]>> = orders
        .iter()
        .map(|order| {
            let owner = order.get(DIGEST..order.len().checked_sub(END)?)?;
            owner.try_into().ok()
        })
        .collect();
    let mut lines = vec![line("Orders", format!("{} to be cancelled", orders.len()))];
    let mut warnings = Vec::new();
    match owners {
        None => warnings.push(warning(
            Severity::Danger,
            "What it calls numbers of orders are other data, and nobody can see here what they allow.",
        )),
        Some(owners) => {
            if let Some(other) = owners.iter().find(|it| *it != context.signer) {
                lines.push(line("An order of", eip55(other)));
                warnings.push(warning(
                    Severity::Attention,
                    "It names orders of another address than that of your key.",
                ));
            }
        }
    }
    (lines, warnings)
}

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
