//! A host that answers with yesterday's records, or with none.

use openkey_protocol::message::{
    AccountHead, AccountId, Action, Approve, EnclaveEvent, Error, ErrorCode, Hash32, KnownHead,
    Propose, Request, UserHandle,
};

use crate::common::{
    Authenticator, Person, World, ask, code,
    person::{begin, finish, sign_in, text},
};

#[tokio::test]
async fn e2_a_running_enclave_refuses_an_older_record() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let yesterday = world.store.snapshot();
    person.act(&enclave, text("x")).await.unwrap();
    world.store.restore(yesterday);
    // Even for a client that has forgotten everything.
    let request = match person.proposal(text("y")) {
        Request::Propose(propose) => Request::Propose(openkey_protocol::message::Propose {
            head: None,
            ..propose
        }),
        other => other,
    };
    assert_eq!(
        code(ask(&enclave, &request).await),
        Some(ErrorCode::RolledBack)
    );
    let begun = sign_in(&enclave).await.unwrap();
    let approval = Request::Approve(Approve {
        head: None,
        ..person.approval(&begun, person.authenticator.clone().get(&begun.options))
    });
    assert_eq!(
        code(ask(&enclave, &approval).await),
        Some(ErrorCode::RolledBack)
    );
}

#[tokio::test]
async fn e2_after_a_restart_the_clients_head_refuses_an_older_record() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let yesterday = world.store.snapshot();
    let today = person.act(&enclave, text("x")).await;
    assert!(today.is_ok());
    drop(enclave);
    world.store.restore(yesterday);
    let enclave = world.boot().await;
    let refused = person.propose(&enclave, text("y")).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
    assert_eq!(
        code(person.view(&enclave).await),
        Some(ErrorCode::RolledBack)
    );
}

/// Operators read some events as an attack by the store: a stranger must not be able to cause them.
#[tokio::test]
async fn s2_a_made_up_head_is_no_alarm() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    person.act(&enclave, text("x")).await.unwrap();
    let events = || {
        let alarm = |event: &EnclaveEvent| !event.is_routine();
        let mut events = world.events.lock().unwrap();
        let alarms: Vec<_> = events.iter().copied().filter(alarm).collect();
        let claims = events
            .iter()
            .filter(|event| **event == EnclaveEvent::HeadNotContinued);
        let claims = claims.count();
        events.clear();
        (alarms, claims)
    };
    events();
    let Request::Propose(proposal) = person.proposal(text("y")) else {
        panic!("no proposal");
    };
    let (head, other) = (person.head, Hash32([7; 32]));
    let account = AccountId([7; 32]);
    let user_handle = UserHandle([7; 16]);
    let with = |head: AccountHead| Propose {
        head: Some(KnownHead { head, shown_at: 0 }),
        ..proposal.clone()
    };
    let version = |version: u64| AccountHead { version, ..head };
    for made_up in [
        // Newer than the record, or older with another hash, or the same with another entry.
        with(version(head.version + 1)),
        with(version(head.version - 1)),
        with(AccountHead {
            hash: other,
            ..head
        }),
        with(AccountHead {
            entry: other,
            ..head
        }),
    ] {
        let refused = ask(&enclave, &Request::Propose(made_up.clone())).await;
        assert!(
            matches!(
                code(refused),
                Some(ErrorCode::RolledBack | ErrorCode::Forked)
            ),
            "{made_up:?}"
        );
        assert_eq!(events(), (vec![], 1), "{made_up:?}");
    }
    // With a token of one account, another's place is not even looked at.
    for made_up in [
        // Of an account that is not there.
        Propose {
            account,
            ..with(AccountHead { account, ..head })
        },
        Propose {
            account,
            head: None,
            ..proposal.clone()
        },
        // In a place where nothing is.
        Propose {
            user_handle,
            ..proposal.clone()
        },
    ] {
        let refused = ask(&enclave, &Request::Propose(made_up.clone())).await;
        assert_eq!(code(refused), Some(ErrorCode::SignInNeeded), "{made_up:?}");
        assert_eq!(events(), (vec![], 0), "{made_up:?}");
    }
    // Before any sign-in: a confirmation, of an account that is not there.
    let confirmation = Propose {
        token: None,
        account,
        action: Action::Confirm {
            receipt: Hash32([7; 32]),
        },
        ..with(AccountHead { account, ..head })
    };
    let refused = ask(&enclave, &Request::Propose(confirmation)).await;
    assert!(matches!(
        code(refused),
        Some(ErrorCode::RolledBack | ErrorCode::Forked)
    ));
    assert_eq!(events(), (vec![], 1));
    // What the enclave itself has seen is an alarm, whoever asks.
    let today = world.store.snapshot();
    person.act(&enclave, text("y")).await.unwrap();
    events();
    world.store.restore(today);
    let refused: Result<_, Error> = ask(&enclave, &Request::Propose(with(head))).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
    assert_eq!(events(), (vec![EnclaveEvent::RolledBack], 0));
}

