use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::*;
use crate::root::RootKey;

const ACCOUNT: AccountId = AccountId([1; 32]);

fn sealer() -> Sealer {
    Sealer::new(RootKey::new(&[3; 32]), 1)
}

fn secret(hex_digits: &str) -> Secret<32> {
    let bytes = hex::decode(hex_digits).unwrap().try_into().unwrap();
    Box::new(Zeroizing::new(bytes))
}

fn signed(secret_hex: &str, digest: [u8; 32]) -> (Address, String) {
    let key = make(
        &sealer(),
        &ACCOUNT,
        KeyId(0),
        &secret(secret_hex),
        &[4; NONCE],
    )
    .unwrap();
    let signature = sign(&sealer(), &ACCOUNT, KeyId(0), &key, &digest).unwrap();
    (key.address, hex::encode(signature))
}

/// The RFC 6979 vector for secp256k1 that is in wide use (key 1, "Satoshi Nakamoto", SHA-256).
#[test]
fn signs_by_rfc_6979_with_low_s() {
    let one = format!("{:064x}", 1);
    let digest = Sha256::digest(b"Satoshi Nakamoto").into();
    let (_, signature) = signed(&one, digest);
    assert_eq!(
        &signature[..128],
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
         2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
    );
}

/// The example of the web3 documentation for `accounts.sign("Some data", …)`.
#[test]
fn signs_the_ethereum_example() {
    let digest = hex::decode("1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655");
    let (address, signature) = signed(
        "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",
        digest.unwrap().try_into().unwrap(),
    );
    assert_eq!(
        hex::encode(address.0),
        "2c7536e3605d9c16a7a3d7b1898e529396a65c23"
    );
    assert_eq!(
        signature,
        "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
         6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a029\
         1c"
    );
}

#[test]
fn e1_a_key_signs_in_its_own_place_only() {
    let sealer = sealer();
    let key = make(
        &sealer,
        &ACCOUNT,
        KeyId(0),
        &secret(&"11".repeat(32)),
        &[4; NONCE],
    )
    .unwrap();
    let other = make(
        &sealer,
        &ACCOUNT,
        KeyId(0),
        &secret(&"22".repeat(32)),
        &[5; NONCE],
    )
    .unwrap();
    let corrupt = Err(KeyError::Sealed(SealError::Corrupt));
    let digest = [9; 32];
    assert!(sign(&sealer, &ACCOUNT, KeyId(0), &key, &digest).is_ok());
    assert_eq!(sign(&sealer, &ACCOUNT, KeyId(1), &key, &digest), corrupt);
    assert_eq!(
        sign(&sealer, &AccountId([2; 32]), KeyId(0), &key, &digest),
        corrupt
    );
    let swapped = SealedKey {
        address: key.address,
        sealed: other.sealed,
    };
    assert_eq!(
        sign(&sealer, &ACCOUNT, KeyId(0), &swapped, &digest),
        corrupt
    );
}

#[test]
fn a_wrong_signature_is_not_released() {
    let signer = SigningKey::from_slice(&[5; 32]).unwrap();
    let own = address(signer.verifying_key());
    let (signature, recovery) = signer.sign_prehash_recoverable(&[7; 32]);
    assert!(release(&[7; 32], &signature, recovery, &own).is_some());
    assert_eq!(release(&[8; 32], &signature, recovery, &own), None);
    assert_eq!(
        release(&[7; 32], &signature, recovery, &Address([0; 20])),
        None
    );
    let flipped = RecoveryId::new(!recovery.is_y_odd(), false);
    assert_eq!(release(&[7; 32], &signature, flipped, &own), None);
    // The same signature with a high s: valid mathematics, refused here.
    let (r, s) = signature.split_scalars();
    let high = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let flipped = RecoveryId::new(!recovery.is_y_odd(), false);
    assert_eq!(release(&[7; 32], &high, flipped, &own), None);
}

#[test]
fn zero_and_the_order_are_no_keys() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for bad in ["00".repeat(32), order.to_owned()] {
        let made = make(&sealer(), &ACCOUNT, KeyId(0), &secret(&bad), &[4; NONCE]);
        assert_eq!(made, Err(KeyError::OtherAddress));
    }
}

#[test]
fn e9_secret_types_wipe_themselves() {
    const fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<SigningKey>();
    wiped::<Zeroizing<[u8; 32]>>();
    wiped::<Zeroizing<Vec<u8>>>();
    wiped::<ed25519_dalek::SigningKey>();
}

/// What is secret in this process, without being in its memory: each byte is made when it is asked
/// for.
struct Needle;

impl Needle {
    fn byte(at: usize) -> u8 {
        // Any 32 bytes that nothing else holds.
        let mixed = (at as u32).wrapping_mul(0x9e37_79b1) ^ 0x5bd1_e995;
        mixed.to_le_bytes()[1] ^ mixed.to_le_bytes()[3]
    }

    /// Whether `window` is either half of the needle, forwards (as bytes) or backwards (as a number's
    /// little-endian limbs). Halves, because an allocator writes into what it frees.
    fn is_at(window: &[u8]) -> bool {
        [0, HALF].into_iter().any(|start| {
            let forwards = |at: usize| window[at] == Self::byte(start + at);
            let backwards = |at: usize| window[HALF - 1 - at] == Self::byte(start + at);
            (0..HALF).all(forwards) || (0..HALF).all(backwards)
        })
    }
}

/// Half a scalar, in bytes.
const HALF: usize = 16;

/// How often the needle is in the memory that this process can write to.
fn found_in_memory() -> usize {
    use std::io::{Read, Seek, SeekFrom};
    // Large from the start: small allocations would take, and overwrite, what is looked for.
    let mut maps = String::with_capacity(1 << 20);
    let mut file = std::fs::File::open("/proc/self/maps").unwrap();
    file.read_to_string(&mut maps).unwrap();
    let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    let mut buffer = vec![0; 1 << 16];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut at = u64::from_str_radix(start, 16).unwrap();
        while at < end {
            let want = buffer.len().min(usize::try_from(end - at).unwrap());
            // Some mappings cannot be read; they are the kernel's.
            if memory.seek(SeekFrom::Start(at)).is_err() {
                break;
            }
            let Ok(read) = memory.read(&mut buffer[..want]) else {
                break;
            };
            found += buffer[..read]
                .windows(HALF)
                .filter(|w| Needle::is_at(w))
                .count();
            if read <= HALF {
                break;
            }
            // Windows may lie across two reads.
            at += if read < want || at + read as u64 == end {
                read as u64
            } else {
                (read - HALF + 1) as u64
            };
        }
        buffer.fill(0);
    }
    found
}

#[test]
fn e9_a_key_leaves_no_trace_in_memory_after_signing() {
    let sealer = sealer();
    let mut secret: Secret<32> = Box::new(Zeroizing::new([0; 32]));
    for (at, byte) in secret.iter_mut().enumerate() {
        *byte = Needle::byte(at);
    }
    assert!(found_in_memory() > 0, "the scan finds a key that is there");
    let key = make(&sealer, &ACCOUNT, KeyId(0), &secret, &[4; NONCE]).unwrap();
    drop(secret);
    for byte in 0..20 {
        sign(&sealer, &ACCOUNT, KeyId(0), &key, &[byte; 32]).unwrap();
    }
    assert_eq!(found_in_memory(), 0);
}
