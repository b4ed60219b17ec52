//! `openkey operator set-secret`.

use openkey_protocol::message::{MAX_SECRET, RootState, SecretStatus};
use openkey_verifier::command::{When, source};

use crate::{
    args::SetSecret,
    files,
    operator::{
        approved, report,
        successor::{self, expiry},
    },
    session::Session,
    stop::Stop,
};

pub(super) fn set(args: &SetSecret) -> Result<(), Stop> {
    let read = args.accept.read()?;
    let mut accept = read.entrusting(When::At(source::now()?))?;
    let key = files::operator_key(&args.key.file)?;
    let (configuration, approval) = approved::configuration(&read, &args.approval, &key)?;
    let place = successor::place(configuration, &key)?;
    let mut secret = files::secret_from_stdin(MAX_SECRET)?;
    if !args.raw && secret.last() == Some(&b'\n') {
        secret.pop();
    }
    if secret.is_empty() || secret.len() > MAX_SECRET {
        return Err(Stop::failed(
            "secret_length",
            format!("a secret has 1 to {MAX_SECRET} bytes"),
        ));
    }

    accept.policy = accept.policy.pin_root_id(approval.content().root_id.0);
    approved::show(args.print.json, configuration)?;
    let session = Session::open(&args.target)?;
    let (fresh, recipient) = session.recipient(accept)?;
    let identity = *fresh.identity();
    let known = session.status(Some(&identity))?.root;
    if known.state == RootState::Ready && !known.secrets_known {
        return Err(Stop::refused(
            "secrets_unknown",
            format!(
                "the store hides the secrets from enclave {}: nobody knows which version comes next",
                session.name()
            ),
        ));
    }
    let version = known
        .secrets
        .iter()
        .find(|known| known.name == args.name)
        .map_or(0, |known| known.version);
    let version = version.saturating_add(1);
    let until = expiry()?;
    let root_id = approval.content().root_id;
    let by = (&key, place);
    let order = recipient.secret(by, root_id, &args.name, version, &secret, until.0)?;
    let status = session.order(&identity, order, until)?;
    // Both answers are signed by the attested boot. Another operator may have been next already.
    let is_kept = |known: &SecretStatus| known.name == args.name && known.version >= version;
    if !status.secrets.iter().any(is_kept) {
        let words = format!(
            "the answer of enclave {} does not name version {version} of the secret",
            session.name()
        );
        return Err(Stop::refused("secret", words).sent(Some(until)));
    }
    let done = format!("the secret was kept by enclave {}", session.name());
    report::root(args.print.json, &status, &done);
    Ok(())
}
