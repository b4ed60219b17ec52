use openkey_protocol::message::{ApprovedBy, ConcernedKey, Excerpt};

use super::*;
use crate::{chain::entry_hash, passkeys::PublicKey};

/// Most bytes of an account's record. Each request about an account reads them, and each decision
/// writes them.
const MAX_RECORD: usize = 80 * 1024;

fn passkey(id: u8) -> Passkey {
    Passkey {
        id: [id; 16].into(),
        credential: Credential {
            key: PublicKey::Es256 {
                x: [1; 32].into(),
                y: [2; 32].into(),
            },
            backup_eligible: false,
            backed_up: false,
        },
        public_key_sha256: Hash32([id; 32]),
        name: format!("passkey {id}"),
        created_at: 1,
        used_at: None,
        counter: 0,
    }
}

fn key(id: u8) -> OwnerKey {
    OwnerKey {
        address: Address([id; 20]),
        sealed: vec![id].into(),
        label: format!("key {id}"),
        created_at: 1,
        archived_at: None,
    }
}

/// A signature by the key that [`key`] gives.
fn sign(id: u8) -> Change {
    Change::Sign {
        key: KeyId(id.into()),
        address: Address([id; 20]),
    }
}

pub(super) fn account() -> Account {
    Account {
        id: AccountId([1; 32]),
        user_handle: UserHandle([1; 16]),
        name: "Ada".to_owned(),
        created_at: 1,
        receipt: Hash32([5; 32]),
        confirmed: true,
        passkeys: vec![passkey(1)],
        keys: vec![key(0)],
        used: vec![],
        signed_at: vec![],
        history: Chain::new(1),
    }
}

pub(super) fn decision() -> Decision {
    Decision {
        record: Hash32([8; 32]),
        kind: openkey_protocol::message::PromptKind::SignText,
        title: "Sign a text".into(),
        origin: "http://localhost:1".into(),
        told: Excerpt::default(),
        passkey: ApprovedBy {
            id: [1; 16].into(),
            name: "passkey 1".into(),
            public_key_sha256: Hash32([1; 32]),
        },
        digest: Hash32([8; 32]),
        key: Some(ConcernedKey {
            key: KeyId(0),
            address: Address([0; 20]),
            label: "key 0".into(),
        }),
        signature: Some([1; 65].into()),
    }
}

fn code(result: Result<(), Error>) -> Option<ErrorCode> {
    result.err().map(|error| error.code)
}

fn apply(account: &mut Account, change: &Change) -> Option<ErrorCode> {
    code(account.apply(change, Some(key(9)), 100))
}

#[test]
fn before_the_confirmation_nothing_but_confirming_and_reading() {
    let mut account = Account {
        confirmed: false,
        ..account()
    };
    for change in [
        sign(0),
        Change::AddPasskey(Box::new(passkey(2))),
        Change::CreateKey { label: "x".into() },
        Change::ArchiveKey { key: KeyId(0) },
    ] {
        assert_eq!(apply(&mut account, &change), Some(ErrorCode::NotConfirmed));
    }
    assert_eq!(apply(&mut account, &Change::SignIn), None);
    let other = Change::Confirm {
        receipt: Hash32([6; 32]),
    };
    assert_eq!(apply(&mut account, &other), Some(ErrorCode::NotConfirmed));
    let own = Change::Confirm {
        receipt: Hash32([5; 32]),
    };
    assert_eq!(apply(&mut account, &own), None);
    assert_eq!(apply(&mut account, &own), Some(ErrorCode::AlreadyConfirmed));
    assert_eq!(apply(&mut account, &sign(0)), None);
}

