//! `openkey operator post-share`.

use openkey_cli::Ceremony;
use openkey_protocol::message::Hash32;
use openkey_verifier::command::{When, source};

use crate::{args::PostShare, files, operator::report, session::Session, stop::Stop};

pub(super) fn post(args: &PostShare) -> Result<(), Stop> {
    let mut accept = args.accept.entrusting(When::At(source::now()?))?;
    let key = files::operator_key(&args.key)?;
    let genesis = files::genesis(&args.genesis)?;
    let configuration = args.accept.configuration_file()?;
    // Which root key: as the policy or the flag says, or the configuration that must be measured.
    let pinned = accept.policy.pinned_root_id().map(|id| Hash32(*id));
    let named = configuration
        .as_ref()
        .and_then(|configuration| configuration.root_id);
    let root_id = match (pinned, named) {
        (Some(pinned), Some(named)) if pinned != named => {
            return Err(Stop::failed(
                "root_id",
                "the configuration names another root id than the policy",
            ));
        }
        (Some(root_id), _) | (None, Some(root_id)) => root_id,
        (None, None) => {
            return Err(Stop::failed(
                "root_id",
                "which root key? Give --root-id HEX, or the --configuration FILE that names it",
            ));
        }
    };
    let ceremony = Ceremony::pinned(&genesis, &root_id)?;
    if let Some(configuration) = &configuration {
        ceremony.check_configuration(configuration)?;
    }
    let opened = ceremony.share(&key)?;
    accept.policy = accept.policy.pin_root_id(root_id.0);

    let session = Session::open(&args.target.host, args.target.enclave.as_deref())?;
    let (identity, recipient) = session.recipient(accept)?;
    let status = session.order(&identity, recipient.share(&opened)?)?;
    report::root(args.json, &status, "the share was taken");
    Ok(())
}
