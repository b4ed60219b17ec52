//! What is measured when, and that nothing is measured afterwards.

use std::sync::{Arc, Mutex};

use openkey_attestation::Document;
use openkey_enclave::{
    BootError,
    nsm::{Nsm, NsmError, NsmRequest, NsmResponse},
};

use crate::common::{Deployment, TestNsm, deployment::binding, evidence, nsm::Defect};

/// Notes what is asked of an NSM, in order.
struct Noting(TestNsm, Arc<Mutex<Vec<String>>>);

impl Nsm for Noting {
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        let noted = match &request {
            NsmRequest::Describe => None,
            NsmRequest::Random => Some("random".to_owned()),
            NsmRequest::Attest { .. } => Some("attest".to_owned()),
            NsmRequest::ExtendPcr { index, .. } => Some(format!("extend {index}")),
            NsmRequest::LockPcr { index } => Some(format!("lock {index}")),
        };
        self.1.lock().unwrap().extend(noted);
        self.0.call(request)
    }
}

#[tokio::test]
async fn p5_the_configuration_is_measured_and_all_is_locked_before_any_key_exists() {
    let deployment = Deployment::new();
    let noted = Arc::default();
    let nsm = Noting(TestNsm::new(&deployment.monotonic), Arc::clone(&noted));
    deployment.boot_on(nsm, Vec::new()).await.unwrap();
    let noted = noted.lock().unwrap();
    let mut expected = vec!["extend 16".to_owned()];
    expected.extend((16..32).map(|index| format!("lock {index}")));
    expected.push("attest".to_owned());
    assert_eq!(noted[..expected.len()], expected);
    assert!(noted[expected.len()..].contains(&"random".to_owned()));
    let later = noted[expected.len()..].iter();
    assert!(!later.clone().any(|noted| noted.starts_with("extend")));
}

#[tokio::test]
async fn p5_register_16_is_the_same_at_every_boot_and_no_register_is_open() {
    let deployment = Deployment::new();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let service = deployment.boot().await;
        let evidence = evidence(&service, vec![1; 16]).await.unwrap();
        let document = Document::parse(evidence.document.as_slice()).unwrap();
        assert_eq!(document.payload().pcrs.iter().count(), 32);
        let pcr = *document.payload().pcrs.get(16).unwrap();
        assert_eq!(pcr, deployment.configuration().pcr());
        assert_eq!(service.platform().measured().configuration.0, pcr);
        // The document vouches for this boot's keys.
        let said = binding(evidence.document.as_slice());
        assert_eq!(said.identity.as_slice(), service.identity());
        let boot_key = service.platform().boot_key();
        assert_eq!(document.payload().public_key.unwrap(), boot_key);
        seen.push((pcr, boot_key, service.identity()));
    }
    assert_eq!(seen[0].0, seen[1].0);
    assert_ne!(seen[0].1, seen[1].1);
    assert_ne!(seen[0].2, seen[1].2);
}

#[tokio::test]
async fn p5_a_register_that_stays_open_is_no_boot() {
    let deployment = Deployment::new();
    for (defect, expected) in [
        (Defect::OthersStayOpen, BootError::Measurement),
        (Defect::PlatformOpen, BootError::NsmShape),
        (Defect::DocumentsLie, BootError::Measurement),
    ] {
        let nsm = TestNsm::with(&deployment.monotonic, defect);
        let refused = deployment.boot_on(nsm, Vec::new()).await.err();
        assert_eq!(refused, Some(expected), "{defect:?}");
    }
}
