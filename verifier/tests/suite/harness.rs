//! Running the command, serving HTTP to it, and an enclave that is alive now.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use ed25519_dalek::{Signer, SigningKey};
use openkey_attestation::{Measurements, Pcr, Policy, PolicyFile, UnixMillis};
use openkey_protocol::{
    cbor,
    message::{
        EVIDENCE_BINDING_VERSION, EvidenceBinding, Hash32, PendingSuccessors, RollbackProtection,
        RootSource, Signed, Statement,
    },
};
use openkey_verifier::configuration;
use tempfile::TempDir;

use crate::{
    PROGRAM,
    enclaves::{Drafts, Enclave, MODULE_ID, PCRS, SECOND, SIMULATOR_ID},
};

/// What a run of the command gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON on stdout: exactly one line.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    pub(crate) fn accepted(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        assert_eq!(self.said(), "", "{self:?}");
        self
    }

    /// What stderr says but for lines of progress, which come on a machine that is slow.
    pub(crate) fn said(&self) -> String {
        let lines = self.stderr.lines();
        let lines = lines.filter(|line| !line.starts_with("waiting for "));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Refused by this rule, named on stderr.
    #[track_caller]
    pub(crate) fn refused(self, rule: &str) -> Self {
        self.ended(1, rule)
    }

    /// Not judged, for this reason, with nothing on stdout.
    #[track_caller]
    pub(crate) fn not_judged(self, rule: &str) -> Self {
        let ran = self.ended(2, rule);
        assert_eq!(ran.stdout, "", "{ran:?}");
        ran
    }

    /// Sent, and nothing proves what came of it.
    #[track_caller]
    #[allow(dead_code, reason = "of the operators' command alone")]
    pub(crate) fn unproven(self, rule: &str) -> Self {
        self.ended(3, rule)
    }

    /// Not judged, because it was asked wrongly.
    #[track_caller]
    pub(crate) fn not_judged_usage(self) {
        assert_eq!((self.code, self.stdout.as_str()), (2, ""), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
    }

    #[track_caller]
    fn ended(self, code: i32, rule: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        let prefix = format!("error: {rule}: ");
        assert!(self.said().starts_with(&prefix), "{prefix:?} in {self:?}");
        // Other programs share this file and have rules of their own.
        if PROGRAM.ends_with("openkey-verify") {
            let statuses = documented().get(rule).map(Vec::as_slice);
            assert!(
                statuses.unwrap_or_default().contains(&code),
                "docs/verify.md has {statuses:?} for {rule}, the program ended with {code}"
            );
        }
        self
    }
}

pub(crate) fn verify<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    verify_stdin(args, b"")
}

/// The program, to be run as a shell would: with other outputs, limits, or beside itself.
pub(crate) fn program() -> Command {
    Command::new(PROGRAM)
}

pub(crate) fn verify_stdin<S: AsRef<OsStr>>(
    args: impl IntoIterator<Item = S>,
    stdin: &[u8],
) -> Ran {
    let mut child = Command::new(PROGRAM)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that has seen enough closes its end early.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

const DOCS: &str = include_str!("../../../docs/verify.md");

/// The exit statuses of each rule that `docs/verify.md` lists: every run that ends with a rule is
/// held to them.
pub(crate) fn documented() -> &'static BTreeMap<&'static str, Vec<i32>> {
    static TABLE: OnceLock<BTreeMap<&str, Vec<i32>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let table = DOCS.split_once("| Rule | Ends with |").unwrap().1;
        let mut rules = BTreeMap::new();
        for line in table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'))
        {
            let cells: Vec<_> = line.split('|').collect();
            let statuses: Vec<i32> = cells[2]
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|digits| digits.parse().ok())
                .collect();
            assert!(!statuses.is_empty(), "{line}");
            for rule in cells[1].split('`').skip(1).step_by(2) {
                let twice = rules.insert(rule, statuses.clone());
                assert!(twice.is_none(), "{rule} is listed twice");
            }
        }
        rules
    })
}

