//! E18: every kind of approval at two enclaves.

use openkey_protocol::message::{Action, KeyId, Outcome};
use openkey_simulator::authenticator::Authenticator;
use openkey_simulator::person::{Person, Proposal};
use openkey_tests::fork::{Authority, Effect, Fork};

use super::{create_key, text};

/// What a person may approve, each with its own kind of prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SignIn,
    Confirm,
    Sign,
    AddPasskey,
    RenamePasskey,
    RemovePasskey,
    CreateKey,
    LabelKey,
    ArchiveKey,
    RestoreKey,
}

const KINDS: [Kind; 10] = [
    Kind::SignIn,
    Kind::Confirm,
    Kind::Sign,
    Kind::AddPasskey,
    Kind::RenamePasskey,
    Kind::RemovePasskey,
    Kind::CreateKey,
    Kind::LabelKey,
    Kind::ArchiveKey,
    Kind::RestoreKey,
];

/// Somebody with two passkeys on two devices and three keys, of which the last is archived.
struct Ada {
    person: Person,
    spare: Authenticator,
}

impl Ada {
    fn new(fork: &Fork) -> Self {
        let mut person = fork.person(1);
        person.sign_up("Ada").unwrap();
        let mut spare = Authenticator::new();
        person.add_passkey("spare", &mut spare).unwrap();
        for label in ["second", "third"] {
            person.perform(create_key(label)).unwrap();
        }
        let archived = Action::ArchiveKey { key: KeyId(2) };
        person.perform(archived).unwrap();
        Self { person, spare }
    }

    fn propose(&self, kind: Kind) -> Proposal {
        let passkey = self.spare.passkeys()[0].id().into();
        let action = match kind {
            Kind::SignIn => return self.person.propose_sign_in().unwrap(),
            Kind::AddPasskey => {
                let mut third = Authenticator::new();
                return self.person.propose_passkey("third", &mut third).unwrap();
            }
            Kind::Confirm => unreachable!("of a new account only"),
            Kind::Sign => text(KeyId(1), "one seat for Bob"),
            Kind::RenamePasskey => Action::RenamePasskey {
                passkey,
                name: "renamed".to_owned(),
            },
            Kind::RemovePasskey => Action::RemovePasskey { passkey },
            Kind::CreateKey => create_key("fourth"),
            Kind::LabelKey => Action::LabelKey {
                key: KeyId(1),
                label: "labelled".to_owned(),
            },
            Kind::ArchiveKey => Action::ArchiveKey { key: KeyId(1) },
            Kind::RestoreKey => Action::RestoreKey { key: KeyId(2) },
        };
        self.person.propose(action).unwrap()
    }

    fn authority(&self, fork: &Fork, number: usize) -> Authority {
        let token = self.person.token().unwrap();
        Authority::of(&fork.view(number, token).unwrap())
    }
}

#[test]
fn e18_one_approval_at_two_enclaves_has_one_effect_or_is_refused() {
    let fork = Fork::start();
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Confirm) {
        for order in [[1, 2], [2, 1]] {
            let what = format!("{kind:?} at {order:?}");
            let ada = Ada::new(&fork);
            let proposal = ada.propose(kind);
            let assertion = ada.person.assert(&proposal).unwrap();
            fork.copy(1, 2);
            let given = order.map(|number| fork.answer(number, &proposal, &assertion));
            let effects: Vec<Effect> = given
                .iter()
                .flatten()
                .map(|outcome| Effect::of(&proposal, outcome))
                .collect();
            assert!(!effects.is_empty(), "{what}: {given:?}");
            if let [one, other] = &effects[..] {
                assert_eq!(one, other, "{what}: two effects");
                let authority = [1, 2].map(|number| ada.authority(&fork, number));
                assert_eq!(authority[0], authority[1], "{what}");
            }
        }
    }
}

#[test]
fn e18_one_confirmation_at_two_enclaves_confirms_one_account() {
    let fork = Fork::start();
    for order in [[1, 2], [2, 1]] {
        let mut ada = fork.person(1);
        let receipt = ada.register("Ada").unwrap();
        let confirm = Action::Confirm {
            receipt: receipt.hash,
        };
        let proposal = ada.propose(confirm).unwrap();
        let assertion = ada.assert(&proposal).unwrap();
        fork.copy(1, 2);
        let given = order.map(|number| fork.answer(number, &proposal, &assertion));
        let tokens: Vec<_> = given
            .iter()
            .flatten()
            .filter_map(|outcome| match outcome {
                Outcome::SignedIn { token, .. } => Some(token),
                _ => None,
            })
            .collect();
        assert!(!tokens.is_empty(), "{order:?}: {given:?}");
        if let [one, _] = tokens[..] {
            let authority = [1, 2].map(|number| Authority::of(&fork.view(number, one).unwrap()));
            assert_eq!(authority[0], authority[1], "{order:?}");
        }
    }
}

