//! `openkey operator post-share`.

use openkey_cli::Ceremony;
use openkey_verifier::command::{When, source};

use crate::{
    args::PostShare,
    files,
    operator::{approved, report, successor::expiry},
    session::Session,
    stop::Stop,
};

pub(super) fn post(args: &PostShare) -> Result<(), Stop> {
    let read = args.accept.read()?;
    let mut accept = read.entrusting(When::At(source::now()?))?;
    let key = files::operator_key(&args.key.file)?;
    let (configuration, approval) = approved::configuration(&read, &args.approval, &key)?;
    let root_id = approval.content().root_id;
    // The policy or the flag may say which root key, too.
    if let Some(pinned) = accept.policy.pinned_root_id()
        && *pinned != root_id.0
    {
        return Err(Stop::failed(
            "root_id",
            "the approved configuration names another root id than the policy",
        ));
    }
    let ceremony = Ceremony::pinned(&files::genesis(&args.genesis.file)?, &root_id)?;
    approval.check_genesis(&ceremony)?;
    ceremony.check_configuration(configuration)?;
    let opened = ceremony.share(&key)?;
    accept.policy = accept.policy.pin_root_id(root_id.0);
    approved::show(args.print.json, configuration)?;

    let session = Session::open(&args.target)?;
    let (fresh, recipient) = session.recipient(accept)?;
    if fresh.binding().root_source.is_some() {
        return Err(Stop::refused(
            "root_key_there",
            format!(
                "by its evidence enclave {} has its root key: no share is needed, and none was sent",
                session.name()
            ),
        ));
    }
    let until = expiry()?;
    let order = recipient.share(&opened, until.0)?;
    let status = session.order(fresh.identity(), order, until)?;
    let done = format!("the share was taken by enclave {}", session.name());
    report::root(args.print.json, &status, &done);
    Ok(())
}
