//! E1, E2, E3, E10: a host that owns the database.

use openkey_protocol::cbor;
use openkey_protocol::message::{
    Action, Call, Class, ErrorCode, Hash32, KeyId, KnownHead, Payload, Reply, Request,
};
use openkey_simulator::person::Person;
use openkey_simulator::simulation::Simulation;
use openkey_tests::database::{Database, Row, rewritten};
use openkey_tests::simulation;
use openkey_verifier::answer::{self, Asked};

use crate::refusal;

/// How long before a look a change may be dated that continues what was seen, in milliseconds.
const TOLERANCE: u64 = 120_000;

fn person(simulation: &Simulation, name: &str) -> Person {
    let mut person = simulation.person().unwrap();
    person.sign_up(name).unwrap();
    person
}

/// Where a person's account lies: the row that a change of theirs rewrites.
fn account_row(database: &Database, person: &mut Person) -> Vec<u8> {
    let before = database.rows();
    person.sign_text("find me").unwrap();
    let rows = rewritten(&before, &database.rows());
    assert_eq!(rows.len(), 1, "one record is rewritten by a signature");
    rows.into_iter().next().unwrap()
}

fn restart(simulation: &Simulation) {
    let before = simulation.kill("enclave").unwrap();
    simulation.wait_for_another("enclave", before).unwrap();
}

#[test]
fn e1_a_sealed_record_opens_only_in_its_own_place() {
    let simulation = simulation(|it| it);
    let database = Database::of(&simulation);
    let mut ada = person(&simulation, "Ada");
    let mut bob = person(&simulation, "Bob");
    let ada_row = account_row(&database, &mut ada);
    let bob_row = account_row(&database, &mut bob);
    let good = database.rows();

    for round in 0..2 {
        database.put(&ada_row, &good[&bob_row]);
        database.put(&bob_row, &good[&ada_row]);
        assert_eq!(refusal(ada.sign_text("x")), ErrorCode::RecordCorrupt);
        assert_eq!(refusal(bob.sign_text("x")), ErrorCode::RecordCorrupt);
        assert_eq!(refusal(ada.account()), ErrorCode::RecordCorrupt);
        // every part of a record is covered
        let (revision, blob) = &good[&ada_row];
        for place in [0, 1, 5, 9, 17, 41, 73, blob.len() / 2, blob.len() - 1] {
            let mut changed = blob.clone();
            changed[place] ^= 1;
            database.put(&ada_row, &(*revision, changed));
            let code = refusal(ada.sign_text("x"));
            assert!(
                matches!(code, ErrorCode::RecordCorrupt | ErrorCode::RolledBack),
                "byte {place}: {code:?}"
            );
        }
        database.put(&ada_row, &(*revision, blob[..blob.len() / 2].to_vec()));
        assert_eq!(refusal(ada.sign_text("x")), ErrorCode::RecordCorrupt);
        database.restore(&good);
        if round == 0 {
            restart(&simulation);
        }
    }
    // nothing is lost
    ada.sign_text("still mine").unwrap();
    bob.sign_text("still mine").unwrap();
}

#[test]
fn e1_a_history_entry_opens_only_in_its_own_place() {
    let simulation = simulation(|it| it);
    let database = Database::of(&simulation);
    let mut ada = person(&simulation, "Ada");
    let before = database.rows();
    ada.sign_text("one").unwrap();
    let between = database.rows();
    ada.sign_text("two").unwrap();
    let after = database.rows();
    let new = |old: &openkey_tests::database::Rows, now: &openkey_tests::database::Rows| {
        now.keys()
            .find(|id| !old.contains_key(*id))
            .unwrap()
            .clone()
    };
    let (one, two) = (new(&before, &between), new(&between, &after));
    database.put(&one, &after[&two]);
    assert_eq!(refusal(ada.history()), ErrorCode::RecordCorrupt);
    database.delete(&one);
    let code = refusal(ada.history());
    assert!(
        matches!(code, ErrorCode::RolledBack | ErrorCode::RecordCorrupt),
        "{code:?}"
    );
    database.restore(&after);
    assert_eq!(
        ada.history()
            .unwrap()
            .iter()
            .filter(|entry| entry.signature.is_some())
            .count(),
        2
    );
}

#[test]
fn e2_a_change_that_was_kept_back_is_refused_by_the_clients_head() {
    let simulation = simulation(|it| it);
    let database = Database::of(&simulation);
    let mut ada = person(&simulation, "Ada");
    let shown = ada.known().unwrap();
    let without = database.rows();
    ada.sign_text("kept back").unwrap();
    let with = database.rows();
    let signed_at = ada.history().unwrap()[0].at;
    // The host takes the change back, and the enclave forgets it.
    database.restore(&without);
    restart(&simulation);
    ada.know(shown);
    ada.account().unwrap();
    let looked_at = ada.known().unwrap();
    assert_eq!(looked_at.head, shown.head);
    assert!(looked_at.shown_at >= signed_at);
    // Revealed to somebody who looked two minutes after it, and a moment earlier.
    database.restore(&with);
    restart(&simulation);
    for (after, refused) in [(TOLERANCE, true), (TOLERANCE - 1, false)] {
        ada.know(KnownHead {
            shown_at: signed_at + after,
            ..looked_at
        });
        if refused {
            assert_eq!(refusal(ada.account()), ErrorCode::Forked);
            assert_eq!(refusal(ada.sign_text("x")), ErrorCode::Forked);
        } else {
            ada.account().unwrap();
            ada.sign_text("x").unwrap();
        }
    }
}

