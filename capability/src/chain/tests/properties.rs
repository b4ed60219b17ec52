//! What holds for any chain.

use proptest::{option, prelude::*};

use super::*;

proptest! {
    /// Whatever a chain lets somebody do, every link in it allows.
    #[test]
    fn g5_nothing_is_allowed_that_any_link_forbids(
        links in proptest::collection::vec(("[ab]{0,2}(/[ab]{0,2}){0,2}", 0_usize..3), 1..4),
        asked in ("[ab]{0,2}(/[ab]{0,2}){0,2}", 0_usize..3),
    ) {
        const ABILITIES: [&str; 3] = ["tinycloud.sql/read", "tinycloud.sql/admin", "tinycloud.sql/*"];
        let people: Vec<_> = (1..=5).map(Somebody::new).collect();
        let resource = |path: &str| format!("{}/sql/{path}", people[0].space());
        let mut store = Store::default();
        let mut last: Option<Cid> = None;
        for (at, (path, ability)) in links.iter().enumerate() {
            let mut builder = Builder::new(people[at].key(), &people[at + 1].did(), NOW + 60)
                .grant(grants(&[(&resource(path), ABILITIES[*ability])]));
            if let Some(last) = &last {
                builder = builder.proof(last);
            }
            match store.accept(&people[at].signs(&builder)) {
                Ok(cid) => last = Some(cid),
                Err(_) => return Ok(()),
            }
        }
        let who = &people[links.len()];
        let builder = Builder::new(who.key(), &who.did(), NOW + 60)
            .proof(&last.unwrap())
            .grant(grants(&[(&resource(&asked.0), ABILITIES[asked.1])]));
        if store.invoke(&who.signs(&builder), MS).is_ok() {
            for (path, ability) in &links {
                prop_assert!(resource(&asked.0).starts_with(&resource(path)));
                let held = Ability::parse(ABILITIES[*ability]).unwrap();
                prop_assert!(held.covers(&Ability::parse(ABILITIES[asked.1]).unwrap()));
            }
        }
    }
    /// Whenever a chain lets somebody do something, every link in it is in its time.
    #[test]
    fn g5_nothing_is_allowed_outside_of_any_links_time(
        links in proptest::collection::vec((option::of(-4_i64..=1), 0_i64..6), 1..4),
        now in -5_i64..6,
    ) {
        let people: Vec<_> = (1..=5).map(Somebody::new).collect();
        let resource = format!("{}/kv/a", people[0].space());
        let grant = || grants(&[(&resource, "tinycloud.kv/get")]);
        let mut store = Store::default();
        let mut last: Option<Cid> = None;
        for (at, (begins, ends)) in links.iter().enumerate() {
            let mut builder =
                Builder::new(people[at].key(), &people[at + 1].did(), NOW + ends).grant(grant());
            if let Some(begins) = begins {
                builder = builder.not_before(NOW + begins);
            }
            if let Some(last) = &last {
                builder = builder.proof(last);
            }
            match store.accept(&people[at].signs(&builder)) {
                Ok(cid) => last = Some(cid),
                Err(_) => return Ok(()),
            }
        }
        let who = &people[links.len()];
        let builder = Builder::new(who.key(), &who.did(), NOW + 60).proof(&last.unwrap());
        let asked = store.invoke(&who.signs(&builder.grant(grant())), (NOW + now) * 1000);
        let is_inside = |(begins, ends): &(Option<i64>, i64)| {
            begins.is_none_or(|begins| begins <= now) && now <= *ends
        };
        prop_assert_eq!(asked.is_ok(), links.iter().all(is_inside));
    }
}
