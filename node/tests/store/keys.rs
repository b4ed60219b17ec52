//! Keys by prefix.

use openkey_capability::resource::SpaceId;
use openkey_node::allowance::Allowance;
use openkey_node::store::{Keys, Page, Store};

use super::common::{first, hosted, put, value, write};

/// In the order of their bytes.
const KEYS: [&str; 14] = [
    "%20", "%7E", "A", "a", "a!", "a%20b", "a-", "a/", "a/1", "a/~", "a/~/x", "aa", "b", "~",
];

fn with(prefix: &str) -> Keys {
    Keys::With(prefix.to_owned())
}

async fn filled(store: &dyn Store) -> SpaceId {
    let id = hosted(store, "keys").await;
    let changes = KEYS.iter().rev().map(|key| put(key, value(b"1")));
    write(store, &id, changes.collect()).await.unwrap();
    let other = hosted(store, "other").await;
    write(store, &other, vec![put("a/other", value(b"1"))])
        .await
        .unwrap();
    id
}

pub(crate) async fn keys_are_listed_by_prefix_in_their_bytes_order(store: &dyn Store) {
    let id = filled(store).await;
    for prefix in [
        "", "a", "a/", "a/~", "A", "%", "~", "a%", "a_", "_", "b/", "á", "*",
    ] {
        let listed = store
            .keys(&id, &with(prefix), first(100), Allowance::any())
            .await
            .unwrap()
            .all()
            .unwrap();
        let expected = KEYS.iter().filter(|key| key.starts_with(prefix));
        assert_eq!(listed, expected.copied().collect::<Vec<_>>(), "{prefix}");
    }
}

pub(crate) async fn pages_have_no_gap_and_no_repetition(store: &dyn Store) {
    let id = filled(store).await;
    for prefix in ["", "a", "a/", "a/~"] {
        for limit in 1..5 {
            let (mut all, mut page) = (Vec::new(), first(limit));
            loop {
                let keys = store
                    .keys(&id, &with(prefix), page.clone(), Allowance::any())
                    .await
                    .unwrap()
                    .all()
                    .unwrap();
                assert!(keys.len() <= limit as usize);
                let Some(last) = keys.last() else { break };
                page.after = Some(last.clone());
                all.extend(keys);
                assert!(all.len() <= KEYS.len(), "{prefix} {limit}");
            }
            let expected = KEYS.iter().filter(|key| key.starts_with(prefix));
            assert_eq!(
                all,
                expected.copied().collect::<Vec<_>>(),
                "{prefix} {limit}"
            );
        }
    }
}

pub(crate) async fn a_page_begins_behind_any_key(store: &dyn Store) {
    let id = filled(store).await;
    for prefix in ["", "a", "a/", "b"] {
        for after in ["", "%", "A", "a", "a.", "a/", "a/0", "a/~z", "b", "z", "~~"] {
            let page = Page {
                after: Some(after.to_owned()),
                limit: 100,
            };
            let listed = store
                .keys(&id, &with(prefix), page, Allowance::any())
                .await
                .unwrap()
                .all()
                .unwrap();
            let behind = |key: &&&str| key.starts_with(prefix) && **key > after;
            let expected = KEYS.iter().filter(behind);
            assert_eq!(
                listed,
                expected.copied().collect::<Vec<_>>(),
                "{prefix} {after}"
            );
        }
    }
}

pub(crate) async fn keys_at_or_below_one_are_no_others(store: &dyn Store) {
    let id = filled(store).await;
    for key in ["a", "a/", "a/~", "aa", "A", "%", "", "~", "b", "c"] {
        let is_below = |it: &&str| {
            let rest = it.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let cases = [
            (
                Keys::AtOrBelow(key.to_owned()),
                KEYS.iter().copied().filter(is_below).collect::<Vec<_>>(),
            ),
            (
                Keys::Only(key.to_owned()),
                KEYS.iter().copied().filter(|it| *it == key).collect(),
            ),
        ];
        for (which, wanted) in cases {
            for limit in 1..5 {
                let (mut all, mut page) = (Vec::new(), first(limit));
                loop {
                    let keys = store
                        .keys(&id, &which, page.clone(), Allowance::any())
                        .await
                        .unwrap()
                        .all()
                        .unwrap();
                    assert!(keys.len() <= limit as usize, "{which:?}");
                    let Some(last) = keys.last() else { break };
                    page.after = Some(last.clone());
                    all.extend(keys);
                }
                assert_eq!(all, wanted, "{which:?} {limit}");
            }
        }
    }
}
