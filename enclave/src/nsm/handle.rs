//! The one thread that owns the NSM, and the bounded way to it.

use std::{sync::Arc, thread};

use openkey_attestation::Document;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{Nsm, NsmDescription, NsmError, NsmRequest, NsmResponse};

/// Requests that may wait for the NSM. It answers in milliseconds, one after the other: a longer
/// queue would only be a longer wait for everyone.
pub const QUEUE: usize = 64;
/// How many of them may be evidence for strangers, so that asking for documents never keeps the
/// enclave from the entropy and time it needs itself.
pub const EVIDENCE_QUOTA: usize = 16;

struct Job {
    request: NsmRequest,
    reply: oneshot::Sender<Result<NsmResponse, NsmError>>,
    /// Held until the NSM has answered, even if nobody waits any more.
    quota: Option<OwnedSemaphorePermit>,
}

/// A way to the NSM that many tasks can share.
#[derive(Clone, Debug)]
pub struct NsmHandle {
    queue: mpsc::Sender<Job>,
    evidence: Arc<Semaphore>,
}

impl NsmHandle {
    /// Gives the NSM to a thread of its own, which ends with the last handle.
    ///
    /// # Errors
    ///
    /// [`NsmError::Unreachable`] if no thread can be started.
    pub fn start(nsm: impl Nsm + 'static) -> Result<Self, NsmError> {
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
        thread::Builder::new()
            .name("nsm".to_owned())
            .spawn(move || {
                while let Some(job) = jobs.blocking_recv() {
                    let answer = nsm.call(job.request);
                    drop(job.quota);
                    // Whoever asked may have gone; the operation is done either way.
                    let _ = job.reply.send(answer);
                }
            })
            .map_err(|_| NsmError::Unreachable)?;
        Ok(Self {
            queue,
            evidence: Arc::new(Semaphore::new(EVIDENCE_QUOTA)),
        })
    }

    /// Asks on the enclave's own behalf.
    ///
    /// # Errors
    ///
    /// [`NsmError::Busy`] if the queue is full, a limit of [`NsmRequest::check`], or what the NSM
    /// says.
    pub async fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        self.submit(request, None).await
    }

    /// Asks for a document on a stranger's behalf.
    ///
    /// # Errors
    ///
    /// [`NsmError::Busy`] if [`EVIDENCE_QUOTA`] requests wait already, else as [`Self::call`].
    pub async fn evidence(
        &self,
        nonce: Vec<u8>,
        user_data: Vec<u8>,
        public_key: Vec<u8>,
    ) -> Result<Vec<u8>, NsmError> {
        let quota = Arc::clone(&self.evidence)
            .try_acquire_owned()
            .map_err(|_| NsmError::Busy)?;
        let request = NsmRequest::Attest {
            nonce: Some(nonce),
            user_data: Some(user_data),
            public_key: Some(public_key),
        };
        match self.submit(request, Some(quota)).await? {
            NsmResponse::Document(document) => Ok(document),
            _ => Err(NsmError::UnexpectedResponse),
        }
    }

    /// The NSM's description.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn describe(&self) -> Result<NsmDescription, NsmError> {
        match self.call(NsmRequest::Describe).await? {
            NsmResponse::Description(description) => Ok(description),
            _ => Err(NsmError::UnexpectedResponse),
        }
    }

    /// The time in a fresh document, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`Self::call`]; [`NsmError::UnexpectedResponse`] if what it gives is no document.
    pub async fn time(&self) -> Result<u64, NsmError> {
        let request = NsmRequest::Attest {
            nonce: None,
            user_data: None,
            public_key: None,
        };
        match self.call(request).await? {
            NsmResponse::Document(document) => Document::parse(&document)
                .map(|document| document.payload().timestamp.0)
                .map_err(|_| NsmError::UnexpectedResponse),
            _ => Err(NsmError::UnexpectedResponse),
        }
    }

    async fn submit(
        &self,
        request: NsmRequest,
        quota: Option<OwnedSemaphorePermit>,
    ) -> Result<NsmResponse, NsmError> {
        request.check()?;
        let (reply, answer) = oneshot::channel();
        let job = Job {
            request,
            reply,
            quota,
        };
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NsmError::Busy,
            mpsc::error::TrySendError::Closed(_) => NsmError::Unreachable,
        })?;
        answer.await.map_err(|_| NsmError::Unreachable)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc as std_mpsc};

    use super::*;

    /// Answers one request for each token it is given.
    struct Slow(Mutex<std_mpsc::Receiver<()>>);

    impl Nsm for Slow {
        fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
            self.0.lock().unwrap().recv().unwrap();
            Ok(match request {
                NsmRequest::Random => NsmResponse::Random(vec![1].into()),
                _ => NsmResponse::Document(vec![2]),
            })
        }
    }

    #[tokio::test]
    async fn evidence_has_a_quota_and_leaves_room_for_the_rest() {
        let (go, tokens) = std_mpsc::channel();
        let handle = NsmHandle::start(Slow(Mutex::new(tokens))).unwrap();
        let mut waiting = Vec::new();
        for _ in 0..EVIDENCE_QUOTA {
            let handle = handle.clone();
            waiting.push(tokio::spawn(async move {
                handle.evidence(vec![0; 16], vec![], vec![]).await
            }));
        }
        while handle.evidence.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            handle.evidence(vec![0; 16], vec![], vec![]).await,
            Err(NsmError::Busy)
        );
        // The enclave's own request is still taken.
        let own = handle.clone();
        let own = tokio::spawn(async move { own.call(NsmRequest::Random).await });
        for _ in 0..=EVIDENCE_QUOTA {
            go.send(()).unwrap();
        }
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(vec![2]));
        }
        assert!(own.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_permit_is_held_by_the_operation_not_by_the_waiter() {
        let (go, tokens) = std_mpsc::channel();
        let handle = NsmHandle::start(Slow(Mutex::new(tokens))).unwrap();
        let asked = handle.clone();
        let task = tokio::spawn(async move { asked.evidence(vec![0; 16], vec![], vec![]).await });
        while handle.evidence.available_permits() == EVIDENCE_QUOTA {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(handle.evidence.available_permits(), EVIDENCE_QUOTA - 1);
        go.send(()).unwrap();
        while handle.evidence.available_permits() < EVIDENCE_QUOTA {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_full_queue_is_an_error_not_a_wait() {
        let (go, tokens) = std_mpsc::channel();
        let handle = NsmHandle::start(Slow(Mutex::new(tokens))).unwrap();
        let mut tasks = Vec::new();
        // One is with the NSM, the others wait.
        for _ in 0..=QUEUE {
            let own = handle.clone();
            tasks.push(tokio::spawn(
                async move { own.call(NsmRequest::Random).await },
            ));
            tokio::task::yield_now().await;
        }
        while handle.queue.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(handle.call(NsmRequest::Random).await, Err(NsmError::Busy));
        for _ in 0..=QUEUE {
            go.send(()).unwrap();
        }
        drop(tasks);
    }
}
