//! E2: a history that is longer, and is another.

use openkey_protocol::message::{AccountHead, Action};
use openkey_simulator::authenticator::Authenticator;
use openkey_simulator::person::Person;
use openkey_tests::fork::Fork;

use super::{create_key, refused};

/// The owner at the first enclave, who removed a passkey there; and the rows of a fork in which it
/// stands and has signed since.
struct Attack {
    fork: Fork,
    owner: Person,
    head: AccountHead,
}

impl Attack {
    fn mount() -> Self {
        let fork = Fork::start();
        let mut owner = fork.person(1);
        owner.sign_up("Ada").unwrap();
        let mut lost = Authenticator::new();
        owner.add_passkey("lost", &mut lost).unwrap();
        fork.copy(1, 2);
        let passkey = lost.passkeys()[0].id().into();
        owner.perform(Action::RemovePasskey { passkey }).unwrap();
        let head = owner.head().unwrap();

        let mut thief = Person::new(fork.site(2));
        thief.device = lost;
        thief.sign_in().unwrap();
        thief.sign_text("one").unwrap();
        assert!(thief.head().unwrap().version > head.version);
        Self { fork, owner, head }
    }

    /// The owner asks for everything, at this enclave and with the head that her client holds.
    fn owner_is_refused(&mut self, number: usize, what: &str) {
        self.owner.use_site(self.fork.site(number));
        refused(self.owner.sign_text("x"), &format!("{what}: a signature"));
        refused(self.owner.account(), &format!("{what}: the account"));
        refused(self.owner.sign_in(), &format!("{what}: a sign-in"));
        assert_eq!(self.owner.head(), Some(self.head), "{what}");
    }

    /// Back to her own rows: nothing is lost.
    fn owner_is_served(&mut self) {
        self.owner.use_site(self.fork.site(1));
        let view = self.owner.account().unwrap();
        assert_eq!(view.passkeys.len(), 1);
        self.owner.sign_text("still mine").unwrap();
    }
}

#[test]
fn e2_a_longer_fork_is_refused_by_the_enclave_that_saw_the_other() {
    let mut attack = Attack::mount();
    let own = attack.fork.store(1).rows();
    attack.fork.copy(2, 1);
    attack.owner_is_refused(1, "with her head");
    // Also whoever brings no head: the enclave remembers.
    let mut device = Person::new(attack.fork.site(1));
    device.device = std::mem::take(&mut attack.owner.device);
    refused(device.sign_in(), "a device without a head");
    attack.owner.device = std::mem::take(&mut device.device);
    attack.fork.store(1).restore(&own);
    attack.owner_is_served();
}

#[test]
fn e2_a_longer_fork_is_refused_after_a_restart_by_the_clients_head() {
    let mut attack = Attack::mount();
    let own = attack.fork.store(1).rows();
    attack.fork.copy(2, 1);
    attack.fork.restart(1);
    attack.owner_is_refused(1, "after a restart");
    attack.fork.store(1).restore(&own);
    attack.fork.restart(1);
    attack.owner_is_served();
}

#[test]
fn e2_a_longer_fork_is_refused_by_the_clients_head_at_an_enclave_that_knows_only_the_fork() {
    let mut attack = Attack::mount();
    attack.owner_is_refused(2, "at the other enclave");
    attack.fork.restart(2);
    attack.owner_is_refused(2, "at the other enclave, started again");
    attack.owner_is_served();
}

#[test]
fn e2_a_history_that_goes_on_is_accepted_however_much_was_missed() {
    let fork = Fork::start();
    let mut ada = fork.person(1);
    ada.sign_up("Ada").unwrap();
    // The second enclave and this device know the beginning.
    fork.copy(1, 2);
    ada.use_site(fork.site(2));
    ada.account().unwrap();
    let early = ada.known().unwrap();
    // Another device of hers goes on at the first, for long.
    let mut other = Person::new(fork.site(1));
    other.device = std::mem::take(&mut ada.device);
    other.sign_in().unwrap();
    for round in 0..20 {
        other.sign_text(&format!("round {round}")).unwrap();
    }
    other.perform(create_key("second")).unwrap();
    ada.device = std::mem::take(&mut other.device);
    fork.copy(1, 2);
    for restart in [false, true] {
        for number in [2, 1] {
            if restart {
                fork.restart(number);
            }
            // The head of long ago, at an enclave that missed it all, or remembers nothing.
            let mut device = Person::new(fork.site(number));
            device.device = std::mem::take(&mut ada.device);
            device.sign_in().unwrap();
            ada.device = std::mem::take(&mut device.device);
            ada.use_site(fork.site(number));
            ada.know(early);
            let view = ada.account().unwrap();
            assert_eq!(view.keys.len(), 2);
            assert!(ada.head().unwrap().version > early.head.version);
            ada.sign_text("on and on").unwrap();
            fork.copy(number, 3 - number);
        }
    }
}
