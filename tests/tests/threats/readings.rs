//! A8, A9, B7: nothing is signed that can be read in two ways.

use openkey_protocol::message::{Action, ErrorCode, KeyId, Outcome, Payload, PromptKind};
use openkey_simulator::person::Person;
use openkey_simulator::simulation::Simulation;
use openkey_tests::simulation;
use openkey_verifier::receipt::checksummed;
use sha3::{Digest, Keccak256};

use crate::refusal;

fn ada(simulation: &Simulation) -> Person {
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    ada
}

/// A sign-in message that is in order.
fn siwe(ada: &Person, chain: &str) -> String {
    format!(
        "app.example wants you to sign in with your Ethereum account:\n{}\n\nSign in to the app.\n\n\
         URI: https://app.example/login\nVersion: 1\nChain ID: {chain}\nNonce: 32891756abcdef\n\
         Issued At: 2026-01-01T00:00:00.000Z\nExpiration Time: 2099-01-01T00:00:00Z",
        checksummed(&ada.keys()[0].address)
    )
}

fn ask(
    ada: &Person,
    payload: Payload,
) -> Result<openkey_simulator::person::Proposal, openkey_simulator::person::PersonError> {
    ada.propose(Action::Sign {
        key: KeyId(0),
        payload,
    })
}

