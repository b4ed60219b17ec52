//! F12: one sign-up finished twice.

use std::sync::Arc;

use openkey_protocol::message::{AccountReceipt, Address, SignUpFinish};
use openkey_simulator::authenticator::Passkey;
use openkey_simulator::person::{Person, PersonError, Registering, Site};
use openkey_tests::fork::Fork;

/// What the host answers with, once it has seen Ada's passkey.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Another passkey.
    Another,
    /// Another key under the id of Ada's.
    SameId,
    /// Ada's public key under another id.
    SameKey,
}

const ANSWERS: [Answer; 3] = [Answer::Another, Answer::SameId, Answer::SameKey];

/// A passkey carried to another device.
fn carried(id: &[u8], key: &Passkey) -> Passkey {
    let pkcs8 = key.export().unwrap();
    Passkey::import(id, "localhost", key.user_handle(), &pkcs8).unwrap()
}

impl Answer {
    fn passkey(self, registering: &Registering, hers: &Passkey) -> Passkey {
        let own = Passkey::generate(&registering.started.options).unwrap();
        match self {
            Self::Another => own,
            Self::SameId => carried(hers.id(), &own),
            Self::SameKey => carried(own.id(), hers),
        }
    }
}

/// Somebody who finished a sign-up, and the receipt that their client has checked.
struct Finished {
    person: Person,
    receipt: openkey_verifier::receipt::CheckedReceipt,
}

/// Finishes a sign-up with this passkey at this enclave, and checks everything that a client checks.
fn finish(
    site: Arc<Site>,
    registering: &Registering,
    passkey: Passkey,
) -> Result<Finished, PersonError> {
    let mut person = Person::new(site);
    let options = &registering.started.options;
    let credential = person
        .device
        .register(passkey, options, &person.behaviour)?;
    let finish = SignUpFinish {
        context: registering.started.context.clone(),
        credential,
    };
    let receipt = person.finish_sign_up(registering, finish)?;
    Ok(Finished { person, receipt })
}

/// Confirms the receipt and signs: by whom, as anybody finds out from the signature.
fn signs_as(finished: &mut Finished) -> Address {
    finished.person.confirm(&finished.receipt).unwrap();
    let signature = finished.person.sign_text("the host was here").unwrap();
    signature.address
}

/// What two finished sign-ups have in common though they should not: with another public key neither
/// account nor address; with the same one, which one person holds, both.
fn common(one: &AccountReceipt, other: &AccountReceipt) -> Vec<&'static str> {
    let keys = |receipt: &AccountReceipt| -> Vec<Address> {
        receipt.keys.iter().map(|key| key.address).collect()
    };
    let key = |receipt: &AccountReceipt| receipt.credentials[0].public_key_sha256;
    let same = key(one) == key(other);
    let mut wrong = vec![];
    if (one.account == other.account) != same {
        wrong.push("account");
    }
    if (keys(one) == keys(other)) != same {
        wrong.push("address");
    }
    wrong
}

#[test]
fn f12_one_sign_up_finished_at_two_enclaves_gives_two_people_no_common_key() {
    let fork = Fork::start();
    let mut broken = vec![];
    for answer in ANSWERS {
        // The context is always the first enclave's; who finishes first, and where, the host decides.
        for (hers, hosts, host_first) in [(1, 2, false), (1, 2, true), (2, 1, false), (2, 1, true)]
        {
            let what = format!("{answer:?}, hers at {hers}, the host first: {host_first}");
            let registering = fork.person(1).begin_sign_up("Ada").unwrap();
            let passkey = Passkey::generate(&registering.started.options).unwrap();
            let theirs = answer.passkey(&registering, &passkey);
            let by_ada = || {
                finish(
                    fork.site(hers),
                    &registering,
                    carried(passkey.id(), &passkey),
                )
            };
            let by_host = || finish(fork.site(hosts), &registering, theirs);
            let (ada, host) = if host_first {
                let host = by_host();
                (by_ada(), host)
            } else {
                let ada = by_ada();
                (ada, by_host())
            };
            if hers == 1 {
                // An honest host, or one that only tries elsewhere, keeps her from nothing.
                assert!(ada.is_ok(), "{what}: {:?}", ada.err());
            }
            let (Ok(ada), Ok(mut host)) = (ada, host) else {
                continue;
            };
            let hers = ada.receipt.receipt.keys[0].address;
            if !matches!(answer, Answer::SameKey) && signs_as(&mut host) == hers {
                broken.push(format!("{what}: the host signs with her key"));
            }
            for thing in common(&ada.receipt.receipt, &host.receipt.receipt) {
                broken.push(format!("{what}: {thing} in common"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn f12_one_sign_up_finished_again_after_a_restart_gives_two_people_no_common_key() {
    let fork = Fork::start();
    let mut broken = vec![];
    for answer in ANSWERS {
        let registering = fork.person(1).begin_sign_up("Ada").unwrap();
        let passkey = Passkey::generate(&registering.started.options).unwrap();
        let theirs = answer.passkey(&registering, &passkey);
        let before = fork.store(1).rows();
        let mut ada = finish(fork.site(1), &registering, passkey).unwrap();
        let hers = signs_as(&mut ada);

        // Her rows are taken away meanwhile, and put back in the end.
        let taken = fork.store(1).take_new(&before);
        assert!(taken.len() > 1, "the account and its history");
        fork.restart(1);
        if let Ok(mut host) = finish(fork.site(1), &registering, theirs) {
            if !matches!(answer, Answer::SameKey) && signs_as(&mut host) == hers {
                broken.push(format!("{answer:?}: the host signs with her key"));
            }
            for thing in common(&ada.receipt.receipt, &host.receipt.receipt) {
                broken.push(format!("{answer:?}: {thing} in common"));
            }
        }
        fork.store(1).restore(&before);
        fork.store(1).change(&[], &taken);
        fork.restart(1);
        assert_eq!(ada.person.sign_text("still hers").unwrap().address, hers);
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn f12_a_lost_answer_costs_nothing_at_any_boot() {
    let fork = Fork::start();
    let registering = fork.person(1).begin_sign_up("Ada").unwrap();
    let passkey = Passkey::generate(&registering.started.options).unwrap();
    let again = |number: usize| {
        let same = carried(passkey.id(), &passkey);
        finish(fork.site(number), &registering, same).unwrap()
    };
    let first = again(1).receipt.receipt;
    assert_eq!(again(1).receipt.receipt, first);
    fork.copy(1, 2);
    assert_eq!(again(2).receipt.receipt, first);
    fork.restart(1);
    let mut last = again(1);
    assert_eq!(last.receipt.receipt, first);
    assert_eq!(signs_as(&mut last), first.keys[0].address);
}
