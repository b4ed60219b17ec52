use super::*;

const NOW: u64 = 1_800_000_000_500;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const ENCLAVE: &str = "-enc019b5640fdf630d6";

fn authority() -> (tempfile::TempDir, Authority, String) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(&dir.path().join("ca"), NOW).unwrap();
    let module = authority.instance_id().unwrap() + ENCLAVE;
    (dir, authority, module)
}

#[test]
fn the_root_is_kept() {
    let (dir, authority, _) = authority();
    let root = authority.root_certificate().unwrap();
    let again = Authority::open(&dir.path().join("ca"), NOW + 900 * DAY).unwrap();
    assert_eq!(again.root_certificate().unwrap(), root);
    assert_eq!(again.instance_id(), authority.instance_id());
    let pem = again.root_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(pem.ends_with("\n-----END CERTIFICATE-----\n"));
}

#[test]
fn keys_are_private_files() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, _, _) = authority();
    let ca = dir.path().join("ca");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&ca), 0o700);
    for entry in std::fs::read_dir(&ca).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn each_level_is_issued_anew_as_it_ages_and_not_before() {
    let (_dir, authority, module) = authority();
    let chain = |at| authority.leaf(&module, at).unwrap().bundle;
    let first = chain(NOW);
    assert_eq!(chain(NOW + HOUR), first);
    let changed = |later: &[Vec<u8>], from: &[Vec<u8>]| -> Vec<bool> {
        later.iter().zip(from).map(|(a, b)| a != b).collect()
    };
    let day = chain(NOW + 22 * HOUR);
    assert_eq!(changed(&day, &first), [false, false, false, true]);
    let zone = chain(NOW + 4 * DAY);
    assert_eq!(changed(&zone, &first), [false, false, true, true]);
    let region = chain(NOW + 16 * DAY);
    assert_eq!(changed(&region, &first), [false, true, true, true]);
}

#[test]
fn a_clock_put_back_gets_a_valid_chain_and_one_before_the_root_an_error() {
    let (_dir, authority, module) = authority();
    let first = authority.leaf(&module, NOW).unwrap().bundle;
    let earlier = authority.leaf(&module, NOW - 2 * HOUR).unwrap().bundle;
    assert_eq!(earlier.first(), first.first());
    assert_ne!(earlier.get(1), first.get(1));
    assert_eq!(
        authority.leaf(&module, NOW - 2 * DAY).err(),
        Some(Error::Clock)
    );
}

#[test]
fn a_leaf_serves_until_forty_minutes_before_its_end() {
    let (_dir, authority, module) = authority();
    let leaf = authority.leaf(&module, NOW).unwrap();
    assert_eq!(leaf.not_after_ms, NOW / 1000 * 1000 + 3 * HOUR + 3000);
    assert!(leaf.serves(NOW));
    assert!(leaf.serves(NOW + 2 * HOUR));
    assert!(!leaf.serves(NOW + 3 * HOUR));
    assert!(!leaf.serves(NOW - 1000));
}

#[test]
fn a_broken_state_is_an_error_and_never_a_new_root() {
    let (dir, authority, module) = authority();
    std::fs::write(dir.path().join("ca/authority.json"), b"{").unwrap();
    assert!(matches!(
        authority.leaf(&module, NOW),
        Err(Error::File { .. })
    ));
}

#[test]
fn only_module_ids_get_a_leaf() {
    let (_dir, authority, _) = authority();
    for id in ["", "sim-1", "sim-1-enc", "sim-1-encxyz", "sim-1-enc0011"] {
        assert!(
            matches!(authority.leaf(id, NOW), Err(Error::Issue(_))),
            "{id}"
        );
    }
}

#[test]
fn an_exported_leaf_is_private_and_renewed_under_its_key() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, authority, module) = authority();
    let nsm = dir.path().join("nsm");
    let exported = authority.export(&module, &nsm, false, NOW).unwrap();
    assert_eq!(exported.chain.len(), 4);
    for path in exported
        .chain
        .iter()
        .chain([&exported.key, &exported.certificate])
    {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let key = std::fs::read(&exported.key).unwrap();
    let certificate = std::fs::read(&exported.certificate).unwrap();
    assert!(key.starts_with(b"-----BEGIN PRIVATE KEY-----\n"));
    let renewed = authority
        .export(&module, &nsm, true, NOW + 2 * HOUR)
        .unwrap();
    assert_eq!(renewed, exported);
    assert_eq!(std::fs::read(&exported.key).unwrap(), key);
    assert_ne!(std::fs::read(&exported.certificate).unwrap(), certificate);
    let another = authority.export(&module, &nsm, false, NOW).unwrap();
    assert_ne!(std::fs::read(another.key).unwrap(), key);
}
