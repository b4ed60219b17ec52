//! A node with some values, for fuzz targets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use openkey_capability::resource::SpaceId;
use openkey_node::allowance::Allowance;
use openkey_node::clock::Clock;
use openkey_node::config::Config;
use openkey_node::node::Node;
use openkey_node::store::{
    Admission, Change, Condition, Content, Keys, Page, Reservation, StoredValue, ValueWrite,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// The space of all values: anybody may read it.
pub(crate) const SPACE: &str =
    "tinycloud:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX:public";
/// The time, which stands still, in milliseconds of Unix time.
pub(crate) const NOW_MS: i64 = 1_772_604_000_000;
/// Values by key. The last one is a blob, though a small one: it is read again and again.
pub(crate) const KEYS: [&str; 4] = ["a/b", "a%20b", "empty", "blob"];
const BLOB_BYTES: usize = 300;
const BLOB: &str = "00000000000000000000000000000000";

struct Still;

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }
}

/// A node that is asked directly.
pub(crate) struct Fixture {
    pub(crate) node: Node,
    pub(crate) space: SpaceId,
    pub(crate) runtime: Runtime,
    _dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::new(dir.path().to_owned());
        let node = Node::open(config, Arc::new(Still), Default::default()).unwrap();
        let fixture = Self {
            node,
            space: SpaceId::parse(SPACE).unwrap(),
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            _dir: dir,
        };
        let hosted = fixture
            .node
            .store
            .host(admission([0xff; 32]), &fixture.space, NOW_MS);
        assert!(fixture.runtime.block_on(hosted).unwrap());
        let large = async {
            let reservation = Reservation {
                blob: BLOB.to_owned(),
                first: true,
                bytes: BLOB_BYTES as u64,
                space: fixture.space.clone(),
                keys: [].into(),
                default_bound: None,
                staged_bound: u64::MAX,
            };
            fixture.node.store.reserve(reservation).await.unwrap();
            let mut writer = fixture.node.blobs.create(BLOB).await.unwrap();
            writer.write(content("blob").into()).await.unwrap();
            writer.finish().await.unwrap();
        };
        fixture.runtime.block_on(large);
        fixture.restore([0xfe; 32], &BTreeMap::new());
        fixture
    }

    /// The hash of every value, by key.
    #[allow(dead_code, reason = "of the fuzz targets, one only reads")]
    pub(crate) fn hashes(&self) -> BTreeMap<String, [u8; 32]> {
        let store = &self.node.store;
        let page = Page {
            after: None,
            limit: 1000,
        };
        self.runtime.block_on(async {
            let keys = store
                .keys(
                    &self.space,
                    &Keys::With(String::new()),
                    page,
                    Allowance::any(),
                )
                .await
                .unwrap()
                .all()
                .unwrap();
            let values = store
                .values(&self.space, &keys, true, Allowance::any())
                .await
                .unwrap()
                .all()
                .unwrap();
            let hashes = values.into_iter().map(|value| value.unwrap().hash);
            keys.into_iter().zip(hashes).collect()
        })
    }

    /// Makes the values what they were, after they became these.
    pub(crate) fn restore(&self, statement: [u8; 32], now: &BTreeMap<String, [u8; 32]>) {
        let put = KEYS.iter().filter_map(|key| {
            let bytes = content(key);
            let hash = *blake3::hash(&bytes).as_bytes();
            if now.get(*key) == Some(&hash) {
                return None;
            }
            let value = StoredValue {
                hash,
                size: bytes.len() as u64,
                headers: r#"[["content-type","text/plain"],["x-tinycloud-meta-a","b"]]"#.to_owned(),
                content: match bytes.len() {
                    BLOB_BYTES => Content::Blob(BLOB.to_owned()),
                    _ => Content::Inline(bytes.into()),
                },
            };
            Some(((*key).to_owned(), Condition::Any, Change::Put(value)))
        });
        let other = now.keys().filter(|key| !KEYS.contains(&key.as_str()));
        let deleted = other.map(|key| (key.clone(), Condition::Any, Change::Delete));
        let write = ValueWrite {
            admission: admission(statement),
            begun: false,
            space: self.space.clone(),
            changes: put.chain(deleted).collect(),
            default_bound: None,
        };
        let written = self.node.store.write(write);
        self.runtime.block_on(written).unwrap();
    }

    /// The body of an answer.
    pub(crate) fn body(&self, response: Response) -> Vec<u8> {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX);
        self.runtime.block_on(body).unwrap().to_vec()
    }
}

/// The value of a key.
pub(crate) fn content(key: &str) -> Vec<u8> {
    match key {
        "empty" => Vec::new(),
        "blob" => (0..BLOB_BYTES).map(|at| (at % 251) as u8).collect(),
        _ => b"0123456789".to_vec(),
    }
}

/// An invocation that rests on nothing. Each is remembered for longer than those before, so that these can
/// be forgotten.
pub(crate) fn admission(statement: [u8; 32]) -> Admission {
    static LAST_MS: AtomicI64 = AtomicI64::new(NOW_MS);
    Admission {
        statement,
        expires_ms: NOW_MS,
        chain_expires_ms: None,
        until_ms: LAST_MS.fetch_add(1, Ordering::Relaxed),
        chain: Vec::new(),
    }
}

/// The header of a line, if it is one.
pub(crate) fn header(headers: &mut HeaderMap, line: &[u8]) -> Option<()> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(at);
    let name = HeaderName::from_bytes(name).ok()?;
    let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
    headers.append(name, value);
    Some(())
}
