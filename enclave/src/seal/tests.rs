use proptest::prelude::*;

use super::*;

const NAME: Name<'_> = Name {
    kind: Kind::Account,
    id: b"the id",
    owner: b"the owner",
};

fn root() -> RootKey {
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::try_from(at).unwrap();
    }
    RootKey::new(&bytes)
}

fn sealer() -> Sealer {
    Sealer::new(root(), 1)
}

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    sealer().seal(&NAME, 3, 7, &[9; NONCE], plaintext).unwrap()
}

fn refusal(sealer: &Sealer, name: &Name<'_>, blob: &[u8]) -> Option<SealError> {
    sealer.open(name, blob).err()
}

/// Written by epoch 1 and never to be changed: what is in stores must stay readable.
const STORED: &str = include_str!("../../tests/data/sealed-epoch-1.hex");

#[test]
fn the_stored_blob_of_epoch_1_still_opens() {
    let stored = hex::decode(STORED.trim()).unwrap();
    let opened = sealer().open(&NAME, &stored).unwrap();
    assert_eq!(opened.plaintext.as_slice(), b"written by epoch 1");
    assert_eq!((opened.schema, opened.version), (3, 7));
    assert_eq!(sealed(b"written by epoch 1"), stored);
}

#[test]
fn e1_a_blob_opens_under_its_own_name_only() {
    let blob = sealed(b"plain");
    for other in [
        Name {
            kind: Kind::History,
            ..NAME
        },
        Name {
            id: b"another id",
            ..NAME
        },
        Name {
            owner: b"another owner",
            ..NAME
        },
        Name { id: b"", ..NAME },
        // The same bytes, divided otherwise.
        Name {
            id: b"the idt",
            owner: b"he owner",
            ..NAME
        },
    ] {
        assert_eq!(refusal(&sealer(), &other, &blob), Some(SealError::Corrupt));
    }
    let stranger = Sealer::new(RootKey::new(&[8; 32]), 1);
    assert_eq!(refusal(&stranger, &NAME, &blob), Some(SealError::Corrupt));
}

#[test]
fn a_newer_epoch_is_refused_and_an_older_one_read() {
    let newer = Sealer {
        root: root(),
        epoch: 2,
    };
    let blob = newer.seal(&NAME, 3, 7, &[9; NONCE], b"plain").unwrap();
    assert_eq!(
        refusal(&sealer(), &NAME, &blob),
        Some(SealError::NewerEpoch)
    );
    assert!(newer.open(&NAME, &sealed(b"plain")).is_ok());
    // The epoch is authenticated: lowering it does not help.
    let mut lowered = blob;
    lowered[4] = 1;
    assert_eq!(
        refusal(&sealer(), &NAME, &lowered),
        Some(SealError::Corrupt)
    );
}

#[test]
fn the_key_is_committed_to() {
    // A blob that decrypts well, under a header that commits to another key.
    let sealer = sealer();
    let mut blob = sealed(b"")[..HEADER].to_vec();
    blob[PUBLIC] ^= 1;
    let keys = sealer.keys(&NAME, &[9; NONCE]);
    let payload = Payload {
        msg: b"plain",
        aad: &NAME.associated_data(&blob),
    };
    let encrypted = XChaCha20Poly1305::new(split(&keys).0.into())
        .encrypt(&XNonce::from([9; NONCE]), payload)
        .unwrap();
    blob.extend(encrypted);
    assert_eq!(refusal(&sealer, &NAME, &blob), Some(SealError::Corrupt));
}

#[test]
fn record_ids_tell_kind_owner_and_index_apart() {
    let sealer = sealer();
    let ids = [
        sealer.record_id(Kind::Account, b"a", 0),
        sealer.record_id(Kind::History, b"a", 0),
        sealer.record_id(Kind::History, b"a", 1),
        sealer.record_id(Kind::History, b"b", 0),
    ];
    for (at, id) in ids.iter().enumerate() {
        assert!(ids[at + 1..].iter().all(|other| other != id));
    }
}

#[test]
fn a_ticket_is_of_one_kind_and_ends() {
    let sealer = sealer();
    let ticket = sealer.issue(Kind::Prompt, 1000, &[5; 40], &7u64).unwrap();
    let opened = sealer.redeem::<u64>(Kind::Prompt, 999, &ticket).unwrap();
    assert_eq!(
        (opened.content, opened.expires_at, opened.id),
        (7, 1000, [5; 16])
    );
    let refused = |kind, now, ticket: &[u8]| sealer.redeem::<u64>(kind, now, ticket).err();
    assert_eq!(
        refused(Kind::Prompt, 1000, &ticket),
        Some(TicketError::Expired)
    );
    assert_eq!(
        refused(Kind::Token, 999, &ticket),
        Some(TicketError::Invalid)
    );
    let mut other = ticket;
    other[0] ^= 1;
    assert_eq!(
        refused(Kind::Prompt, 999, &other),
        Some(TicketError::Invalid)
    );
    assert_eq!(refused(Kind::Prompt, 999, &[]), Some(TicketError::Invalid));
}

proptest! {
    #[test]
    fn e3_any_flipped_bit_is_refused(
        plaintext in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut blob = sealed(&plaintext);
        let at = at.index(blob.len());
        blob[at] ^= 1 << bit;
        prop_assert_eq!(refusal(&sealer(), &NAME, &blob), Some(SealError::Corrupt));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(sealer().open(&NAME, &bytes).is_err());
        prop_assert!(sealer().redeem::<u64>(Kind::Token, 0, &bytes).is_err());
    }

    #[test]
    fn what_was_sealed_is_opened(
        plaintext in proptest::collection::vec(any::<u8>(), 0..2000),
        schema in any::<u32>(),
        version in any::<u64>(),
        nonce in any::<[u8; NONCE]>(),
    ) {
        let blob = sealer().seal(&NAME, schema, version, &nonce, &plaintext).unwrap();
        let opened = sealer().open(&NAME, &blob).unwrap();
        prop_assert_eq!(opened.plaintext.as_slice(), plaintext.as_slice());
        prop_assert_eq!((opened.schema, opened.version), (schema, version));
        prop_assert_eq!(blob.len(), HEADER + plaintext.len() + TAG);
    }
}
