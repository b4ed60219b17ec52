//! Handing over control: transactions of other accounts, delegations, calls of programs.

use openkey_capability::address::eip55;
use openkey_protocol::message::Line;

use super::{
    Context, Finding,
    shape::Shape,
    spoken::{OF_COIN, OF_TOKEN, address_line, is_zero, said, token_text},
};
use crate::{
    chains,
    typed_data::{Type, Value},
    word::Word,
    words::line,
};

const DATA: [&str; 9] = [
    "data",
    "calldata",
    "functionsignature",
    "functioncall",
    "functiondata",
    "payload",
    "executiondata",
    "initcode",
    "paymasteranddata",
];
const TARGETS: [&str; 8] = [
    "to",
    "target",
    "contract",
    "contractaddress",
    "destination",
    "dest",
    "callee",
    "module",
];
/// Whose account makes a call.
const ACTORS: [&str; 6] = ["from", "sender", "account", "owner", "user", "signer"];
const ENDS: [&str; 5] = [
    "deadline",
    "expiry",
    "expiration",
    "validuntil",
    "validuntiltime",
];

/// Rows of what a program is told to do.
fn instructions(shape: &Shape<'_, '_>) -> Vec<Line> {
    shape.list("Instructions", &DATA, |kind, value| match value {
        Value::Bytes(data) if data.is_empty() => "none in this field".to_owned(),
        Value::Bytes(data) => format!(
            "{} bytes that say what the program does; a person cannot read them",
            data.len()
        ),
        _ => said(kind, value),
    })
}

fn coins_sent(shape: &Shape<'_, '_>) -> Vec<Line> {
    shape.amount_rows("Sends", &["value", "msgvalue"], OF_COIN)
}

/// A transaction of a Safe (<https://docs.safe.global>): the key signs as one of its owners.
pub(super) fn safe_transaction(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const OPERATION: [&str; 1] = ["operation"];
    let operations = shape.uints(&OPERATION);
    let is_safe = !shape.addresses(&["to"]).is_empty()
        && !shape.bytes(&["data"]).is_empty()
        && !operations.is_empty()
        && shape.has(&["safetxgas", "basegas", "gastoken", "refundreceiver"]);
    if !is_safe {
        return None;
    }
    let is_any = |is: fn(u64) -> bool| {
        let mut operations = operations.iter();
        operations.any(|(it, _)| it.to_u64().is_none_or(is))
    };
    let delegated = is_any(|it| it > 0).then_some(
        "The program runs with the Safe's own rights (delegate call): it can take over the Safe.",
    );
    // Modules, owners and guards of a Safe are changed by transactions to itself.
    let targets = shape.addresses(&TARGETS);
    let to_itself = context
        .contract
        .is_some_and(|safe| targets.contains(&safe))
        .then_some(
            "The Safe calls itself: that is how its owners, its modules and its other settings are \
         changed.",
        );
    let refund = Refund::of(shape);
    let what = if is_any(|it| it > 1) {
        "Approve a transaction of a Safe of an unknown kind"
    } else if delegated.is_some() {
        "Approve a DELEGATE CALL of a Safe, which can take it over"
    } else if to_itself.is_some() {
        "Approve a change of a Safe's own settings"
    } else {
        "Approve a transaction of a Safe"
    };
    let pays = match &refund {
        Some(refund) if refund.pays => ", and a refund that it pays",
        Some(refund) if refund.is_addressed => ", and who would get a refund",
        _ => "",
    };
    let title = format!("{what}{pays}");
    let paid = refund.as_ref().filter(|it| it.pays).map(|it| it.warning());
    let safe = context.contract.map(|safe| address_line("Safe", safe));
    Some(
        Finding::danger(
            title,
            "With enough owners' signatures the Safe does this, without asking again.",
        )
        .with(safe)
        .with(shape.address_rows("Calls", &TARGETS))
        .with(coins_sent(shape))
        .with(instructions(shape))
        .with(
            shape.rows("Runs as", &OPERATION, |kind, value| match value {
                Value::Integer { magnitude, .. } if *magnitude == Word::ZERO => "a call".to_owned(),
                Value::Integer { magnitude, .. } if *magnitude == Word::from(1) => {
                    "a DELEGATE CALL: with the Safe's own rights".to_owned()
                }
                _ => format!("{}, a kind that is not known here", said(kind, value)),
            }),
        )
        .with([line(
            "Also pays",
            refund.map_or_else(|| "nothing".to_owned(), |it| it.text),
        )])
        .warn_if(delegated)
        .warn_if(to_itself)
        .warn_if(paid.as_deref()),
    )
}

