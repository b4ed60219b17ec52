//! `openkey operator set-secret`.

use openkey_protocol::message::MAX_SECRET;
use openkey_verifier::command::{When, source};

use crate::{args::SetSecret, files, operator::report, session::Session, stop::Stop};

pub(super) fn set(args: &SetSecret) -> Result<(), Stop> {
    if args.accept.is_lax() {
        return Err(Stop::failed(
            "configuration_missing",
            "a secret is not given to an enclave of any image or configuration",
        ));
    }
    let configuration = args.accept.configuration_file()?.ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE says which operator you are",
        )
    })?;
    let key = files::operator_key(&args.key)?;
    let operators = configuration
        .operators
        .map_or_else(Vec::new, |operators| operators.keys);
    let place = operators
        .iter()
        .position(|operator| operator == key.public())
        .and_then(|place| u32::try_from(place).ok())
        .ok_or_else(|| {
            Stop::failed(
                "not_an_operator",
                "this key is not one of the configuration's operators",
            )
        })?;
    let accept = args.accept.resolve(When::At(source::now()?))?;
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
    report::root(args.json, &status, "the secret was kept");
    Ok(())
}
