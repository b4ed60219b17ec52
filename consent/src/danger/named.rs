//! Dangerous messages of protocols that say everything in texts or by a hash, or whose signature is a key,
//! so that no shape tells what they do: each by `encodeType` to the letter, with its source.

use super::{Finding, protocols, shape::Shape, spoken::said};
use crate::typed_data::Document;

/// A message of a protocol.
struct Named {
    /// `encodeType` of the primary type.
    written: &'static str,
    protocol: &'static str,
    title: &'static str,
    why: &'static str,
    /// Labels of rows, and members in small letters.
    rows: &'static [(&'static str, &'static str)],
}

const SENT: &str = "Whoever holds this signature can make this happen, without asking again.";

const fn hyperliquid(
    written: &'static str,
    title: &'static str,
    rows: &'static [(&'static str, &'static str)],
) -> Named {
    Named {
        written,
        protocol: "hyperliquid",
        title,
        why: SENT,
        rows,
    }
}

/// Source of all but the last: <https://github.com/hyperliquid-dex/hyperliquid-python-sdk>,
/// `hyperliquid/utils/signing.py`.
const ALL: [Named; 10] = [
    hyperliquid(
        "HyperliquidTransaction:UsdSend(string hyperliquidChain,string destination,string amount,uint64 time)",
        "Send USDC to somebody",
        &[
            ("To", "destination"),
            ("How much", "amount"),
            ("On", "hyperliquidchain"),
        ],
    ),
    hyperliquid(
        "HyperliquidTransaction:SpotSend(string hyperliquidChain,string destination,string token,string amount,uint64 time)",
        "Send tokens to somebody",
        &[
            ("To", "destination"),
            ("Token", "token"),
            ("How much", "amount"),
            ("On", "hyperliquidchain"),
        ],
    ),
    hyperliquid(
        "HyperliquidTransaction:Withdraw(string hyperliquidChain,string destination,string amount,uint64 time)",
        "Withdraw USDC to an address",
        &[
            ("To", "destination"),
            ("How much", "amount"),
            ("On", "hyperliquidchain"),
        ],
    ),
    hyperliquid(
        "HyperliquidTransaction:UsdClassTransfer(string hyperliquidChain,string amount,bool toPerp,uint64 nonce)",
        "Move USDC between spot and perpetuals",
        &[
            ("How much", "amount"),
            ("To perpetuals", "toperp"),
            ("On", "hyperliquidchain"),
        ],
    ),
    hyperliquid(
        "HyperliquidTransaction:SendAsset(string hyperliquidChain,string destination,string sourceDex,string destinationDex,string token,string amount,string fromSubAccount,uint64 nonce)",
        "Send tokens to somebody",
        &[
            ("To", "destination"),
            ("Token", "token"),
            ("How much", "amount"),
            ("From the exchange", "sourcedex"),
            ("To the exchange", "destinationdex"),
            ("From the account", "fromsubaccount"),
            ("On", "hyperliquidchain"),
        ],
    ),
    Named {
        why: "Whoever has the key of that address can trade with everything that you have there, \
              without asking again.",
        ..hyperliquid(
            "HyperliquidTransaction:ApproveAgent(string hyperliquidChain,address agentAddress,string agentName,uint64 nonce)",
            "Let somebody trade for you",
            &[
                ("Who may act", "agentaddress"),
                ("Name", "agentname"),
                ("On", "hyperliquidchain"),
            ],
        )
    },
    Named {
        why: "The builder can take this fee from every order that goes through it.",
        ..hyperliquid(
            "HyperliquidTransaction:ApproveBuilderFee(string hyperliquidChain,string maxFeeRate,address builder,uint64 nonce)",
            "Let somebody take fees from your orders",
            &[
                ("Who may take", "builder"),
                ("At most", "maxfeerate"),
                ("On", "hyperliquidchain"),
            ],
        )
    },
    hyperliquid(
        "HyperliquidTransaction:TokenDelegate(string hyperliquidChain,address validator,uint64 wei,bool isUndelegate,uint64 nonce)",
        "Stake tokens, or take them back",
        &[
            ("Validator", "validator"),
            ("How much", "wei"),
            ("Take back", "isundelegate"),
            ("On", "hyperliquidchain"),
        ],
    ),
    Named {
        written: "Agent(string source,bytes32 connectionId)",
        protocol: "hyperliquid-agent",
        title: "Approve an action that a person cannot read",
        why: "The action is given by its fingerprint alone: an order, a transfer of money, or anything \
              else that the exchange lets you do.",
        rows: &[("Source", "source"), ("Fingerprint", "connectionid")],
    },
    // https://github.com/dydxprotocol/v4-web, src/constants/wallets.ts and src/hooks/useGenerateKeys.ts
    Named {
        written: "dYdX(string action)",
        protocol: "dydx",
        title: "Make a secret key",
        why: "The signature is a key: the exchange makes the seed of a whole wallet from it. Whoever gets \
              the signature has everything in that wallet, for ever. Sign this only at the site of the \
              exchange itself.",
        rows: &[("Action", "action")],
    },
];

/// True if it is one of these under its protocol's own domain: which money moves is said by a member, and
/// the number of the chain only by which one a wallet signed.
pub(super) fn is_of_no_chain(document: &Document<'_>) -> bool {
    let named = ALL.iter().find(|it| it.written == document.written);
    named.is_some_and(|it| protocols::is_home(it.protocol, &document.domain))
}

/// What a message does, if it is one of these.
pub(super) fn find(document: &Document<'_>, shape: &Shape<'_, '_>) -> Option<Finding> {
    let named = ALL.iter().find(|it| it.written == document.written)?;
    let stranger = protocols::stranger(named.protocol, &document.domain);
    let title = protocols::titled(named.title, named.protocol, &document.domain);
    let rows = named.rows.iter();
    // When it was made, which only tells one signature from another.
    shape.tell(&["time"]);
    let rows: Vec<_> = rows
        .flat_map(|(label, member)| shape.rows(label, &[member], said))
        .collect();
    Some(
        Finding::danger(title, named.why)
            .with(rows)
            .warn_if(stranger.as_deref())
            .accounting_for(shape),
    )
}