#[tokio::test]
async fn e2_a_fork_of_the_same_version_is_refused() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let fork = world.store.snapshot();
    person
        .act(&enclave, text("seen by the client"))
        .await
        .unwrap();
    world.store.restore(fork);
    // An enclave that was restarted writes the same version once more.
    let enclave = world.boot().await;
    let mut forgetful = person.clone();
    forgetful.sign_in(&enclave).await.unwrap();
    assert_eq!(forgetful.head.version, person.head.version);
    let refused = person.propose(&enclave, text("y")).await;
    assert_eq!(code(refused), Some(ErrorCode::Forked));
}

#[tokio::test]
async fn e2_a_hidden_record_never_becomes_a_fresh_account() {
    let world = World::new();
    let enclave = world.boot().await;
    let started = begin(&enclave).await.unwrap();
    let mut authenticator = Authenticator::new(1);
    finish(&enclave, &started, &mut authenticator)
        .await
        .unwrap();
    let person = Person::register(&enclave, 2).await;
    let all = world.store.snapshot();
    world.store.restore(Default::default());

    // To the running enclave the account is hidden, whatever the client knows.
    let again = finish(&enclave, &started, &mut authenticator).await;
    assert_eq!(code(again), Some(ErrorCode::RolledBack));
    assert_eq!(
        code(person.view(&enclave).await),
        Some(ErrorCode::RolledBack)
    );
    let begun = sign_in(&enclave).await.unwrap();
    let approval = Request::Approve(Approve {
        head: None,
        ..person.approval(&begun, person.authenticator.clone().get(&begun.options))
    });
    assert_eq!(
        code(ask(&enclave, &approval).await),
        Some(ErrorCode::RolledBack)
    );

    // To a restarted one it is for a client with a head, and unknown, never new, for others.
    let enclave = world.boot().await;
    assert_eq!(
        code(person.propose(&enclave, text("x")).await),
        Some(ErrorCode::RolledBack)
    );
    let begun = sign_in(&enclave).await.unwrap();
    let approval = Request::Approve(Approve {
        head: None,
        ..person.approval(&begun, person.authenticator.clone().get(&begun.options))
    });
    assert_eq!(
        code(ask(&enclave, &approval).await),
        Some(ErrorCode::UnknownAccount)
    );
    assert!(world.store.snapshot().is_empty(), "nothing was made up");

    world.store.restore(all);
    assert!(person.propose(&enclave, text("x")).await.is_ok());
}

#[tokio::test]
async fn e2_a_head_of_another_account_is_not_taken() {
    let world = World::new();
    let enclave = world.boot().await;
    let one = Person::register(&enclave, 1).await;
    let two = Person::register(&enclave, 2).await;
    let confused = Person {
        head: two.head,
        ..one
    };
    let refused = confused.propose(&enclave, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Malformed));
}

#[tokio::test]
async fn e2_a_history_fork_does_not_pass_for_the_accounts_own() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    for at in 0..5 {
        person.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    // The host lets two decisions happen, takes them back, and lets others happen.
    let before = world.store.snapshot();
    let mut forgetful = person.clone();
    for at in 0..4 {
        forgetful
            .act(&enclave, text(&format!("taken back {at}")))
            .await
            .unwrap();
    }
    let taken_back = world.store.snapshot();
    world.store.restore(before.clone());
    let enclave = world.boot().await;
    for at in 0..8 {
        person
            .act(&enclave, text(&format!("kept {at}")))
            .await
            .unwrap();
    }
    // Then it mixes decisions that were taken back into the history, below the newest page.
    let honest = person.history(&enclave, None, 50).await.unwrap().entries;
    let kept = world.store.snapshot();
    let forks: Vec<_> = taken_back
        .iter()
        .filter(|(id, _)| !before.contains_key(*id))
        .collect();
    assert_eq!(forks.len(), 4);
    assert!(forks.iter().all(|(id, record)| kept[*id] != **record));
    for (id, record) in forks {
        world.store.memory.records().insert(*id, record.clone());
    }
    let (mut refused, newest) = (0, honest[0].sequence);
    for before in 2..=newest + 1 {
        for limit in [1, 3] {
            match person.history(&enclave, Some(before), limit).await {
                Ok(page) => assert!(page.entries.iter().all(|entry| honest.contains(entry))),
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::RolledBack);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused >= 4);
}
