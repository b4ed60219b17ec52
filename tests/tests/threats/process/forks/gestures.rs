//! E18: what a person approved in one history does not count in another.

use std::collections::BTreeSet;

use openkey_protocol::message::{Action, Address, KeyId, Outcome};
use openkey_simulator::authenticator::Authenticator;
use openkey_simulator::person::{Person, Proposal};
use openkey_tests::fork::Fork;

use super::{create_key, refused, text};

/// Somebody with two passkeys, on the device in their hand and on another.
fn person(fork: &Fork) -> (Person, Authenticator) {
    let mut person = fork.person(1);
    person.sign_up("Ada").unwrap();
    let mut other = Authenticator::new();
    person.add_passkey("other", &mut other).unwrap();
    (person, other)
}

/// Makes a key at an enclave, on a device that knows no head, and says its address.
fn key_at(fork: &Fork, number: usize, person: &mut Person, label: &str) -> Address {
    person.forget_head();
    person.use_site(fork.site(number));
    let outcome = person.perform(create_key(label)).unwrap();
    person.forget_head();
    person.use_site(fork.site(1));
    match outcome {
        Outcome::KeyCreated(key) => key.address,
        other => panic!("{other:?}"),
    }
}

/// Every address that two enclaves know of an account.
fn addresses(fork: &Fork, person: &Person) -> [BTreeSet<[u8; 20]>; 2] {
    let token = person.token().unwrap();
    [1, 2].map(|number| {
        let view = fork.view(number, token).unwrap();
        view.keys.iter().map(|key| key.address.0).collect()
    })
}

#[test]
fn e18_no_address_signs_that_was_not_shown() {
    let fork = Fork::start();
    let (mut ada, _) = person(&fork);
    fork.copy(1, 2);
    let shown = key_at(&fork, 1, &mut ada, "second");
    let hidden = key_at(&fork, 2, &mut ada, "second");
    assert_ne!(shown, hidden, "two gestures, one key");

    // Shown here, approved there: the same index, another address.
    let proposal = ada.propose(text(KeyId(1), "one seat for Bob")).unwrap();
    assert_eq!(proposal.prompt.key.as_ref().unwrap().address, shown);
    let assertion = ada.assert(&proposal).unwrap();
    match fork.answer(2, &proposal, &assertion) {
        Ok(Outcome::Signature { address, .. }) => {
            assert_eq!(
                address, shown,
                "a signature by an address that was not shown"
            );
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => {}
    }
    // Nothing is lost: where it was shown, it is signed.
    let outcome = fork.answer(1, &proposal, &assertion).unwrap();
    let Outcome::Signature { address, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(address, shown);
}

#[test]
fn e18_an_approval_counts_for_the_record_it_was_shown_for() {
    let fork = Fork::start();
    let (mut ada, other) = person(&fork);
    fork.copy(1, 2);
    // One version, two records.
    key_at(&fork, 1, &mut ada, "second");
    key_at(&fork, 2, &mut ada, "second");
    let passkey = other.passkeys()[0].id();
    let changes: [(&str, Proposal); 4] = [
        (
            "archive",
            ada.propose(Action::ArchiveKey { key: KeyId(1) }).unwrap(),
        ),
        ("create", ada.propose(create_key("third")).unwrap()),
        (
            "remove",
            ada.propose(Action::RemovePasskey {
                passkey: passkey.into(),
            })
            .unwrap(),
        ),
        (
            "add",
            ada.propose_passkey("third", &mut Authenticator::new())
                .unwrap(),
        ),
    ];
    let before = fork.store(2).rows();
    let mut accepted = vec![];
    for (what, proposal) in &changes {
        let assertion = ada.assert(proposal).unwrap();
        fork.store(2).restore(&before);
        // Each at an enclave that remembers nothing.
        fork.restart(2);
        if fork.answer(2, proposal, &assertion).is_ok() {
            accepted.push(what);
        }
    }
    assert!(
        accepted.is_empty(),
        "approved for another record: {accepted:?}"
    );
}

#[test]
fn e18_a_removed_passkey_answers_no_ticket_of_its_former_account() {
    let fork = Fork::start();
    let (mut ada, lost) = person(&fork);
    fork.copy(1, 2);
    let passkey = lost.passkeys()[0].id().to_vec();
    ada.perform(Action::RemovePasskey {
        passkey: passkey.into(),
    })
    .unwrap();

    // In the host's fork the passkey still stands, and brings it to the same version.
    let mut thief = Person::new(fork.site(2));
    thief.device = lost;
    thief.sign_in().unwrap();
    assert_eq!(
        thief.head().unwrap().version,
        ada.head().unwrap().version,
        "the attack needs the same version"
    );

    // The owner's own ticket, answered by the passkey that she removed.
    let proposal = ada.propose(create_key("mine alone")).unwrap();
    let mut stolen = proposal.prompted.options.clone();
    stolen.allow.clear();
    let assertion = thief.device.get(&stolen, &thief.behaviour).unwrap();
    let at_fork = fork.answer(2, &proposal, &assertion);
    let at_home = fork.answer(1, &proposal, &assertion);
    refused(at_home, "a removed passkey at home");
    let made = ada.approve(&proposal).unwrap();
    let Outcome::KeyCreated(made) = made else {
        panic!("{made:?}");
    };
    let theirs = fork.view(2, thief.token().unwrap()).unwrap();
    assert!(
        theirs.keys.iter().all(|key| key.address != made.address),
        "the removed passkey holds her new key"
    );
    refused(at_fork, "a removed passkey in a fork");
}

#[test]
fn e18_keys_made_in_two_histories_are_two_keys() {
    let fork = Fork::start();
    let (mut ada, _) = person(&fork);
    fork.copy(1, 2);
    for label in ["second", "third"] {
        key_at(&fork, 1, &mut ada, label);
    }
    for label in ["second", "third"] {
        key_at(&fork, 2, &mut ada, label);
    }
    let [one, other] = addresses(&fork, &ada);
    let common: Vec<_> = one.intersection(&other).collect();
    assert_eq!(common.len(), 1, "the first key alone: {common:?}");
}
