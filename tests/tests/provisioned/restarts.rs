//! The same root key after every restart, from each source.

use openkey_protocol::message::RootSource;
use openkey_simulator::dir::RootKind;
use openkey_tests::{image, provisioned};

use crate::source;

#[test]
fn after_a_restart_the_operators_shares_bring_the_same_accounts_back() {
    let simulation = provisioned(RootKind::Operators, |it| it);
    assert_eq!(source(&simulation, 1), Some(RootSource::Operators));
    assert!(simulation.ready.root_id.is_some());
    let mut ada = simulation.person().unwrap();
    let receipt = ada.sign_up("Ada").unwrap().receipt;
    let signed = ada.sign_text("before").unwrap();
    assert_eq!(signed.address, receipt.keys[0].address);

    let mut names = vec!["enclave", "host-proxy"];
    if image().is_some() {
        names.push("vsock");
    }
    for name in names {
        let killed = simulation.kill(name).unwrap();
        simulation.wait_for_another(name, killed).unwrap();
        assert_eq!(
            source(&simulation, 1),
            Some(RootSource::Operators),
            "{name}"
        );
        assert_eq!(ada.sign_text(name).unwrap().address, signed.address);
    }
    assert_eq!(ada.sign_in().unwrap(), receipt.account);
    let history = ada.history().unwrap();
    assert!(history.iter().any(|entry| entry.digest == signed.digest));
}

#[test]
fn k8_replicas_share_the_root_key_by_hand_over() {
    let simulation = provisioned(RootKind::Operators, |it| it.replicas(2));
    let mut sources = [source(&simulation, 1), source(&simulation, 2)];
    sources.sort_by_key(|source| *source != Some(RootSource::Operators));
    assert_eq!(
        sources,
        [Some(RootSource::Operators), Some(RootSource::HandOver)]
    );
    let policy = std::fs::read(simulation.policy()).unwrap();
    let sites = [1, 2].map(|number| simulation.site_of(number, &policy).unwrap());
    // each boot has an identity of its own, and what one enclave keeps the other one reads
    assert_ne!(sites[0].identity().unwrap(), sites[1].identity().unwrap());
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let first = ada.sign_text("at the first").unwrap();
    ada.use_site(sites[1].clone());
    let second = ada.sign_text("at the second").unwrap();
    assert_eq!(first.address, second.address);

    // whichever restarts gets the key from the other
    for (number, name) in [(2, "enclave-2"), (1, "enclave")] {
        let killed = simulation.kill(name).unwrap();
        simulation.wait_for_another(name, killed).unwrap();
        assert_eq!(
            source(&simulation, number),
            Some(RootSource::HandOver),
            "{name}"
        );
        ada.sign_text(name).unwrap();
    }
}

#[test]
fn k1_after_a_restart_kms_brings_the_same_accounts_back() {
    let simulation = provisioned(RootKind::Kms, |it| it);
    assert_eq!(source(&simulation, 1), Some(RootSource::Kms));
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let signed = ada.sign_text("before").unwrap();
    let killed = simulation.kill("enclave").unwrap();
    simulation.wait_for_another("enclave", killed).unwrap();
    assert_eq!(source(&simulation, 1), Some(RootSource::Kms));
    assert_eq!(ada.sign_text("after").unwrap().address, signed.address);
}
