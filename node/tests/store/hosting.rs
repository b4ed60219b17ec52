//! Spaces.

use openkey_node::store::{Page, Space, Store};

use super::common::{NOW, delegation, did, fresh, hosted, space, space_of};

pub(crate) async fn a_space_is_hosted_once(store: &dyn Store) {
    let id = space("once");
    assert_eq!(store.space(&id).await.unwrap(), None);
    assert!(store.host(fresh(), &id, NOW).await.unwrap());
    assert!(!store.host(fresh(), &id, NOW + 1).await.unwrap());
    let hosted = Some(Space { created_ms: NOW });
    assert_eq!(store.space(&id).await.unwrap(), hosted);
    // nor does a delegation that hosts it make it younger
    let mut new = delegation(&id);
    new.hosts = vec![id.clone()];
    new.now_ms = NOW + 2;
    store.accept(new).await.unwrap();
    assert_eq!(store.space(&id).await.unwrap(), hosted);
}

pub(crate) async fn spaces_are_listed_for_their_owner_alone(store: &dyn Store) {
    for name in ["b", "a", "C"] {
        hosted(store, name).await;
    }
    let others = space_of(&did(2), "a");
    store.host(fresh(), &others, NOW).await.unwrap();
    let of = async |seed| -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let page = Page {
                after: all.last().cloned(),
                limit: 2,
            };
            let spaces = store.spaces_of(&did(seed), page).await.unwrap();
            if spaces.is_empty() {
                return all;
            }
            all.extend(spaces.iter().map(|(id, _)| id.to_string()));
        }
    };
    let names = ["C", "a", "b"].map(|name| space(name).to_string());
    assert_eq!(of(1).await, names);
    assert_eq!(of(2).await, [others.to_string()]);
    assert_eq!(of(3).await, Vec::<String>::new());
}
