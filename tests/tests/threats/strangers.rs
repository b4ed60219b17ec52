//! E17: strangers who know an account's ids, and a host that asks as a client.

use openkey_protocol::message::{
    AccountId, Action, Bytes, ErrorCode, Hash32, KeyId, Payload, Propose, Request, UserHandle,
};
use openkey_simulator::person::Person;
use openkey_simulator::simulation::Simulation;
use openkey_tests::database::Database;
use openkey_tests::simulation;

use crate::refusal;

fn text() -> Action {
    Action::Sign {
        key: KeyId(0),
        payload: Payload::Text("x".to_owned()),
    }
}

/// Asks with these ids and this token, and gives what it is refused with.
fn asked(
    simulation: &Simulation,
    (account, user_handle): (AccountId, UserHandle),
    token: Option<Bytes>,
    action: Action,
) -> ErrorCode {
    let request = Request::Propose(Propose {
        account,
        user_handle,
        token,
        origin: simulation.page().to_owned(),
        head: None,
        action,
    });
    refusal(simulation.site().unwrap().call(&request))
}

fn ids(person: &Person) -> (AccountId, UserHandle) {
    (person.account_id().unwrap(), person.user_handle().unwrap())
}

#[test]
fn e17_a_proposal_is_for_whoever_is_signed_in_to_the_account() {
    let simulation = simulation(|it| it);
    let database = Database::of(&simulation);
    let [mut ada, mut eve] = [(); 2].map(|()| simulation.person().unwrap());
    ada.sign_up("Ada").unwrap();
    eve.sign_up("Eve").unwrap();
    let nobody = (AccountId([7; 32]), UserHandle([7; 16]));
    let passkey: Bytes = ada.device.passkeys()[0].id().into();
    let actions = [
        text(),
        Action::AddPasskey {
            name: "mine".to_owned(),
        },
        Action::RemovePasskey { passkey },
        Action::ArchiveKey { key: KeyId(0) },
    ];
    let rows = database.rows();
    for token in [None, eve.token().cloned(), Some(vec![7; 120].into())] {
        for action in &actions {
            for ids in [ids(&ada), nobody] {
                let code = asked(&simulation, ids, token.clone(), action.clone());
                assert_eq!(code, ErrorCode::SignInNeeded, "{action:?}");
            }
        }
    }
    // Before any sign-in the receipt is needed. What strangers ask changes nothing.
    let confirm = Action::Confirm {
        receipt: Hash32([7; 32]),
    };
    for ids in [ids(&ada), nobody] {
        let code = asked(&simulation, ids, None, confirm.clone());
        assert_eq!(code, ErrorCode::UnknownAccount);
    }
    assert!(database.rows() == rows, "asking has written");
    assert_eq!(ada.account().unwrap().passkeys.len(), 1);
    ada.sign_text("still hers").unwrap();
}
