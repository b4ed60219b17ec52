use std::{future::Future, pin::Pin, sync::Mutex};

use openkey_protocol::transport::Stream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, version};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;

const HOST: &str = "kms.eu-sim-1.amazonaws.com";
/// 2026-06-01, in milliseconds; the certificates hold from 2026-01-01 to 2027-01-01.
const NOW: u64 = 1_780_272_000_000;
const YEAR: u64 = 365 * 24 * 3600 * 1000;
const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A server behind a relay: it reads a request's head and says always the same.
struct Server {
    config: Arc<ServerConfig>,
    root: Vec<u8>,
    says: Vec<u8>,
    /// Says it and keeps the connection open for ever.
    hangs: bool,
    asked: Mutex<Vec<RelayRequest>>,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn new(name: &str, says: &[u8]) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(params, key).unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &root).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Self {
            config: Arc::new(config),
            root: root.der().to_vec(),
            says: says.to_vec(),
            hangs: false,
            asked: Mutex::default(),
            read: Arc::default(),
        }
    }

    fn target(&self) -> Target {
        Target {
            host: HOST.to_owned(),
            port: 443,
            roots: Roots::Only(self.root.clone()),
        }
    }
}

impl Relay for Server {
    fn open<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>> {
        self.asked.lock().unwrap().push(request.clone());
        let (ours, theirs) = duplex(1 << 16);
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let (says, hangs) = (self.says.clone(), self.hangs);
        let read = Arc::clone(&self.read);
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(theirs).await else {
                return;
            };
            while !read.lock().unwrap().ends_with(b"body") {
                let mut buffer = [0; 1024];
                match stream.read(&mut buffer).await {
                    Ok(length @ 1..) => read.lock().unwrap().extend(&buffer[..length]),
                    _ => return,
                }
            }
            let _ = stream.write_all(&says).await;
            let _ = stream.flush().await;
            if hangs {
                std::future::pending::<()>().await;
            }
        });
        Box::pin(async { Ok(Box::new(ours) as Stream) })
    }
}

fn post() -> Post {
    Post {
        headers: vec![("x-test", "one".to_owned())],
        body: b"body".to_vec(),
        max_answer: 1000,
    }
}

async fn ask(server: Server, target: &Target, now_ms: u64) -> Result<Answer, EgressError> {
    Egress::new(Arc::new(server))
        .post(target, post(), now_ms)
        .await
}

async fn answer_to(says: &[u8]) -> Result<Answer, EgressError> {
    let server = Server::new(HOST, says);
    let target = server.target();
    ask(server, &target, NOW).await
}

#[tokio::test]
async fn a_request_is_sent_and_answered() {
    let server = Arc::new(Server::new(HOST, HELLO));
    let egress = Egress::new(Arc::clone(&server) as Arc<dyn Relay>);
    let answer = egress.post(&server.target(), post(), NOW).await.unwrap();
    assert_eq!((answer.status, answer.body), (200, b"hello".to_vec()));
    let read = String::from_utf8(server.read.lock().unwrap().clone()).unwrap();
    assert!(read.starts_with("POST / HTTP/1.1\r\n"), "{read}");
    for line in [
        format!("host: {HOST}\r\n"),
        "x-test: one\r\n".to_owned(),
        "content-length: 4\r\n".to_owned(),
    ] {
        assert!(read.contains(&line), "{read}");
    }
    let asked = RelayRequest::Egress {
        host: HOST.to_owned(),
        port: 443,
    };
    assert_eq!(*server.asked.lock().unwrap(), [asked]);
}

#[tokio::test]
async fn k3_a_host_that_answers_itself_learns_nothing() {
    for roots in [Roots::Amazon, Roots::Web] {
        let server = Arc::new(Server::new(HOST, HELLO));
        let target = Target {
            roots,
            ..server.target()
        };
        let egress = Egress::new(Arc::clone(&server) as Arc<dyn Relay>);
        let result = egress.post(&target, post(), NOW).await;
        assert_eq!(result, Err(EgressError::UnknownRoot));
        assert!(server.read.lock().unwrap().is_empty(), "nothing was sent");
    }
    // Another stand-in's root is not this one's.
    let other = Server::new(HOST, HELLO).target();
    let server = Server::new(HOST, HELLO);
    let result = ask(server, &other, NOW).await;
    assert!(
        matches!(
            result,
            Err(EgressError::UnknownRoot | EgressError::Certificate)
        ),
        "{result:?}"
    );
}

