//! `openkey operator set-secret`.

use openkey_protocol::message::{MAX_SECRET, SecretStatus};
use openkey_verifier::command::{When, source};

use crate::{
    args::SetSecret,
    files,
    operator::{report, successor},
    session::Session,
    stop::Stop,
};

pub(super) fn set(args: &SetSecret) -> Result<(), Stop> {
    let accept = args.accept.entrusting(When::At(source::now()?))?;
    let configuration = args.accept.configuration_file()?.ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE says which operator you are",
        )
    })?;
    let key = files::operator_key(&args.key)?;
    let place = successor::place(&configuration, &key)?;
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

    let session = Session::open(&args.target.host, args.target.enclave.as_deref())?;
    let (identity, recipient) = session.recipient(accept)?;
    let known = session.status(Some(&identity))?.root.secrets;
    let version = known
        .iter()
        .find(|known| known.name == args.name)
        .map_or(0, |known| known.version);
    let version = version.saturating_add(1);
    let order = recipient.secret(&key, place, &args.name, version, &secret)?;
    let status = session.order(&identity, order)?;
    // Both answers are signed by the attested boot. Another operator may have been next already.
    let is_kept = |known: &SecretStatus| known.name == args.name && known.version >= version;
    if !status.secrets.iter().any(is_kept) {
        return Err(Stop::refused(
            "secret",
            format!(
                "the enclave's answer does not name version {version} of the secret: look with \
                 `openkey operator status`, and set it again if it is not there"
            ),
        ));
    }
    report::root(args.json, &status, "the secret was kept");
    Ok(())
}
