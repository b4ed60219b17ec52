//! The sealed-record store as enclaves reach it.

use std::{sync::Arc, time::Duration};

use openkey_host_proxy::{Parts, SqliteStore};
use openkey_protocol::{
    client::{Client, ClientOptions},
    host::HostClient,
    message::{Record, RecordId, Write},
    store::{RecordStore, StoreError, conformance},
    transport::Address,
};
use tokio::sync::Mutex;

use crate::support::{Site, reopen};

fn client(site: &Site) -> HostClient {
    let address = Address::Unix(site.dir.path().join("run/services.sock"));
    let client = Client::new(address, ClientOptions::default());
    HostClient::new(client, Duration::from_secs(10))
}

fn write(expected: Option<u64>, blob: &[u8]) -> Write {
    Write {
        id: RecordId([9; 32]),
        expected,
        blob: blob.into(),
    }
}

#[tokio::test]
async fn it_conforms_over_the_wire_and_keeps_what_it_acknowledged() {
    let site = Site::new().await;
    let store = client(&site);
    conformance::run(&store).await;
    store.commit(vec![write(None, b"kept")]).await.unwrap();
    let metrics = site.metrics().await;
    assert!(metrics.contains("openkey_store_commit_seconds_count"));
    let dir = site.end().await;
    let store = reopen(&dir);
    let records = store.get(vec![RecordId([9; 32])]).await.unwrap();
    assert_eq!(records[0].as_ref().unwrap().blob.as_slice(), b"kept");
}

/// Gives the first answer it ever gave for a record.
struct Older {
    inner: SqliteStore,
    first: Arc<Mutex<Option<Vec<Option<Record>>>>>,
}

impl RecordStore for Older {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        let mut first = self.first.lock().await;
        if first.is_none() {
            *first = Some(self.inner.get(ids).await?);
        }
        Ok(first.clone().unwrap_or_default())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.inner.commit(writes).await
    }
}

#[tokio::test]
async fn a_simulator_can_make_it_lie() {
    let parts = Parts::default().with_store(|inner| Older {
        inner,
        first: Arc::default(),
    });
    let site = Site::with_parts(|_| {}, parts).await;
    let store = client(&site);
    let blob = async || {
        let records = store.get(vec![RecordId([9; 32])]).await.unwrap();
        records[0].as_ref().unwrap().blob.as_slice().to_vec()
    };
    store.commit(vec![write(None, b"old")]).await.unwrap();
    assert_eq!(blob().await, b"old");
    store.commit(vec![write(Some(1), b"new")]).await.unwrap();
    assert_eq!(blob().await, b"old");
}
