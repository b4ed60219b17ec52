//! A store that fails where a test wants it to.

use std::sync::{Arc, Mutex};

use openkey_protocol::{
    message::{Record, RecordId, Write},
    store::{RecordStore, StoreError, memory::MemoryStore},
};

/// How a store can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is read or written, and it says so.
    Refuses,
    /// A commit is lost on its way; nobody knows.
    LosesCommit,
    /// A commit is written, but its answer is lost.
    LosesAnswer,
    /// Another writer was first.
    Conflicts,
}

/// What a store says of a commit that it keeps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Conflict,
    Failed,
    Unknown,
}

pub const SAYINGS: [Says; 3] = [Says::Conflict, Says::Failed, Says::Unknown];

#[derive(Default)]
struct Plan {
    operations: u64,
    /// Ids of all reads.
    asked_for: u64,
    fail: Option<(u64, Failure)>,
    fail_after: Option<u64>,
    keep: Option<Says>,
    kept: Vec<Vec<Write>>,
    /// The next commit is written, and neither it nor the read after it gets an answer.
    lose_both: bool,
    /// Nothing is read.
    held: bool,
}

/// [`MemoryStore`] with failures. Clones share everything.
#[derive(Clone, Default)]
pub struct TestStore {
    pub memory: MemoryStore,
    plan: Arc<Mutex<Plan>>,
}

impl TestStore {
    /// Lets the `n`th operation from now fail (0 is the next).
    pub fn fail(&self, n: u64, failure: Failure) {
        let mut plan = self.plan.lock().unwrap();
        plan.fail = Some((plan.operations + n, failure));
    }

    /// Lets every operation from the `n`th from now on fail.
    pub fn fail_after(&self, n: u64) {
        let mut plan = self.plan.lock().unwrap();
        plan.fail_after = Some(plan.operations + n);
    }

    /// Lets the next commit be written and its answer get lost, as well as that of the read after it.
    pub fn lose_answer_and_read(&self) {
        self.plan.lock().unwrap().lose_both = true;
    }

    /// Lets whoever reads wait, from now on or no more.
    pub fn hold(&self, held: bool) {
        self.plan.lock().unwrap().held = held;
    }

    fn is_held(&self) -> bool {
        self.plan.lock().unwrap().held
    }

    /// Whether the next commit loses its answer; then the read after it fails.
    fn loses_both(&self) -> bool {
        let mut plan = self.plan.lock().unwrap();
        let lost = std::mem::take(&mut plan.lose_both);
        if lost {
            plan.operations += 1;
            plan.fail = Some((plan.operations, Failure::Refuses));
        }
        lost
    }

    /// Whether the planned failure has happened.
    pub fn has_failed(&self) -> bool {
        let plan = self.plan.lock().unwrap();
        plan.fail.is_none_or(|(at, _)| at < plan.operations)
    }

    pub fn operations(&self) -> u64 {
        self.plan.lock().unwrap().operations
    }

    /// How many records were asked for.
    pub fn asked_for(&self) -> u64 {
        self.plan.lock().unwrap().asked_for
    }

    /// Everything that is stored, to be looked at or put back.
    pub fn snapshot(&self) -> std::collections::HashMap<RecordId, Record> {
        self.memory.records().clone()
    }

    pub fn restore(&self, snapshot: std::collections::HashMap<RecordId, Record>) {
        *self.memory.records() = snapshot;
    }

    /// Keeps commits back from now on, or no more.
    pub fn keep(&self, says: Option<Says>) {
        self.plan.lock().unwrap().keep = says;
    }

    /// The commits that were kept back, which are forgotten.
    pub fn kept(&self) -> Vec<Vec<Write>> {
        std::mem::take(&mut self.plan.lock().unwrap().kept)
    }

    /// The host puts a commit that it kept back where it belongs.
    pub fn reveal(&self, writes: &[Write]) {
        let mut records = self.memory.records();
        for write in writes {
            let revision = records.get(&write.id).map_or(1, |it| it.revision + 1);
            let blob = write.blob.clone();
            records.insert(write.id, Record { revision, blob });
        }
    }

    fn keeps(&self, writes: &[Write]) -> Option<StoreError> {
        let mut plan = self.plan.lock().unwrap();
        let says = plan.keep?;
        plan.kept.push(writes.to_vec());
        Some(match says {
            Says::Conflict => StoreError::Conflict,
            Says::Failed => failed(),
            Says::Unknown => unknown(),
        })
    }

    fn next(&self) -> Option<Failure> {
        let mut plan = self.plan.lock().unwrap();
        let at = plan.operations;
        plan.operations += 1;
        if plan.fail_after.is_some_and(|from| at >= from) {
            return Some(Failure::Refuses);
        }
        plan.fail
            .filter(|(fail_at, _)| *fail_at == at)
            .map(|(_, failure)| failure)
    }
}

fn failed() -> StoreError {
    StoreError::Failed {
        reason: "test".to_owned(),
    }
}

fn unknown() -> StoreError {
    StoreError::Unknown {
        reason: "test".to_owned(),
    }
}

impl RecordStore for TestStore {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        while self.is_held() {
            tokio::task::yield_now().await;
        }
        self.plan.lock().unwrap().asked_for += u64::try_from(ids.len()).unwrap();
        match self.next() {
            Some(_) => Err(failed()),
            None => self.memory.get(ids).await,
        }
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if let Some(error) = self.keeps(&writes) {
            return Err(error);
        }
        if self.loses_both() {
            self.memory.commit(writes).await?;
            return Err(unknown());
        }
        match self.next() {
            Some(Failure::Refuses) => Err(failed()),
            Some(Failure::LosesCommit) => Err(unknown()),
            Some(Failure::LosesAnswer) => {
                self.memory.commit(writes).await?;
                Err(unknown())
            }
            Some(Failure::Conflicts) => Err(StoreError::Conflict),
            None => {
                // Others get their turn here, as with a real store.
                tokio::task::yield_now().await;
                self.memory.commit(writes).await
            }
        }
    }
}