#[test]
fn a8_sign_in_messages_that_are_not_canonical_are_refused() {
    let simulation = simulation(|it| it);
    let mut ada = ada(&simulation);
    let good = siwe(&ada, "1");
    let variants = [
        ("crlf", good.replace('\n', "\r\n")),
        ("one_crlf", good.replacen('\n', "\r\n", 1)),
        ("trailing_newline", format!("{good}\n")),
        (
            "decoy_uri_in_statement",
            good.replace("Sign in to the app.", "Sign in.\nURI: https://good.example"),
        ),
        (
            "second_uri",
            good.replace("Version: 1", "URI: https://other.example\nVersion: 1"),
        ),
        (
            "fields_out_of_order",
            good.replace("Version: 1\nChain ID: 1", "Chain ID: 1\nVersion: 1"),
        ),
        (
            "space_after_colon_missing",
            good.replace("Nonce: ", "Nonce:"),
        ),
        ("double_space", good.replace("URI: ", "URI:  ")),
        (
            "lower_case_address",
            good.replacen(
                &checksummed(&ada.keys()[0].address),
                &checksummed(&ada.keys()[0].address).to_lowercase(),
                1,
            ),
        ),
        ("version_2", good.replace("Version: 1", "Version: 2")),
        ("short_nonce", good.replace("32891756abcdef", "1234567")),
        (
            "no_such_day",
            good.replace("2026-01-01T00", "2026-02-30T00"),
        ),
    ];
    for (name, variant) in variants {
        assert_ne!(variant, good, "{name}");
        assert_eq!(
            refusal(ask(&ada, Payload::Siwe(variant.clone()))),
            ErrorCode::SiweRefused,
            "{name}"
        );
        // nor does it pass as a text
        assert_eq!(
            refusal(ask(&ada, Payload::Text(variant))),
            ErrorCode::SiweRefused,
            "{name} as text"
        );
    }
    // C5: in order, but nobody vouches that this site asks.
    let proposal = ask(&ada, Payload::Siwe(good)).unwrap();
    assert!(proposal.prompt.summary.confirm);
    let outcome = ada.approve_danger(&proposal).unwrap();
    let Outcome::Signature { address, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(address, ada.keys()[0].address);
}

#[test]
fn a9_a_malformed_recap_is_neither_a_sign_in_nor_a_text() {
    let simulation = simulation(|it| it);
    let ada = ada(&simulation);
    let good = siwe(&ada, "1");
    let grants = format!("{good}\nResources:\n- urn:recap:eyJhdHQiOnt9LCJwcmYiOltdfQ");
    let broken = format!("{good}\nResources:\n- urn:recap:!!!");
    let sentence = good.replace(
        "Sign in to the app.",
        "I further authorize the stated URI to perform the following actions on my behalf: (1) 'tinycloud.kv': 'get' for 'x'.",
    );
    for message in [&grants, &broken, &sentence] {
        let code = refusal(ask(&ada, Payload::Siwe(message.clone())));
        assert!(
            matches!(code, ErrorCode::SiweUnsupported | ErrorCode::SiweRefused),
            "{code:?}"
        );
        let code = refusal(ask(&ada, Payload::Text(message.clone())));
        assert!(
            matches!(code, ErrorCode::SiweUnsupported | ErrorCode::SiweRefused),
            "{code:?}"
        );
    }
    // text that merely looks like a sign-in, to a person or to a lenient parser
    for text in [
        good.as_str(),
        &good.replace("wants you", "WANTS you"),
        &good.replace("URI:", " URI:"),
        &good.replace("wants you", "wants\u{200b} you"),
    ] {
        let code = refusal(ask(&ada, Payload::Text(text.to_owned())));
        assert!(
            matches!(code, ErrorCode::SiweRefused | ErrorCode::TextRefused),
            "{text}: {code:?}"
        );
    }
}

#[test]
fn b7_the_chain_is_bound_and_shown() {
    let simulation = simulation(|it| it);
    let mut ada = ada(&simulation);
    let shown = |ada: &Person, chain: &str| {
        let proposal = ask(ada, Payload::Siwe(siwe(ada, chain))).unwrap();
        let chain = proposal
            .prompt
            .summary
            .lines
            .iter()
            .find(|line| line.label == "Chain");
        (proposal.prompt.digest, chain.unwrap().value.clone())
    };
    let (mainnet, name) = shown(&ada, "1");
    let (base, other_name) = shown(&ada, "8453");
    assert!(name.contains("Ethereum") && name.contains('1'), "{name}");
    assert!(other_name.contains("8453"), "{other_name}");
    assert_ne!(mainnet, base);
    for chain in ["0", "01", "-1", "1.0", "0x1", "18446744073709551616", ""] {
        let message = siwe(&ada, chain);
        assert_eq!(
            refusal(ask(&ada, Payload::Siwe(message))),
            ErrorCode::SiweRefused,
            "{chain:?}"
        );
    }

    // typed data: the domain's chain is part of the digest and of what is shown
    let typed = |chain: &str| {
        format!(
            r#"{{"types":{{"EIP712Domain":[{{"name":"name","type":"string"}},{{"name":"chainId","type":"uint256"}}],"Note":[{{"name":"text","type":"string"}}]}},"primaryType":"Note","domain":{{"name":"Notes","chainId":{chain}}},"message":{{"text":"hi"}}}}"#
        )
    };
    let first = ask(&ada, Payload::TypedData(typed("1"))).unwrap();
    let second = ask(&ada, Payload::TypedData(typed("10"))).unwrap();
    assert_ne!(first.prompt.digest, second.prompt.digest);
    assert!(
        second
            .prompt
            .summary
            .lines
            .iter()
            .any(|line| line.value.contains("10"))
    );

    // somebody else's address in the message: not this owner's to sign
    let mut bob = simulation.person().unwrap();
    bob.sign_up("Bob").unwrap();
    let theirs = siwe(&bob, "1");
    let code = refusal(ask(&ada, Payload::Siwe(theirs)));
    assert_eq!(code, ErrorCode::SiweUnsupported);
    // no shape that is known to be harmless: signed after a second confirmation
    ada.approve_danger(&first).unwrap();
}

#[test]
fn e12_bytes_of_another_meaning_are_signed_only_as_the_text_they_are() {
    let simulation = simulation(|it| it);
    let mut ada = ada(&simulation);
    let digest = hex::encode([0x5a; 32]);
    for text in [
        format!("0x{digest}"),
        digest,
        format!("0x1901{}{}", hex::encode([1; 32]), hex::encode([2; 32])),
        "0xf86c0a8502540be400825208944bbeeb066ed09b7aed07bf39eee0460dfa261520880de0b6b3a7640000801ca0".to_owned(),
    ] {
        let proposal = ask(&ada, Payload::Text(text.clone())).unwrap();
        assert_eq!(proposal.prompt.kind, PromptKind::SignText);
        assert!(!proposal.prompt.summary.warnings.is_empty(), "{text}");
        let outcome = if proposal.prompt.summary.confirm {
            ada.approve_danger(&proposal)
        } else {
            ada.approve(&proposal)
        };
        let signed = ada.check_signature(KeyId(0), &proposal, &outcome.unwrap()).unwrap();
        // always the prefixed text: never the bytes that the text spells
        let spelled = hex::decode(text.trim_start_matches("0x")).unwrap();
        let prefixed = format!("\x19Ethereum Signed Message:\n{}{text}", text.len());
        assert_eq!(signed.digest.0[..], Keccak256::digest(prefixed)[..]);
        assert_ne!(signed.digest.0[..], spelled[..32.min(spelled.len())]);
        assert_ne!(signed.digest.0[..], Keccak256::digest(&spelled)[..]);
    }
}
