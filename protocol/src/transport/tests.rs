use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixListener as StdListener},
    path::Path,
};

use tempfile::tempdir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

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
    let good = [
        "unix:/run/e1.sock",
        "vsock:3:5000",
        "vsock:4294967295:0",
        "hybrid:/run/vm.vsock:7000",
        "hybrid:/run/a:b:0",
    ];
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
        ("hybrid:/run/vm.vsock", ParseAddressError::Hybrid),
        ("hybrid:run/vm.vsock:1", ParseAddressError::Hybrid),
        ("hybrid:/run/vm.vsock:", ParseAddressError::Hybrid),
        ("hybrid:/run/vm.vsock:+1", ParseAddressError::Hybrid),
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

/// What keeps a guest's vsock behind a socket file, and the guest in one.
struct Backend(UnixListener, std::path::PathBuf);

impl Drop for Backend {
    fn drop(&mut self) {
        fs::remove_file(&self.1).unwrap();
    }
}

impl Listen for Backend {
    async fn accept(&mut self) -> io::Result<Stream> {
        let (mut stream, _) = self.0.accept().await?;
        // As the real one: what comes with the first read is the line, whole, and nothing else.
        let mut line = [0; 64];
        let read = stream.read(&mut line).await?;
        assert_eq!(&line[..read], b"CONNECT 7000\n");
        stream.write_all(b"OK 1073741824\n").await?;
        Ok(Box::new(stream))
    }
}

fn hybrid(directory: &Path) -> (UnixListener, Address) {
    let path = directory.join("vm.vsock");
    let listener = UnixListener::bind(&path).unwrap();
    (listener, Address::Hybrid { path, port: 7000 })
}

#[tokio::test]
async fn hybrid_conforms() {
    let directory = tempdir().unwrap();
    let (listener, address) = hybrid(directory.path());
    let backend = Backend(listener, directory.path().join("vm.vsock"));
    conformance::run(backend, address).await;
}

#[tokio::test]
async fn a_hybrid_port_is_reached_only_after_the_backends_word() {
    let directory = tempdir().unwrap();
    let (listener, address) = hybrid(directory.path());
    let long = [b'1'; 64];
    let answers: [(&[u8], _); 7] = [
        (b"", io::ErrorKind::ConnectionRefused),
        (b"OK", io::ErrorKind::ConnectionRefused),
        (b"OK\n", io::ErrorKind::InvalidData),
        (b"OK \n", io::ErrorKind::InvalidData),
        (b"OK x\n", io::ErrorKind::InvalidData),
        (b"NO 7000\n", io::ErrorKind::InvalidData),
        (&long, io::ErrorKind::InvalidData),
    ];
    for (answer, expected) in answers {
        let backend = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = [0; 13];
            stream.read_exact(&mut line).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let (refused, ()) = tokio::join!(address.connect(), backend);
        assert_eq!(refused.err().unwrap().kind(), expected, "{answer:?}");
    }
    // What comes behind the word is the guest's, from its first byte.
    let backend = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut line = [0; 13];
        stream.read_exact(&mut line).await.unwrap();
        stream.write_all(b"OK 7000\nfirst").await.unwrap();
    };
    let (stream, ()) = tokio::join!(address.connect(), backend);
    let mut first = [0; 5];
    stream.unwrap().read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"first");
}

#[tokio::test]
async fn listening_for_a_guest_says_where() {
    let address: Address = "hybrid:/run/vm.vsock:7010".parse().unwrap();
    let error = address.listen().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("unix:/run/vm.vsock_7010"));
}
