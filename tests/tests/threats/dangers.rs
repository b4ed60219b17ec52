//! E11: typed data that moves what the key owns, and digests without a meaning.

use openkey_protocol::cbor;
use openkey_protocol::message::{
    Action, Bare, Call, Class, Error, ErrorCode, KeyId, Payload, Reply, Request, Severity,
};
use openkey_tests::simulation;

use crate::refusal;

const PERMIT: &str = r#"{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Permit":[{"name":"owner","type":"address"},{"name":"spender","type":"address"},{"name":"value","type":"uint256"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}]},"primaryType":"Permit","domain":{"name":"USD Coin","version":"2","chainId":1,"verifyingContract":"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"},"message":{"owner":"OWNER","spender":"0x1111111111111111111111111111111111111111","value":"115792089237316195423570985008687907853269984665640564039457584007913129639935","nonce":0,"deadline":4102444800}}"#;

#[test]
fn e11_a_permit_needs_a_second_confirmation_of_its_very_digest() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let owner = format!("0x{}", hex::encode(ada.keys()[0].address.0));
    let permit = |value: &str| {
        let text = PERMIT.replace("OWNER", &owner).replace("4102444800", value);
        Action::Sign {
            key: KeyId(0),
            payload: Payload::TypedData(text),
        }
    };
    let proposal = ada.propose(permit("4102444800")).unwrap();
    let summary = &proposal.prompt.summary;
    assert!(summary.confirm);
    assert!(
        summary
            .warnings
            .iter()
            .any(|warning| warning.severity == Severity::Danger)
    );
    let shown = format!("{summary:?}").to_lowercase();
    assert!(
        shown.contains("1111111111111111111111111111111111111111"),
        "{shown}"
    );
    assert!(shown.contains("unlimited"), "{shown}");

    assert_eq!(
        refusal(ada.approve(&proposal)),
        ErrorCode::ConfirmationNeeded
    );
    // the confirmation of another prompt is none of this one
    let other = ada.propose(permit("4102444801")).unwrap();
    let assertion = ada.assert(&proposal).unwrap();
    assert_eq!(
        refusal(ada.approve_with(&proposal, assertion, Some(other.prompt.digest))),
        ErrorCode::ConfirmationNeeded
    );
    let outcome = ada.approve_danger(&proposal).unwrap();
    ada.check_signature(KeyId(0), &proposal, &outcome).unwrap();
}

#[test]
fn e11_there_is_no_way_to_ask_for_a_bare_digest() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let proposal = Request::Propose(openkey_protocol::message::Propose {
        account: ada.account_id().unwrap(),
        user_handle: ada.user_handle().unwrap(),
        token: ada.token().cloned(),
        origin: simulation.page().to_owned(),
        head: None,
        action: Action::Sign {
            key: KeyId(0),
            payload: Payload::Text("x".repeat(32)),
        },
    });
    let honest = cbor::encode(&Call {
        nonce: [7; 32].into(),
        request: proposal,
    })
    .unwrap();
    let client = simulation.site().unwrap();
    let code = |bytes: &[u8]| match cbor::decode(
        &client.client().exchange(Class::Request, bytes).unwrap(),
    ) {
        Ok(Reply::Bare(Bare::Refused(Error { code, .. }))) => Some(code),
        Ok(Reply::Answer(_)) => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&honest), None);
    // the same request, its payload called by names that other signers have: a text of four letters
    // becomes another word of four letters, everything else stays as it is
    let place = honest
        .windows(5)
        .position(|five| five == b"\x64text")
        .unwrap();
    for word in [b"hash", b"tx\0\0", b"raw\0", b"eip7", b"Text"] {
        let mut asked = honest.clone();
        asked[place + 1..place + 5].copy_from_slice(word);
        assert_eq!(code(&asked), Some(ErrorCode::Malformed), "{word:?}");
    }
}
