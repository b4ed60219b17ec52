//! Who takes back what.

use super::*;

#[test]
fn whoever_gave_got_or_owns_may_revoke() {
    let chain = Chain::new();
    let target = Arc::clone(&chain.store.0[&chain.second].delegation);
    let revokes = |who: &Somebody, resource: String, proof: Option<Cid>| {
        let mut builder = Builder::new(who.key(), &who.did(), NOW + 60)
            .grant(grants(&[(&resource, "tinycloud.delegation/revoke")]));
        if let Some(proof) = proof {
            builder = builder.proof(&proof);
        }
        let revocation = Revocation::from_ucan(&who.signs(&builder))?;
        assert_eq!(revocation.target(), chain.second);
        revocation.check(&target, &chain.store.ancestors(revocation.proofs())?, MS)
    };
    let urn = || format!("urn:cid:{}", chain.second);
    for who in [&chain.owner, &chain.session, &chain.bob] {
        assert_eq!(revokes(who, urn(), None), Ok(()));
        let named = format!("{}/delegation/{}", chain.owner.space(), chain.second);
        assert_eq!(revokes(who, named, None), Ok(()));
    }
    let stranger = Somebody::new(9);
    assert_eq!(revokes(&stranger, urn(), None), Err(ChainError::Revoker));
    // a session that was not let revoke does not do so in the owner's name
    let unlet = revokes(&chain.session, urn(), Some(chain.first));
    assert_eq!(unlet, Err(ChainError::Revoker));
}

#[test]
fn a_revocation_by_leave_of_the_owner_needs_that_leave() {
    let mut chain = Chain::new();
    let agent = Somebody::new(9);
    let on = format!("{}/delegation", chain.owner.space());
    let revokes = |chain: &Chain, proof: Cid| {
        let resource = format!("urn:cid:{}", chain.second);
        let builder = Builder::new(agent.key(), &agent.did(), NOW + 60)
            .proof(&proof)
            .grant(grants(&[(&resource, "tinycloud.delegation/revoke")]));
        let revocation = Revocation::from_ucan(&agent.signs(&builder)).unwrap();
        let target = &chain.store.0[&chain.second].delegation;
        revocation.check(
            target,
            &chain.store.ancestors(revocation.proofs()).unwrap(),
            MS,
        )
    };
    let leave = |ability: &str, on: &str| {
        let builder = Builder::new(chain.owner.key(), &agent.did(), NOW + 100)
            .grant(grants(&[(on, ability)]));
        chain.owner.signs(&builder)
    };
    let (good, other, below) = (
        leave("tinycloud.delegation/revoke", &on),
        leave("tinycloud.delegation/list", &on),
        leave("tinycloud.delegation/revoke", &format!("{on}/x")),
    );
    let [good, other, below] = [good, other, below].map(|it| chain.store.accept(&it).unwrap());
    assert_eq!(revokes(&chain, good), Ok(()));
    assert_eq!(revokes(&chain, other), Err(ChainError::Revoker));
    assert_eq!(revokes(&chain, below), Err(ChainError::Revoker));
    // leave on a space of somebody else, who gave it away, is no leave for this one's
    let passed_on = chain.owner.signs(
        &Builder::new(chain.owner.key(), &chain.bob.did(), NOW + 100)
            .grant(grants(&[(&on, "tinycloud.delegation/revoke")])),
    );
    let passed_on = chain.store.accept(&passed_on).unwrap();
    let again = Builder::new(chain.bob.key(), &agent.did(), NOW + 100)
        .proof(&passed_on)
        .grant(grants(&[(&on, "tinycloud.delegation/revoke")]));
    let again = chain.store.accept(&chain.bob.signs(&again)).unwrap();
    let stranger = Somebody::new(8);
    let own = Builder::new(stranger.key(), &agent.did(), NOW + 100)
        .grant(grants(&[(&on, "tinycloud.delegation/revoke")]));
    let own = chain
        .store
        .keep(Delegation::from_ucan(&stranger.signs(&own)).unwrap());
    assert_eq!(revokes(&chain, again), Err(ChainError::Revoker));
    let refused = revokes(&chain, own);
    assert!(
        matches!(refused, Err(ChainError::Link { cid, .. }) if cid == own),
        "{refused:?}"
    );

    // late, or by two proofs, or with another one's leave, or after it was taken back
    let resource = format!("urn:cid:{}", chain.second);
    let token = |who: &Somebody, proofs: &[Cid]| {
        let mut builder = Builder::new(who.key(), &who.did(), NOW + 5000)
            .grant(grants(&[(&resource, "tinycloud.delegation/revoke")]));
        for proof in proofs {
            builder = builder.proof(proof);
        }
        Revocation::from_ucan(&who.signs(&builder)).unwrap()
    };
    let target = Arc::clone(&chain.store.0[&chain.second].delegation);
    let checked = |revocation: &Revocation, now_ms| {
        let ancestors = chain.store.ancestors(revocation.proofs()).unwrap();
        revocation.check(&target, &ancestors, now_ms)
    };
    assert_eq!(checked(&token(&agent, &[good]), MS), Ok(()));
    assert_eq!(
        checked(&token(&agent, &[good, other]), MS),
        Err(ChainError::Revoker)
    );
    assert_eq!(
        checked(&token(&stranger, &[good]), MS),
        Err(ChainError::Revoker)
    );
    let late = (NOW + 100) * 1000 + 1;
    assert_eq!(
        checked(&token(&agent, &[good]), late),
        Err(ChainError::AncestorTime(good))
    );
    let later = (NOW + 5000) * 1000 + 1;
    assert_eq!(
        checked(&token(&chain.owner, &[]), later),
        Err(ChainError::RevocationTime)
    );
    let first = Arc::clone(&chain.store.0[&chain.first].delegation);
    let none = Ancestors::of(&[]).unwrap();
    let another = token(&chain.owner, &[]).check(&first, &none, MS);
    assert_eq!(another, Err(ChainError::Revoker));
    chain.store.revoke(good);
    assert_eq!(revokes(&chain, good), Err(ChainError::InvokedRevoked(good)));
}

#[test]
fn a_revocation_names_its_target_and_nothing_else() {
    let chain = Chain::new();
    let revoke = "tinycloud.delegation/revoke";
    let one = format!("urn:cid:{}", chain.first);
    let two = format!("urn:cid:{}", chain.second);
    let space = format!("{}/delegation", chain.owner.space());
    for what in [
        // what it cites is not what it revokes
        &[][..],
        &[(space.as_str(), revoke)],
        &[(one.as_str(), "tinycloud.kv/del")],
        &[(one.as_str(), revoke), (two.as_str(), revoke)],
    ] {
        let builder = Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
            .proof(&chain.first)
            .grant(grants(what));
        let revocation = Revocation::from_ucan(&chain.session.signs(&builder));
        assert_eq!(revocation, Err(ChainError::Target));
    }
    let named = format!("{space}/{}", chain.first);
    let builder = Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
        .grant(grants(&[(&named, revoke), (&one, revoke)]));
    let revocation = Revocation::from_ucan(&chain.session.signs(&builder)).unwrap();
    assert_eq!(revocation.target(), chain.first);
}