/// What a Safe pays for gas beside the transaction itself: `handlePayment` of its contract
/// (<https://github.com/safe-global/safe-smart-account/blob/main/contracts/Safe.sol>).
struct Refund {
    /// Without a gas price, nothing is paid.
    pays: bool,
    /// True if a receiver is named.
    is_addressed: bool,
    receiver: String,
    text: String,
}

impl Refund {
    /// `None` if nothing of it is set.
    fn of(shape: &Shape<'_, '_>) -> Option<Self> {
        const PRICE: [&str; 1] = ["gasprice"];
        const BASE: [&str; 2] = ["basegas", "datagas"];
        const TOKEN: [&str; 1] = ["gastoken"];
        const RECEIVER: [&str; 1] = ["refundreceiver"];
        let shown = |names: &[&str]| {
            let rows = shape.rows("", names, said);
            let texts: Vec<String> = rows.into_iter().map(|row| row.value).collect();
            texts.join(" and ")
        };
        let is_set = |names: &[&str]| {
            shape.uints(names).iter().any(|(it, _)| it.bits() > 0)
                || shape.addresses(names).iter().any(|it| !is_zero(it))
        };
        // Named in any case, so that the row for what is not explained does not list them.
        let (price, base) = (shown(&PRICE), shown(&BASE));
        let (_, _) = (shown(&TOKEN), shown(&RECEIVER));
        if ![&PRICE[..], &BASE, &TOKEN, &RECEIVER]
            .into_iter()
            .any(is_set)
        {
            return None;
        }
        let tokens = shape.addresses(&TOKEN).into_iter();
        let tokens: Vec<String> = tokens.map(|it| token_text(Some(it))).collect();
        let receivers = shape.addresses(&RECEIVER).into_iter();
        let receivers: Vec<String> = receivers
            .map(|it| {
                if is_zero(it) {
                    "whoever sends the transaction".to_owned()
                } else {
                    eip55(it)
                }
            })
            .collect();
        let receiver = receivers.join(" and ");
        let pays = is_set(&PRICE);
        let nothing = if pays {
            ""
        } else {
            "nothing while the gas price is 0; it would be "
        };
        Some(Self {
            pays,
            is_addressed: is_set(&RECEIVER),
            text: format!(
                "{nothing}to {receiver}: (gas used + {base}) × {price} of the smallest units of {}",
                tokens.join(" and ")
            ),
            receiver,
        })
    }

    fn warning(&self) -> String {
        format!(
            "Beside the transaction, the Safe pays {} for gas, as much as the signed numbers say. A \
             refund can be larger than the transaction itself.",
            self.receiver
        )
    }
}

/// The members of an EIP-7702 authorisation (<https://eips.ethereum.org/EIPS/eip-7702>). A real
/// one is not typed data; programs that imitate it are no better.
pub(super) fn code_authorization(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const CODE: [&str; 8] = [
        "address",
        "contract",
        "contractaddress",
        "codeaddress",
        "implementation",
        "delegate",
        "delegation",
        "delegationaddress",
    ];
    const CHAIN: [&str; 2] = ["chainid", "chain"];
    /// Chain, program, nonce, and the parts of a signature.
    const MOST: usize = 6;
    // The address of the key itself is no program: forms of sign-ins have it.
    let mut programs = shape.addresses(&CODE).into_iter();
    let is_authorization = !shape.uints(&CHAIN).is_empty()
        && programs.any(|it| it != context.signer)
        && shape.has(&["nonce"])
        && shape.len() <= MOST;
    is_authorization.then(|| {
        Finding::danger(
            "Hand the whole account to a program",
            "Like an EIP-7702 authorisation: the program can do everything that the key can.",
        )
        .with(shape.address_rows("Program", &CODE))
        .with(shape.rows("On", &CHAIN, |kind, value| match (kind, value) {
            (Type::Uint(_), Value::Integer { magnitude, .. }) => match magnitude.to_u64() {
                Some(0) => "EVERY chain".to_owned(),
                Some(id) => chains::name(id),
                None => format!("{magnitude}, which is no chain"),
            },
            _ => said(kind, value),
        }))
        .with([line(
            "Until",
            "Not said; an authorisation like this holds until another one",
        )])
    })
}