#[test]
fn passkeys_are_added_renamed_and_removed_but_the_last() {
    let mut account = account();
    let remove = |id: u8| Change::RemovePasskey {
        passkey: [id; 16].into(),
    };
    assert_eq!(
        apply(&mut account, &remove(1)),
        Some(ErrorCode::LastPasskey)
    );
    assert_eq!(
        apply(&mut account, &remove(7)),
        Some(ErrorCode::UnknownPasskey)
    );
    let add = Change::AddPasskey(Box::new(passkey(2)));
    assert_eq!(apply(&mut account, &add), None);
    assert_eq!(apply(&mut account, &add), Some(ErrorCode::PasskeyExists));
    let rename = Change::RenamePasskey {
        passkey: [2; 16].into(),
        name: "Phone".into(),
    };
    assert_eq!(apply(&mut account, &rename), None);
    assert_eq!(apply(&mut account, &rename), Some(ErrorCode::NothingToDo));
    assert_eq!(apply(&mut account, &remove(1)), None);
    assert_eq!(
        apply(&mut account, &remove(2)),
        Some(ErrorCode::LastPasskey)
    );
    for id in 10..25 {
        assert_eq!(
            apply(&mut account, &Change::AddPasskey(Box::new(passkey(id)))),
            None
        );
    }
    let full = Change::AddPasskey(Box::new(passkey(99)));
    assert_eq!(apply(&mut account, &full), Some(ErrorCode::OutOfBounds));
}

#[test]
fn an_archived_key_signs_nothing_until_it_is_restored() {
    let mut account = account();
    let (sign, unknown) = (sign(0), sign(1));
    let archive = Change::ArchiveKey { key: KeyId(0) };
    let restore = Change::RestoreKey { key: KeyId(0) };
    assert_eq!(apply(&mut account, &restore), Some(ErrorCode::NothingToDo));
    assert_eq!(apply(&mut account, &archive), None);
    assert_eq!(apply(&mut account, &archive), Some(ErrorCode::NothingToDo));
    assert_eq!(apply(&mut account, &sign), Some(ErrorCode::KeyArchived));
    assert_eq!(apply(&mut account, &restore), None);
    assert_eq!(apply(&mut account, &sign), None);
    assert_eq!(apply(&mut account, &unknown), Some(ErrorCode::UnknownKey));
}

#[test]
fn e18_a_key_of_another_address_at_the_same_index_is_not_the_one_that_was_shown() {
    let mut account = account();
    let shown = Address([7; 20]);
    let key = KeyId(0);
    let label = "Mine".to_owned();
    for change in [
        Change::Sign {
            key,
            address: shown,
        },
        Change::LabelKey {
            key,
            address: shown,
            label,
        },
    ] {
        assert_eq!(
            apply(&mut account, &change),
            Some(ErrorCode::AccountChanged)
        );
    }
}

#[test]
fn signatures_are_counted_by_the_minute() {
    let mut account = account();
    let sign = sign(0);
    for at in 0..MAX_SIGNATURES as u64 {
        account.apply(&sign, None, 1000 + at).unwrap();
    }
    let at_once = account.apply(&sign, None, 1100);
    assert_eq!(code(at_once), Some(ErrorCode::TooMany));
    account.apply(&sign, None, 1000 + SIGNATURE_WINDOW).unwrap();
    assert!(account.signed_at.len() <= MAX_SIGNATURES);
}

#[test]
fn consumed_contexts_are_remembered_until_they_end() {
    let mut account = account();
    account.consume(&[1; 16], 1000, 10).unwrap();
    assert_eq!(
        code(account.check_unused(&[1; 16])),
        Some(ErrorCode::ContextUsed)
    );
    assert_eq!(code(account.check_unused(&[2; 16])), None);
    let ended = 1000 + USED_MARGIN;
    account.consume(&[2; 16], ended, ended - 1).unwrap();
    assert_eq!(account.used.len(), 2, "a replica's clock may be behind");
    account.consume(&[3; 16], ended, ended).unwrap();
    assert_eq!(account.used.len(), 2, "ended contexts are forgotten");
    for at in 2..MAX_USED {
        account
            .consume(&(at as u128).to_be_bytes(), ended, ended)
            .unwrap();
    }
    let full = account.consume(&[9; 16], ended, ended);
    assert_eq!(code(full), Some(ErrorCode::TooMany));
}