#[test]
fn e18_two_answers_to_one_prompt_share_no_secret() {
    let fork = Fork::start();
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Confirm) {
        for order in [[1, 2], [2, 1]] {
            let what = format!("{kind:?} at {order:?}");
            let mut ada = Ada::new(&fork);
            let proposal = ada.propose(kind);
            let first = ada.person.assert(&proposal).unwrap();
            let own = std::mem::take(&mut ada.person.device);
            ada.person.device = std::mem::take(&mut ada.spare);
            let second = ada.person.assert(&proposal).unwrap();
            ada.spare = std::mem::replace(&mut ada.person.device, own);
            fork.copy(1, 2);
            let given = [
                fork.answer(order[0], &proposal, &first),
                fork.answer(order[1], &proposal, &second),
            ];
            let effects: Vec<Effect> = given
                .iter()
                .flatten()
                .map(|outcome| Effect::of(&proposal, outcome))
                .collect();
            assert!(!effects.is_empty(), "{what}: {given:?}");
            if let [one, other] = &effects[..] {
                if kind == Kind::CreateKey {
                    assert_ne!(one, other, "{what}: two gestures, one secret");
                } else {
                    assert_eq!(one, other, "{what}: two effects");
                    let authority = [1, 2].map(|number| ada.authority(&fork, number));
                    assert_eq!(authority[0], authority[1], "{what}");
                }
            }
        }
    }
}

#[test]
fn e18_a_new_passkey_named_at_two_enclaves_is_the_approved_one_or_none() {
    let fork = Fork::start();
    for order in [[1, 2], [2, 1]] {
        let ada = Ada::new(&fork);
        fork.copy(1, 2);
        let adding = ada.person.begin_passkey("third").unwrap();
        let options = &adding.options;
        let make = || {
            let mut device = Authenticator::new();
            let made = device.create(options, &ada.person.behaviour).unwrap();
            (made.id.clone(), made, device)
        };
        let ((hers, credential, hers_on), (theirs, other, theirs_on)) = (make(), make());
        let mut shown = ada.person.passkey_created(&adding, credential).unwrap();
        shown.possession = Some(ada.person.prove(&shown, &hers_on).unwrap());
        let assertion = ada.person.assert(&shown).unwrap();
        // The host names a passkey of its own, and answers its prompt with her approval of hers.
        for number in order {
            let mut host = Person::new(fork.site(number));
            host.resume(&ada.person);
            let Ok(mut proposal) = host.passkey_created(&adding, other.clone()) else {
                continue;
            };
            proposal.possession = Some(host.prove(&proposal, &theirs_on).unwrap());
            let what = format!("another passkey at {number}");
            super::refused(fork.answer(number, &proposal, &assertion), &what);
        }
        for number in order {
            let _ = fork.answer(number, &shown, &assertion);
        }
        let token = ada.person.token().unwrap();
        let mut added = 0;
        for number in [1, 2] {
            let passkeys = fork.view(number, token).unwrap().passkeys;
            assert!(passkeys.iter().all(|it| it.id != theirs), "{order:?}");
            added += passkeys.iter().filter(|it| it.id == hers).count();
        }
        assert!(added > 0, "{order:?}");
    }
}

#[test]
fn e18_a_read_token_changes_nothing_at_either_enclave() {
    let fork = Fork::start();
    let ada = Ada::new(&fork);
    fork.copy(1, 2);
    let before = fork.rows();
    let views = [1, 2].map(|number| ada.authority(&fork, number));
    assert_eq!(views[0], views[1]);
    let mut proposal = ada.propose(Kind::CreateKey);
    proposal.prompted.context = ada.person.token().unwrap().clone();
    let assertion = ada.person.assert(&proposal).unwrap();
    for number in [1, 2] {
        super::refused(fork.answer(number, &proposal, &assertion), "a token");
    }
    assert!(fork.rows() == before, "reading has written");
}
