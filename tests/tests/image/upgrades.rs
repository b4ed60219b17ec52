//! From one image to its successor, whose release manifest the maintainers signed.

use openkey_protocol::message::RootSource;
use openkey_simulator::dir::RootKind;
use openkey_simulator::simulation::Options;
use openkey_tests::{program, said, start, template, verify};

use crate::{image, successor};

#[test]
fn e8_a_successor_gets_the_root_key_by_hand_over_and_keeps_every_account() {
    let (old, new) = (image(), successor());
    assert!(new.epoch > old.epoch);
    let (_temporary, dir) = template::copy(RootKind::Operators);
    let options = || Options::new(program("openkey-sim")).dir(dir.path());
    let first = start(options()).unwrap();
    let before = std::fs::read_to_string(first.policy()).unwrap();
    let mut ada = first.person().unwrap();
    let receipt = ada.sign_up("Ada").unwrap().receipt;
    let signed = ada.sign_text("epoch 1").unwrap();
    drop(first);

    let second = start(options().image(new.dir())).unwrap();
    ada.use_site(second.site().unwrap());
    let evidence = ada.site().evidence().unwrap();
    assert_eq!(
        evidence.claims().pcrs.get(0).unwrap().0,
        new.measurement.pcr0
    );
    assert_eq!(evidence.binding().epoch, new.epoch);
    assert_eq!(evidence.binding().root_source, Some(RootSource::HandOver));
    assert_eq!(ada.sign_text("epoch 2").unwrap().address, signed.address);
    assert_eq!(ada.sign_in().unwrap(), receipt.account);
    let history = ada.history().unwrap();
    assert!(history.iter().any(|entry| entry.digest == signed.digest));
    // whoever still pins the old image is told
    let pinned = dir.path().join("before.json");
    std::fs::write(&pinned, before).unwrap();
    let output = verify(&["host", second.page(), "--policy", pinned.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("PCR0"), "{}", said(&output));
    drop(second);

    // the successor starts again from the operators' shares
    let third = start(options()).unwrap();
    ada.use_site(third.site().unwrap());
    assert_eq!(
        ada.sign_text("epoch 2, again").unwrap().address,
        signed.address
    );
}