#[test]
fn c2_names_that_deceive_are_refused() {
    assert!(check_name("Ada's phone, 日本語").is_ok());
    assert!(check_name("می\u{200c}خواهم").is_ok());
    for (name, expected) in [
        ("", ErrorCode::OutOfBounds),
        (" x", ErrorCode::OutOfBounds),
        (&"x".repeat(65), ErrorCode::OutOfBounds),
        ("a\nb", ErrorCode::TextRefused),
        ("a\u{202e}b", ErrorCode::TextRefused),
        ("a\u{200b}b", ErrorCode::TextRefused),
        ("\u{2066}b", ErrorCode::TextRefused),
        ("a\u{e0041}", ErrorCode::TextRefused),
        ("a\tb", ErrorCode::TextRefused),
        ("\u{2800}", ErrorCode::TextRefused),
        ("\u{e000}", ErrorCode::TextRefused),
        ("\u{1bca0}", ErrorCode::TextRefused),
        ("\u{13430}", ErrorCode::TextRefused),
        ("pay\u{200c}pal", ErrorCode::TextRefused),
        (&format!("a{}", "\u{301}".repeat(5)), ErrorCode::TextRefused),
    ] {
        assert_eq!(code(check_name(name)), Some(expected), "{name:?}");
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let account = || Account {
        used: (0..3)
            .map(|at| Used {
                context: [at; 16],
                expires_at: u64::from(at) << 40,
            })
            .collect(),
        signed_at: vec![1, u64::MAX],
        ..account()
    };
    let bytes = openkey_protocol::cbor::encode(&account()).unwrap();
    let read: Account = openkey_protocol::cbor::decode(&bytes).unwrap();
    assert_eq!(read, account());
}

#[test]
fn h8_the_fullest_account_is_a_small_record() {
    let longest = "\u{1f511}".repeat(openkey_protocol::message::MAX_NAME_CHARS);
    let mut account = account();
    account.passkeys = (0..MAX_PASSKEYS)
        .map(|_| Passkey {
            id: vec![7; 1023].into(),
            credential: Credential {
                key: PublicKey::Rs256 {
                    modulus: vec![0xff; 512].into(),
                    exponent: [1, 0, 1],
                },
                backup_eligible: true,
                backed_up: true,
            },
            name: longest.clone(),
            ..passkey(1)
        })
        .collect();
    account.keys = vec![
        OwnerKey {
            sealed: vec![7; 128].into(),
            label: longest,
            archived_at: Some(u64::MAX),
            ..key(1)
        };
        MAX_KEYS
    ];
    account.used = (0..MAX_USED)
        .map(|_| Used {
            context: [1; 16],
            expires_at: u64::MAX,
        })
        .collect();
    account.signed_at = vec![u64::MAX; MAX_SIGNATURES];
    for _ in 0..(1 << 10) {
        account.record(decision(), 1).unwrap();
    }
    let bytes = openkey_protocol::cbor::encode(&account).unwrap();
    assert!(bytes.len() <= MAX_RECORD, "{}", bytes.len());
    let read: Account = openkey_protocol::cbor::decode(&bytes).unwrap();
    assert_eq!(read, account);
}

#[test]
fn the_history_is_a_chain() {
    let mut account = account();
    let one = account.record(decision(), 10).unwrap();
    let two = account.record(decision(), 11).unwrap();
    let (one, two) = (one.entry, two.entry);
    assert_eq!((one.sequence, two.sequence), (1, 2));
    assert_eq!(one.previous, Hash32([0; 32]));
    assert_eq!(two.previous, entry_hash(&one).unwrap());
    assert_eq!(account.history.newest(), entry_hash(&two).unwrap());
}
