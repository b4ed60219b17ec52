use std::time::Duration;

use super::{conformance, memory::MemoryStore};
use crate::{
    client::{Client, ClientOptions},
    server::{ServerOptions, serve},
    store::{StoreClient, StoreHandler},
    transport::Address,
};

#[tokio::test]
async fn memory_conforms() {
    conformance::run(&MemoryStore::default()).await;
}

#[tokio::test]
async fn the_wire_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let address = Address::Unix(directory.path().join("store.sock"));
    let listener = address.listen().unwrap();
    let handler = StoreHandler::new(MemoryStore::default());
    let server = tokio::spawn(serve(
        listener,
        handler,
        ServerOptions::default(),
        std::future::pending(),
    ));
    let client = Client::new(address, ClientOptions::default());
    conformance::run(&StoreClient::new(client, Duration::from_secs(5))).await;
    server.abort();
}
