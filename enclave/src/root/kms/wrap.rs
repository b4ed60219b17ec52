//! A root key under a data key: XChaCha20-Poly1305 with the root id as associated data.
//!
//! The data key comes from KMS for this one message. The cipher does not commit to its key, so that
//! a message could be made to open under two; that helps nobody, because what comes out has to
//! reproduce the root descriptor's commitment before it is used.

use chacha20poly1305::{AeadInOut, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use openkey_protocol::message::{Hash32, WrappedRoot};
use zeroize::Zeroizing;

use super::{DataKey, KmsError, api::MAX_BLOB};
use crate::root::RootKey;

/// XChaCha20-Poly1305's nonce, in bytes.
pub const NONCE: usize = 24;
const ROOT_KEY: usize = 32;
const TAG: usize = 16;

/// Wraps a root key. The nonce must never have been used with this data key.
pub(super) fn wrap(
    root: &RootKey,
    root_id: &Hash32,
    data_key: &DataKey,
    blob: Vec<u8>,
    nonce: [u8; NONCE],
) -> Result<WrappedRoot, KmsError> {
    let mut sealed = Zeroizing::new(root.expose().to_vec());
    let tag = cipher(data_key)
        .encrypt_inout_detached(
            &XNonce::from(nonce),
            &root_id.0,
            sealed.as_mut_slice().into(),
        )
        .map_err(|_| KmsError::RecipientKey)?;
    let mut sealed = sealed.to_vec();
    sealed.extend_from_slice(&tag);
    Ok(WrappedRoot {
        blob: blob.into(),
        nonce: nonce.into(),
        sealed: sealed.into(),
    })
}

/// Checks the lengths, before anyone is asked about it.
pub(super) fn check(wrapped: &WrappedRoot) -> Result<(), KmsError> {
    let blob = wrapped.blob.0.len();
    let right = (1..=MAX_BLOB).contains(&blob)
        && wrapped.nonce.0.len() == NONCE
        && wrapped.sealed.0.len() == ROOT_KEY + TAG;
    right.then_some(()).ok_or(KmsError::MalformedWrapped)
}

/// Unwraps a root key. Whether it is the deployment's is still to be checked.
pub(super) fn unwrap(
    wrapped: &WrappedRoot,
    root_id: &Hash32,
    data_key: &DataKey,
) -> Result<RootKey, KmsError> {
    let nonce: [u8; NONCE] = array(&wrapped.nonce.0)?;
    let (sealed, tag) = wrapped
        .sealed
        .0
        .split_at_checked(ROOT_KEY)
        .ok_or(KmsError::MalformedWrapped)?;
    let tag = Tag::from(array::<TAG>(tag)?);
    let mut root = Zeroizing::new(array::<ROOT_KEY>(sealed)?);
    cipher(data_key)
        .decrypt_inout_detached(
            &XNonce::from(nonce),
            &root_id.0,
            root.as_mut_slice().into(),
            &tag,
        )
        .map_err(|_| KmsError::OtherWrapped)?;
    Ok(RootKey::new(&root))
}

fn cipher(data_key: &DataKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(**data_key.0))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], KmsError> {
    bytes.try_into().map_err(|_| KmsError::MalformedWrapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Hash32 = Hash32([9; 32]);

    fn key(byte: u8) -> DataKey {
        DataKey(Box::new(Zeroizing::new([byte; 32])))
    }

    #[test]
    fn k4_a_wrapped_root_key_opens_only_whole_in_its_place_and_under_its_key() {
        let root = RootKey::new(&[0x42; 32]);
        let wrapped = wrap(&root, &ID, &key(1), vec![5; 200], [7; NONCE]).unwrap();
        check(&wrapped).unwrap();
        let opened = unwrap(&wrapped, &ID, &key(1)).unwrap();
        assert_eq!(*opened.expose(), [0x42; 32]);

        let refused =
            |wrapped: &WrappedRoot, id: &Hash32, key: &DataKey| unwrap(wrapped, id, key).err();
        let other = Some(KmsError::OtherWrapped);
        assert_eq!(refused(&wrapped, &Hash32([8; 32]), &key(1)), other);
        assert_eq!(refused(&wrapped, &ID, &key(2)), other);
        for bit in 0..wrapped.sealed.0.len() * 8 {
            let mut changed = wrapped.clone();
            changed.sealed.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(refused(&changed, &ID, &key(1)), other, "bit {bit}");
        }
        for bit in 0..NONCE * 8 {
            let mut changed = wrapped.clone();
            changed.nonce.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(refused(&changed, &ID, &key(1)), other, "nonce bit {bit}");
        }
    }

    #[test]
    fn lengths_are_checked_before_kms_is_asked() {
        let root = RootKey::new(&[0x42; 32]);
        let good = wrap(&root, &ID, &key(1), vec![5; 200], [7; NONCE]).unwrap();
        let with = |change: fn(&mut WrappedRoot)| {
            let mut wrapped = good.clone();
            change(&mut wrapped);
            (check(&wrapped), wrapped)
        };
        for (checked, wrapped) in [
            with(|wrapped| wrapped.blob.0.clear()),
            with(|wrapped| wrapped.blob.0 = vec![0; MAX_BLOB + 1]),
            with(|wrapped| wrapped.nonce.0.push(0)),
            with(|wrapped| wrapped.sealed.0.push(0)),
            with(|wrapped| wrapped.sealed.0.clear()),
        ] {
            assert_eq!(checked, Err(KmsError::MalformedWrapped), "{wrapped:?}");
        }
    }
}