/// Delegations of the right to act (ERC-7710 and its like) and of votes (ERC-5805).
pub(super) fn delegation(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    /// Members of a struct that moves votes and nothing else.
    const VOTES: [&str; 5] = ["delegator", "delegatee", "nonce", "expiry", "deadline"];
    const DELEGATORS: [&str; 4] = ["delegator", "owner", "from", "account"];
    const CAVEATS: [&str; 1] = ["caveat"];
    if !shape.addresses(&["delegatee"]).is_empty() && shape.has_only(&VOTES) {
        return Some(
            Finding::danger(
                "Give your votes to somebody",
                "Whoever holds this signature can make the delegatee vote with your tokens.",
            )
            .with(shape.address_rows("Who votes", &["delegatee"]))
            .with(shape.actor_rows(&DELEGATORS, context))
            .with(shape.until("Until", &ENDS, context)),
        );
    }
    /// What the delegate may borrow or spend, as in Aave's delegation of credit.
    const LENT: [&str; 2] = ["value", "amount"];
    const DELEGATES: [&str; 5] = [
        "delegate",
        "delegatee",
        "sessionkey",
        "agent",
        "agentaddress",
    ];
    if shape.addresses(&DELEGATES).is_empty() {
        return None;
    }
    let unbounded = shape
        .structs(&CAVEATS)
        .is_some_and(|caveats| caveats.is_empty())
        .then_some("The delegation has no limits.");
    Some(
        Finding::danger(
            "Let somebody act for you (a delegation)",
            "The delegate can do what you can, within the limits below, without asking again.",
        )
        .with(shape.address_rows("Who may act", &DELEGATES))
        .with(shape.actor_rows(&DELEGATORS, context))
        .with(shape.amount_rows("How much", &LENT, OF_TOKEN))
        .with(shape.rows("Limits", &CAVEATS, said))
        .with(shape.until("Until", &ENDS, context))
        .warn_if(unbounded)
        .warn_if(
            shape
                .is_unlimited(&LENT)
                .then_some("The amount is unlimited."),
        ),
    )
}

/// Calls of programs on behalf of the key: ERC-2771 forward requests, meta transactions, user
/// operations, and messages that are nothing but bytes or a hash.
pub(super) fn contract_call(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let targets = shape.addresses(&TARGETS);
    let has_account = !targets.is_empty() || !shape.addresses(&ACTORS).is_empty();
    if has_account && !shape.bytes(&DATA).is_empty() {
        let mut calls = shape.address_rows("Calls", &TARGETS);
        if targets.is_empty() {
            // A member like `from` is who acts, and no program that is called.
            let by_domain = context.contract.map_or_else(
                || "Not said".to_owned(),
                |it| format!("{} (the contract that the request is for)", eip55(it)),
            );
            calls.push(line("Calls", by_domain));
        }
        return Some(
            Finding::danger(
                "Let somebody call a program as you",
                "Whoever holds this signature can make the call, and a person cannot read what \
                 it does.",
            )
            .with(calls)
            .with(shape.actor_rows(&ACTORS, context))
            .with(coins_sent(shape))
            .with(instructions(shape))
            .with(shape.until("Until", &ENDS, context)),
        );
    }
    let is_opaque = shape
        .kinds()
        .all(|kind| matches!(kind, Type::Bytes | Type::FixedBytes(32)));
    is_opaque.then(|| {
        Finding::danger(
            "Sign data that a person cannot read",
            "The message is only bytes or a hash. Nobody can see here what it allows.",
        )
    })
}