#[tokio::test]
async fn k3_a_certificate_for_another_name_is_refused() {
    let server = Server::new("kms.eu-sim-1.amazonaws.com.example.org", HELLO);
    let target = server.target();
    assert_eq!(
        ask(server, &target, NOW).await,
        Err(EgressError::CertificateName)
    );
}

#[tokio::test]
async fn k3_certificates_are_judged_by_the_enclaves_clock() {
    for (now, expected) in [
        (NOW - YEAR, Some(EgressError::CertificateTime)),
        (NOW, None),
        (NOW + YEAR, Some(EgressError::CertificateTime)),
    ] {
        let server = Server::new(HOST, HELLO);
        let target = server.target();
        assert_eq!(ask(server, &target, now).await.err(), expected, "{now}");
    }
}

#[tokio::test]
async fn answers_are_bounded_and_whole() {
    let long = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_vec(),
        vec![b'x'; 1001],
    ];
    assert_eq!(answer_to(&long.concat()).await, Err(EgressError::TooLong));
    let chunked = [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        b"200\r\n".to_vec(),
        [vec![b'x'; 0x200], b"\r\n200\r\n".to_vec()].concat(),
        [vec![b'x'; 0x200], b"\r\n0\r\n\r\n".to_vec()].concat(),
    ];
    assert_eq!(
        answer_to(&chunked.concat()).await,
        Err(EgressError::TooLong)
    );
    let header = [
        b"HTTP/1.1 200 OK\r\nx: ".to_vec(),
        vec![b'x'; 2 * MAX_HEADER_BYTES],
    ];
    let headers = [
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"x: y\r\n".repeat(MAX_HEADERS + 1),
        b"\r\n".to_vec(),
    ];
    for broken in [
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello".to_vec(),
        // Ended by whoever cuts the connection, without TLS's own farewell.
        b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec(),
        b"SSH-2.0\r\n\r\n".to_vec(),
        header.concat(),
        headers.concat(),
        Vec::new(),
    ] {
        assert_eq!(answer_to(&broken).await, Err(EgressError::Http));
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_others() {
    let answer = answer_to(
        b"HTTP/1.1 307 Go\r\nlocation: https://example.org/\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!(answer.await.unwrap().status, 307);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up() {
    let mut server = Server::new(HOST, b"HTTP/1.1 200 OK\r\n");
    server.hangs = true;
    let target = server.target();
    assert_eq!(ask(server, &target, NOW).await, Err(EgressError::Deadline));
}

#[tokio::test]
async fn a_relay_that_refuses_is_named() {
    struct Refuses;
    impl Relay for Refuses {
        fn open<'a>(
            &'a self,
            _: &'a RelayRequest,
        ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>> {
            Box::pin(async { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) })
        }
    }
    let target = Target {
        host: HOST.to_owned(),
        port: 443,
        roots: Roots::Amazon,
    };
    let egress = Egress::new(Arc::new(Refuses));
    assert_eq!(
        egress.post(&target, post(), NOW).await,
        Err(EgressError::Relay)
    );
    for target in [
        Target {
            host: "not a name".to_owned(),
            ..target.clone()
        },
        Target {
            roots: Roots::Only(vec![1, 2, 3]),
            ..target
        },
    ] {
        assert_eq!(
            egress.post(&target, post(), NOW).await,
            Err(EgressError::Target)
        );
    }
}

#[test]
fn k3_amazons_roots_are_the_five_that_aws_lists() {
    assert_eq!(Roots::Amazon.store().unwrap().len(), AMAZON.len());
    assert!(Roots::Web.store().unwrap().len() > 100);
}
