//! Up to three lines as names and caveats: the fuzz target's body, also run on its corpus by the tests.

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Caveats;
use openkey_capability::caveat::{Restriction, is_contained};
use openkey_capability::did::Did;
use openkey_capability::resource::{NetworkId, Resource, SpaceId};

/// Whether a line is anything that is read.
pub(crate) fn run(input: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(input) else {
        return false;
    };
    let lines: Vec<&str> = text.split('\n').take(3).collect();
    let names = lines.iter().filter(|line| is_name(line)).count();
    let resources = ordered(&lines, |line| Resource::parse(line).ok(), Resource::extends);
    let abilities = ordered(
        &lines,
        |line| Ability::parse(line).ok(),
        |required, held| held.covers(required),
    );
    let caveats = ordered(&lines, read_caveats, is_contained);
    names + resources + abilities + caveats > 0
}

/// Names have one spelling, which reads as the same.
fn is_name(text: &str) -> bool {
    let mut read = false;
    if let Ok(did) = Did::parse(text) {
        assert_eq!(Did::parse(did.as_str()).as_ref(), Ok(&did));
        if let Some((chain, address)) = did.account() {
            assert_eq!(Did::pkh(chain, &address), did);
        }
        if let Some(key) = did.public_key() {
            assert!(text.starts_with(did.as_str()) && did.account().is_none());
            assert_eq!(Did::from_key(&key).public_key(), Some(key));
        }
        read = true;
    }
    if let Ok(space) = SpaceId::parse(text) {
        let again = space.to_string();
        assert!(SpaceId::is_normalised(&again));
        assert_eq!(SpaceId::parse(&again).as_ref(), Ok(&space));
        assert_eq!(
            SpaceId::new(space.owner(), space.name()).as_ref(),
            Ok(&space)
        );
        // A space alone is nothing that could be granted.
        assert!(matches!(Resource::parse(text), Ok(Resource::Other(_))));
        read = true;
    }
    if let Ok(network) = NetworkId::parse(text) {
        let again = NetworkId::new(network.owner(), network.name());
        assert_eq!(again.as_ref(), Ok(&network));
        read = true;
    }
    if let Ok(resource) = Resource::parse(text) {
        let again = resource.to_string();
        assert_eq!(Resource::parse(&again).as_ref(), Ok(&resource));
        if let Resource::Space(found) = &resource {
            assert!(again.starts_with(&found.space().to_string()));
        }
        read = true;
    }
    read
}

fn read_caveats(text: &str) -> Option<Caveats> {
    let caveats: Caveats = serde_json::from_str(text).ok()?;
    for caveat in caveats.as_slice() {
        let empty = matches!(Restriction::read(caveat), Ok(Restriction::None));
        assert_eq!(empty, caveat.is_empty());
    }
    assert!(is_contained(&caveats, &Caveats::none()));
    Some(caveats)
}

/// How many lines are read; everything is within itself, and what is within a part is within the whole.
fn ordered<T>(
    lines: &[&str],
    read: impl Fn(&str) -> Option<T>,
    within: impl Fn(&T, &T) -> bool,
) -> usize {
    let all: Vec<T> = lines.iter().filter_map(|line| read(line)).collect();
    for a in &all {
        assert!(within(a, a));
        for b in &all {
            for c in &all {
                assert!(!(within(a, b) && within(b, c)) || within(a, c));
            }
        }
    }
    all.len()
}
