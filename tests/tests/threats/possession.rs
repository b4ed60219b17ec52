//! E18: a host that saw a person's passkey, and an account of its own.

use openkey_protocol::message::{ErrorCode, KeyId, Payload, SignUpFinish};
use openkey_simulator::authenticator::{Authenticator, Passkey};
use openkey_tests::simulation;

use crate::refusal;

#[test]
fn e18_a_passkey_that_the_host_only_saw_enters_no_account_of_its_own() {
    let simulation = simulation(|it| it);
    let [mut host, mut ada] = [(); 2].map(|()| simulation.person().unwrap());
    // Ada's sign-up passes through the host, which finishes it with a passkey of its own.
    let registering = host.begin_sign_up("Ada").unwrap();
    let options = &registering.started.options;
    ada.device.create(options, &ada.behaviour).unwrap();
    let finish = SignUpFinish {
        context: registering.started.context.clone(),
        credential: host.device.create(options, &host.behaviour).unwrap(),
    };
    let receipt = host.finish_sign_up(&registering, finish).unwrap();
    host.confirm(&receipt).unwrap();

    // It names her passkey, id and public key, as one that is to be added to its account.
    let adding = host.begin_passkey("hers").unwrap();
    let hers = &ada.device.passkeys()[0];
    let seen = Passkey::import(
        hers.id(),
        &options.rp_id,
        hers.user_handle(),
        &hers.export().unwrap(),
    );
    let credential = Authenticator::new()
        .register(seen.unwrap(), &adding.options, &host.behaviour)
        .unwrap();
    let mut proposal = host.passkey_created(&adding, credential).unwrap();
    assert_eq!(
        refusal(host.approve(&proposal)),
        ErrorCode::PossessionNeeded
    );
    proposal.possession = Some(host.assert(&proposal).unwrap());
    assert_eq!(
        refusal(host.approve(&proposal)),
        ErrorCode::PossessionRefused
    );
    assert_eq!(host.account().unwrap().passkeys.len(), 1);
    // Chosen at a sign-in, her passkey opens nothing.
    assert_eq!(refusal(ada.sign_in()), ErrorCode::UnknownPasskey);

    // Whoever holds the passkey adds it to an account of theirs.
    let mut bob = simulation.person().unwrap();
    bob.sign_up("Bob").unwrap();
    let mut phone = Authenticator::new();
    bob.add_passkey("phone", &mut phone).unwrap();
    std::mem::swap(&mut bob.device, &mut phone);
    bob.sign(KeyId(0), Payload::Text("by phone".into()))
        .unwrap();
}
