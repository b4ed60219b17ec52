use super::{conformance, memory::MemoryStore};

#[tokio::test]
async fn memory_conforms() {
    conformance::run(&MemoryStore::default()).await;
}