/// Files for one test.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// One request as the server saw it.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// A header's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn cbor(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "application/cbor", body)
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A server on this machine, for as long as the test process lives.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (counter, answer) = (Arc::clone(&counter), Arc::clone(&answer));
                // A client that hangs up in the middle is part of some tests.
                thread::spawn(move || serve(stream.unwrap(), &counter, &*answer));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &AtomicUsize,
    answer: &impl Fn(&Asked) -> Answer,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default());
    let mut length = 0;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    requests.fetch_add(1, Ordering::SeqCst);
    let answer = answer(&Asked {
        method,
        path,
        headers,
        body,
    });
    write!(
        stream,
        "HTTP/1.1 {} x\r\nconnection: close\r\n",
        answer.status
    )?;
    for (name, value) in &answer.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "content-length: {}\r\n\r\n", answer.body.len())?;
    stream.write_all(&answer.body)
}

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(u64::try_from(since.as_millis()).unwrap())
}

/// A simulated enclave of today, with an identity key.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) enclave: Enclave,
    pub(crate) identity: SigningKey,
    /// Of the running program.
    pub(crate) epoch: u32,
    /// Of the deployment.
    pub(crate) root_id: Option<Hash32>,
    /// Measured into register 16.
    pub(crate) configuration: Hash32,
    /// To which operators seal.
    pub(crate) boot_key: Option<[u8; 32]>,
    /// What it says of successors.
    pub(crate) pending: Option<PendingSuccessors>,
    /// Where its root key came from; none while it is awaited.
    pub(crate) root_source: Option<RootSource>,
    /// What it says of withdrawn manifests.
    pub(crate) withdrawn: Option<Hash32>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self::of(SIMULATOR_ID)
    }

    /// One of hardware's kind, under its own root.
    pub(crate) fn hardware() -> Self {
        Self::of(MODULE_ID)
    }

    fn of(module_id: &str) -> Self {
        let mut drafts = Drafts::of(module_id);
        let shift = i64::try_from(now().seconds()).unwrap() - SECOND - 60;
        for draft in &mut drafts.0 {
            draft.from += shift;
            draft.until += shift;
        }
        let mut enclave = drafts.issue();
        enclave.module_id = module_id.into();
        Self {
            enclave,
            identity: SigningKey::from_bytes(&[0x42; 32]),
            epoch: 1,
            root_source: Some(RootSource::Development),
            root_id: None,
            configuration: Hash32([0xcf; 32]),
            boot_key: None,
            pending: None,
            withdrawn: None,
        }
    }

    pub(crate) fn binding(&self) -> EvidenceBinding {
        EvidenceBinding {
            version: EVIDENCE_BINDING_VERSION,
            identity: self.identity.verifying_key().to_bytes().into(),
            configuration: self.configuration,
            root_source: self.root_source,
            root_id: self.root_id,
            release: "1.2.3".into(),
            epoch: self.epoch,
            tls_key: None,
            rollback: RollbackProtection::ClientsOnly,
            pending: self.pending,
            withdrawn: self.withdrawn,
        }
    }

    /// A document over this nonce, at this time, with these user data.
    pub(crate) fn document_of(
        &self,
        nonce: &[u8],
        at: UnixMillis,
        user_data: Option<&[u8]>,
    ) -> Vec<u8> {
        let mut payload = self.enclave.payload();
        payload.nonce = Some(nonce);
        payload.timestamp = at;
        payload.user_data = user_data;
        payload.public_key = self.boot_key.as_ref().map(<[u8; 32]>::as_slice);
        let configuration = configuration::pcr(self.configuration);
        assert!(payload.pcrs.insert(16, &configuration.0));
        openkey_attestation::sign_document(&payload, |message| self.enclave.sign(message)).unwrap()
    }

    /// A document as the enclave gives it.
    pub(crate) fn document(&self, nonce: &[u8]) -> Vec<u8> {
        let binding = cbor::encode(&self.binding()).unwrap();
        self.document_of(nonce, now(), Some(&binding))
    }

    pub(crate) fn sign<T: Statement>(&self, statement: &T) -> Signed<T> {
        Signed::new(statement, |input| self.identity.sign(input).to_bytes()).unwrap()
    }

    /// The policy file that accepts exactly this enclave.
    pub(crate) fn policy(&self) -> String {
        let set = [
            (0, Pcr(PCRS[0])),
            (1, Pcr(PCRS[1])),
            (16, configuration::pcr(self.configuration)),
        ];
        let set = Measurements::new(set).unwrap();
        let file = PolicyFile {
            policy: Policy::one_of([set]).unwrap().simulator(true),
            roots: self.enclave.roots(),
        };
        file.to_json().unwrap()
    }
}
