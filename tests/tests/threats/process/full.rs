//! E17: strangers fill what an enclave remembers.

use openkey_protocol::message::{Action, Hash32, KeyId, Payload};
use openkey_simulator::person::Person;
use openkey_simulator::simulation::Simulation;
use openkey_tests::database::{Database, written};
use openkey_tests::simulation;

/// How many accounts the enclaves of these tests remember.
const CAPACITY: usize = 8;

fn small() -> Simulation {
    simulation(|it| it.argument(&format!("--accounts={CAPACITY}")))
}

fn restart(simulation: &Simulation) {
    let before = simulation.kill("enclave").unwrap();
    simulation.wait_for_another("enclave", before).unwrap();
}

fn sign(text: &str) -> Action {
    Action::Sign {
        key: KeyId(0),
        payload: Payload::Text(text.to_owned()),
    }
}

/// Begins accounts that nobody confirms, and names those that were stored.
fn unconfirmed(simulation: &Simulation, count: usize) -> Vec<Person> {
    let people = (0..count).map(|at| {
        let mut stranger = simulation.person().unwrap();
        let stored = stranger.register(&format!("Stranger {at}"));
        stored.is_ok().then_some(stranger)
    });
    people.flatten().collect()
}

/// Asks about each account, as anybody can who knows its id.
fn propose_in_each(simulation: &Simulation, people: &[Person]) {
    for person in people {
        let mut stranger = simulation.person().unwrap();
        stranger.resume(person);
        // Whether it is refused does not matter, but that the enclave looked at the account.
        let receipt = Hash32([0; 32]);
        let _ = stranger.propose(Action::Confirm { receipt });
        let _ = stranger.propose(sign("x"));
    }
}

#[test]
fn e17_strangers_who_fill_the_memory_keep_nobody_out() {
    let simulation = small();
    let mut strangers = unconfirmed(&simulation, CAPACITY);
    restart(&simulation);
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let address = ada.sign_text("before").unwrap().address;
    restart(&simulation);
    strangers.extend(unconfirmed(&simulation, CAPACITY));
    assert!(strangers.len() >= CAPACITY);
    for again in 0..2 {
        propose_in_each(&simulation, &strangers);
        let signed = ada.sign_text("after");
        let signed = signed.unwrap_or_else(|error| panic!("an old account, {again}: {error}"));
        assert_eq!(signed.address, address);
        ada.account().unwrap();
        ada.sign_in().unwrap();
        let mut bob = simulation.person().unwrap();
        let new = bob.sign_up("Bob");
        new.unwrap_or_else(|error| panic!("a new account, {again}: {error}"));
        restart(&simulation);
    }
}

#[test]
fn e17_more_people_than_places_are_served_and_what_they_showed_is_not_forgotten() {
    let simulation = small();
    let database = Database::of(&simulation);
    let mut people = Vec::new();
    for at in 0..3 * CAPACITY {
        let mut person = simulation.person().unwrap();
        let new = person.sign_up(&format!("Person {at}"));
        new.unwrap_or_else(|error| panic!("person {at} of {CAPACITY}: {error}"));
        people.push(person);
    }
    let before = database.rows();
    for person in &mut people {
        person.sign_text("one").unwrap();
    }
    let after = database.rows();
    // Each account's record of before, one after the other, for a device that holds no head.
    for (at, person) in people.iter_mut().enumerate() {
        let now = database.rows();
        let mut old = now.clone();
        let mine = before.clone();
        for (id, row) in written(&mine, &after) {
            if let Some(earlier) = mine.get(&id) {
                assert_ne!(*earlier, row);
                old.insert(id, (row.0, earlier.1.clone()));
            }
        }
        database.restore(&old);
        person.forget_head();
        let shown = person.sign_text("two");
        assert!(shown.is_err(), "person {at} of {CAPACITY}: an older record");
        database.restore(&now);
        person.sign_text("two").unwrap();
    }
}
