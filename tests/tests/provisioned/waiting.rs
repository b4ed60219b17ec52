//! While the root key is awaited: evidence, status and operators, and nothing else.

use openkey_protocol::message::{ErrorCode, RootSource, RootState};
use openkey_simulator::dir::RootKind;
use openkey_simulator::person::PersonError;
use openkey_tests::provisioned;

/// What a person is told who wants to sign up.
fn refused(simulation: &openkey_simulator::simulation::Simulation) -> String {
    let error = simulation.person().unwrap().sign_up("Ada").unwrap_err();
    assert_eq!(error.refusal(), Some(ErrorCode::AwaitingRootKey), "{error}");
    match error {
        PersonError::Client(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_quorum_everything_but_evidence_and_status_is_refused() {
    let simulation = provisioned(RootKind::Operators, |it| it.no_operators());
    let policy = std::fs::read(simulation.policy()).unwrap();
    let waiting = |have| RootState::Waiting { have, need: 2 };
    assert_eq!(simulation.status(1).unwrap().root.state, waiting(0));
    let said = refused(&simulation);
    assert!(
        said.contains("waiting for root key: 0 of 2 shares"),
        "{said}"
    );

    // evidence says that there is none yet, and over which root id
    let site = simulation.site().unwrap();
    let evidence = site.evidence().unwrap();
    assert_eq!(evidence.binding().root_source, None);
    let root_id = evidence.binding().root_id.unwrap();
    assert_eq!(Some(root_id.to_string()), simulation.ready.root_id);

    let status = simulation.post_share(1, 2, &policy).unwrap();
    assert_eq!(status.state, waiting(1));
    // the same one again counts once
    let status = simulation.post_share(1, 2, &policy).unwrap();
    assert_eq!(status.state, waiting(1));
    let said = refused(&simulation);
    assert!(
        said.contains("waiting for root key: 1 of 2 shares"),
        "{said}"
    );

    simulation.post_share(1, 0, &policy).unwrap();
    let is_ready =
        |status: &openkey_protocol::message::Status| status.root.state == RootState::Ready;
    let ready = simulation.wait_for_status(1, is_ready).unwrap();
    assert_eq!(ready.root_source, Some(RootSource::Operators));
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    ada.sign_text("at last").unwrap();
}
