//! What is revoked before it is here.

use k256::ecdsa::signature::Signer as _;
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::key::PublicKey;
use openkey_capability::ucan::{Builder, Ucan};

use super::asking::{delegate, delegated, get, post, revoke, revoke_for, rows};
use super::http::{Running, start};
use super::tokens::{NOW, Says, base64url, did, headers, within};

/// The name of what nobody posted.
fn missing(by: u8, number: u16) -> Cid {
    Cid::of(&[&[by][..], &number.to_be_bytes()].concat())
}

/// How many of so many revocations of what is not here are kept.
async fn keep(node: &Running, by: u8, proofs: &[Cid], count: u16) -> usize {
    let mut kept = 0;
    for number in 0..count {
        let target = missing(by, number);
        let status = revoke_for(node, by, NOW + 60, proofs, &target).await;
        assert!(status == 200 || status == 403, "{status}");
        kept += usize::from(status == 200);
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_ten_keys_that_a_holder_makes_count_as_the_holder() {
    let node = start(|_| ()).await;
    let session = [delegated(&node, &Says::default()).await];
    let pass = async |from: u8, to: u8, proofs: &[Cid]| {
        let says = Says {
            from,
            to: did(to),
            proofs,
            ..Says::default()
        };
        delegated(&node, &says).await
    };
    let held = [pass(2, 3, &session).await];
    pass(2, 4, &session).await;
    for key in 20..32 {
        pass(3, key, &held).await;
        // and one that they make
        let own = [pass(3, key, &held).await];
        pass(key, key + 20, &own).await;
    }
    let mut kept = 0;
    for key in 20..32 {
        kept += keep(&node, key, &[], 50).await + keep(&node, key + 20, &[], 50).await;
    }
    assert_eq!(kept, 100);
    // neither the holder, nor another, nor the session, nor the owner
    for by in [3, 4, 2, 1] {
        assert_eq!(keep(&node, by, &[], 101).await, 100, "{by}");
    }
    // to be granted something by who has used up theirs costs nothing
    pass(3, 5, &held).await;
    pass(2, 5, &session).await;
    assert_eq!(keep(&node, 5, &[], 1).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_all_who_hang_under_one_session_share_a_bound_apart_from_it() {
    let node = start(|_| ()).await;
    let session = [delegated(&node, &Says::default()).await];
    let holders = 20..32;
    for to in holders.clone() {
        let says = Says {
            from: 2,
            to: did(to),
            proofs: &session,
            ..Says::default()
        };
        delegated(&node, &says).await;
    }
    let mut kept = 0;
    for by in holders {
        kept += keep(&node, by, &[], 100).await;
    }
    assert_eq!(kept, 1000);
    for by in [2, 1] {
        assert_eq!(keep(&node, by, &[], 1).await, 1, "{by}");
    }
    let year = (366 * 24 * 3600 + 1) * 1000;
    while node.beside.store.tidy(NOW * 1000 + year).await.unwrap() {}
    assert_eq!(rows(&node, "revocation_ahead"), 0);
    assert_eq!(rows(&node, "revocation_ahead_under"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_an_owners_sessions_count_as_the_owner() {
    let node = start(|_| ()).await;
    let mut kept = 0;
    for by in 20..32 {
        let says = Says {
            to: did(by),
            resource: "delegation",
            abilities: &["tinycloud.delegation/revoke"],
            ..Says::default()
        };
        let proofs = [delegated(&node, &says).await];
        kept += keep(&node, by, &proofs, 100).await;
    }
    assert_eq!(kept, 1000);
    // neither the owner, nor another who knows nobody of these
    let session = [delegated(&node, &Says::default()).await];
    let says = Says {
        from: 2,
        to: did(3),
        proofs: &session,
        ..Says::default()
    };
    delegated(&node, &says).await;
    for by in [1, 2, 3] {
        assert_eq!(keep(&node, by, &[], 101).await, 100, "{by}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g5_what_is_revoked_ahead_again_is_kept_for_as_long_again() {
    let node = start(|_| ()).await;
    const DAY: i64 = 24 * 3600;
    let says = Says {
        until: NOW + 500 * DAY,
        ..Says::default()
    };
    let token = says.text();
    let target = Cid::of(token.as_bytes());
    assert_eq!(revoke_for(&node, 1, NOW + 60, &[], &target).await, 200);
    node.clock.set(NOW + 300 * DAY);
    let until = NOW + 301 * DAY;
    assert_eq!(revoke_for(&node, 1, until, &[], &target).await, 200);
    assert_eq!(rows(&node, "revocation_ahead"), 1);
    for (day, kept) in [(367, 1), (665, 1), (667, 0)] {
        let at_ms = (NOW + day * DAY) * 1000;
        node.beside.store.tidy(at_ms).await.unwrap();
        assert_eq!(rows(&node, "revocation_ahead"), kept, "{day}");
        if day == 367 {
            node.clock.set(NOW + day * DAY);
            let answer = post(&node, "/delegate", &headers(&token), &[]).await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g5_what_has_just_ended_by_a_wrong_time_is_revoked() {
    let node = start(|_| ()).await;
    let session = [delegated(&node, &Says::default()).await];
    let brief = Says {
        from: 2,
        to: did(3),
        until: NOW + 2,
        proofs: &session,
        ..Says::default()
    };
    let (ucan, answer) = delegate(&node, &brief).await;
    assert_eq!(answer.status, 200);
    node.clock.set(NOW + 30);
    assert_eq!(revoke(&node, 2, &ucan.cid()).await, 200);
    assert_eq!(rows(&node, "revocation"), 1);
    node.clock.set(NOW);
    let answer = get(&node, 3, &ucan.cid()).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    // and is forgotten with it; what is revoked later leaves nothing
    node.clock.set(NOW + 70);
    node.beside.tidy().await.unwrap();
    assert_eq!(revoke_for(&node, 2, NOW + 100, &[], &ucan.cid()).await, 200);
    assert_eq!(rows(&node, "revocation"), 0);
}

/// Both tokens of what a key of secp256k1 signs: its signature has two forms.
fn both(proofs: &[Cid]) -> (Did, [String; 2]) {
    let key = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(true);
    let public = PublicKey::Secp256k1(point.as_bytes().try_into().unwrap());
    let grant = Attenuation::new().with(within("kv"), Ability::parse("tinycloud.kv/get").unwrap());
    let mut builder = Builder::new(public, did(3).as_str(), NOW + 600).grant(grant);
    for proof in proofs {
        builder = builder.proof(proof);
    }
    let number = format!("n{}", proofs.len());
    let unsigned = builder.nonce(number).unsigned().unwrap();
    let signature: k256::ecdsa::Signature = key.sign(unsigned.as_bytes());
    let other = k256::ecdsa::Signature::from_scalars(signature.r(), -signature.s()).unwrap();
    let text = std::str::from_utf8(unsigned.as_bytes()).unwrap();
    let tokens =
        [signature, other].map(|it| format!("{text}.{}", base64url(it.to_bytes().as_slice())));
    (Did::from_key(&public), tokens)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g5_the_other_signature_of_what_was_revoked_ahead_is_refused() {
    let (signer, _) = both(&[]);
    for revoked in [0, 1] {
        let node = start(|_| ()).await;
        let says = Says {
            to: signer.clone(),
            ..Says::default()
        };
        let (_, tokens) = both(&[delegated(&node, &says).await]);
        let cids = tokens.each_ref().map(|it| Ucan::decode(it).unwrap().cid());
        assert_eq!(revoke(&node, 1, &cids[revoked]).await, 200);
        for (token, cid) in tokens.iter().zip(&cids).rev() {
            let answer = post(&node, "/delegate", &headers(token), &[]).await;
            assert_eq!(answer.status, 401, "{answer:?}");
            assert_eq!(get(&node, 3, cid).await.status, 401);
        }
        assert_eq!(rows(&node, "delegation"), 1);
    }
    // where none was revoked both are taken
    let node = start(|_| ()).await;
    let says = Says {
        to: signer,
        ..Says::default()
    };
    let (_, tokens) = both(&[delegated(&node, &says).await]);
    for token in &tokens {
        let answer = post(&node, "/delegate", &headers(token), &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_whoever_granted_it_revokes_what_is_here_under_another_name() {
    let (signer, _) = both(&[]);
    // by the owner, by the session that passed it on, by whom it is for, and by a stranger
    for (by, status) in [(1, 200), (2, 200), (3, 200), (4, 404)] {
        let node = start(|_| ()).await;
        let of_owner = [delegated(&node, &Says::default()).await];
        let says = Says {
            from: 2,
            to: signer.clone(),
            until: NOW + 3000,
            proofs: &of_owner,
            ..Says::default()
        };
        let (_, [kept, other]) = both(&[delegated(&node, &says).await]);
        let answer = post(&node, "/delegate", &headers(&kept), &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let other = Ucan::decode(&other).unwrap().cid();
        assert_eq!(revoke(&node, by, &other).await, status, "{by}");
        let kept = Ucan::decode(&kept).unwrap().cid();
        let found = get(&node, 3, &kept).await.status;
        // whoever may read finds nothing yet
        assert_eq!(found, if status == 200 { 401 } else { 404 }, "{by}");
    }
}
