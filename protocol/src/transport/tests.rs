use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixListener as StdListener},
    path::Path,
};

use tempfile::tempdir;

use super::*;

fn unix(directory: &Path) -> Address {
    Address::Unix(directory.join("e1.sock"))
}

#[tokio::test]
async fn unix_conforms() {
    let directory = tempdir().unwrap();
    let address = unix(directory.path());
    conformance::run(address.listen().unwrap(), address).await;
}

#[tokio::test]
async fn memory_conforms() {
    let (listener, connector) = memory::pair(64 * 1024);
    conformance::run(listener, connector).await;
}

/// Where the kernel has vsock loopback, it conforms; where it has none, listening is a typed error.
#[tokio::test]
async fn vsock_conforms_or_is_absent() {
    const LOCAL: u32 = 1;
    let address = Address::Vsock {
        cid: LOCAL,
        port: 50_710,
    };
    match address.listen() {
        Ok(listener) => conformance::run(listener, address).await,
        Err(error) => {
            assert_ne!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(address.connect().await.is_err());
        }
    }
}

#[test]
fn addresses_read_what_they_print() {
    let good = ["unix:/run/e1.sock", "vsock:3:5000", "vsock:4294967295:0"];
    for text in good {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    let bad = [
        ("", ParseAddressError::Scheme),
        ("/run/e1.sock", ParseAddressError::Scheme),
        ("tcp:127.0.0.1:80", ParseAddressError::Scheme),
        ("unix:", ParseAddressError::Path),
        ("unix:run/e1.sock", ParseAddressError::Path),
        ("vsock:3", ParseAddressError::Vsock),
        ("vsock::5000", ParseAddressError::Vsock),
        ("vsock:3:5000:1", ParseAddressError::Vsock),
        ("vsock:-1:5000", ParseAddressError::Vsock),
        ("vsock:+3:5000", ParseAddressError::Vsock),
        ("vsock:03:5000", ParseAddressError::Vsock),
        ("vsock:3:4294967296", ParseAddressError::Vsock),
    ];
    for (text, error) in bad {
        assert_eq!(text.parse::<Address>(), Err(error), "{text:?}");
    }
}

#[tokio::test]
async fn a_socket_file_is_its_owners_alone_and_goes_with_the_listener() {
    let directory = tempdir().unwrap();
    let address = unix(directory.path());
    let listener = address.listen().unwrap();
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let file = names[0].as_ref().unwrap().path();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(listener);
    assert!(!file.exists());
}

#[tokio::test]
async fn only_a_stale_socket_is_replaced() {
    let directory = tempdir().unwrap();
    let address = unix(directory.path());
    let file = directory.path().join("e1.sock");

    // Left by a program that was killed.
    drop(StdListener::bind(&file).unwrap());
    assert!(file.exists());
    let listener = address.listen().unwrap();
    assert!(address.connect().await.is_ok());

    let in_use = address.listen().unwrap_err();
    assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
    assert!(address.connect().await.is_ok());
    drop(listener);

    fs::write(&file, "somebody's notes").unwrap();
    let in_use = address.listen().unwrap_err();
    assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(&file).unwrap(), "somebody's notes");
}

#[tokio::test]
async fn a_listener_does_not_remove_its_successors_file() {
    let directory = tempdir().unwrap();
    let address = unix(directory.path());
    let old = address.listen().unwrap();
    fs::remove_file(directory.path().join("e1.sock")).unwrap();
    let _new = address.listen().unwrap();
    drop(old);
    assert!(address.connect().await.is_ok());
}