#[test]
fn e2_an_older_or_hidden_record_is_refused_and_never_becomes_a_new_account() {
    let simulation = simulation(|it| it);
    let database = Database::of(&simulation);
    let mut ada = person(&simulation, "Ada");
    let row = account_row(&database, &mut ada);
    let old: Row = database.rows()[&row].clone();
    ada.perform(Action::CreateKey {
        label: "second".into(),
    })
    .unwrap();
    let new: Row = database.rows()[&row].clone();
    let address = ada.keys()[0].address;

    // the running enclave remembers, whatever the client sends
    let head = ada.head();
    for hide in [false, true] {
        if hide {
            database.delete(&row);
        } else {
            database.put(&row, &(new.0, old.1.clone()));
        }
        assert_eq!(refusal(ada.sign_text("x")), ErrorCode::RolledBack);
        ada.forget_head();
        assert_eq!(refusal(ada.sign_text("x")), ErrorCode::RolledBack);
        assert_eq!(refusal(ada.account()), ErrorCode::RolledBack);
        assert_eq!(refusal(ada.sign_in()), ErrorCode::RolledBack);
        database.put(&row, &new);
        ada.account().unwrap();
        assert_eq!(ada.head(), head);
    }

    // after a restart, the client's head does the same
    for hide in [false, true] {
        if hide {
            database.delete(&row);
        } else {
            database.put(&row, &(new.0, old.1.clone()));
        }
        restart(&simulation);
        assert_eq!(refusal(ada.sign_text("x")), ErrorCode::RolledBack);
        assert_eq!(refusal(ada.account()), ErrorCode::RolledBack);
        if hide {
            // a device without a head learns that there is no such account; it is given no new one
            ada.forget_head();
            let code = refusal(ada.sign_in());
            assert!(
                matches!(code, ErrorCode::UnknownAccount | ErrorCode::RolledBack),
                "{code:?}"
            );
        }
        database.put(&row, &new);
    }
    assert_eq!(ada.sign_text("still mine").unwrap().address, address);
    assert_eq!(ada.account().unwrap().keys.len(), 2);
}

#[test]
fn e3_rows_tokens_and_contexts_that_somebody_else_made_have_no_authority() {
    let simulation = simulation(|it| it);
    let other = openkey_tests::stranger();
    let (database, foreign) = (Database::of(&simulation), Database::of(&other));
    let mut ada = person(&simulation, "Ada");
    let mut mallory = person(&other, "Mallory");
    let row = account_row(&database, &mut ada);
    let theirs = account_row(&foreign, &mut mallory);
    let good = database.rows();

    // a row of another deployment, in Ada's place and in its own
    database.put(&row, &foreign.rows()[&theirs]);
    assert_eq!(refusal(ada.sign_text("x")), ErrorCode::RecordCorrupt);
    database.restore(&good);
    database.put(&theirs, &foreign.rows()[&theirs]);
    let mut visitor = Person::new(simulation.site().unwrap());
    visitor.resume(&mallory);
    visitor.use_token(mallory.token().unwrap().clone());
    assert_eq!(refusal(visitor.sign_text("x")), ErrorCode::SignInNeeded);
    let confirm = Action::Confirm {
        receipt: Hash32([0; 32]),
    };
    assert_eq!(refusal(visitor.perform(confirm)), ErrorCode::UnknownAccount);

    // the other deployment's read token, noise, and a context in a token's place
    let context = ada
        .propose(Action::Sign {
            key: KeyId(0),
            payload: Payload::Text("x".into()),
        })
        .unwrap()
        .prompted
        .context;
    let own = ada.token().unwrap().clone();
    for token in [
        mallory.token().unwrap().clone(),
        vec![7; 120].into(),
        Vec::new().into(),
        context,
    ] {
        ada.use_token(token);
        assert_eq!(refusal(ada.account()), ErrorCode::SignInNeeded);
    }
    // and the token in a context's place
    ada.use_token(own.clone());
    let mut proposal = ada
        .propose(Action::CreateKey { label: "k".into() })
        .unwrap();
    proposal.prompted.context = own;
    assert_eq!(refusal(ada.approve(&proposal)), ErrorCode::ContextInvalid);
    ada.account().unwrap();
}

#[test]
fn e10_signatures_of_an_account_are_limited_inside_the_enclave() {
    let simulation = simulation(|it| it);
    let mut ada = person(&simulation, "Ada");
    let mut refused = None;
    for i in 0..70 {
        if let Err(error) = ada.sign_text(&format!("{i}")) {
            refused = Some((i, error.refusal()));
            break;
        }
    }
    assert_eq!(refused, Some((60, Some(ErrorCode::TooMany))));
    ada.account().unwrap();
}

#[test]
fn a_request_under_another_class_is_refused() {
    let simulation = simulation(|it| it);
    let site = simulation.site().unwrap();
    let call = Call {
        nonce: [7; 32].into(),
        request: Request::Status,
    };
    let call = cbor::encode(&call).unwrap();
    let reply = site.client().exchange(Class::SignUp, &call).unwrap();
    let Ok(Reply::Answer(answer)) = cbor::decode(&reply) else {
        panic!("no answer");
    };
    let asked = Asked::new(&call, answer.unverified().unwrap().at);
    let refused = answer::open(&site.identity().unwrap(), &answer, &asked);
    let refused = refused.unwrap().unwrap_err();
    assert_eq!(refused.code, ErrorCode::WrongClass);
}
