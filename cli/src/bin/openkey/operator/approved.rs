//! The configuration that an operator decided on, as their signed word says.

use std::path::{Path, PathBuf};

use openkey_cli::{Approval, ApprovalError, Ceremony, MAX_APPROVAL_FILE, OperatorKey};
use openkey_verifier::{
    command::{
        ConfigurationFile, ReadArgs, configuration_json, configuration_rows, output, source,
    },
    configuration::Configuration,
    release::MAX_RELEASE_FILE,
};
use serde_json::json;

use crate::{
    args::{ApprovalArgs, Approve},
    confirm::confirm,
    files,
    stop::Stop,
};

/// The configuration of the flags, which the operator's own approval must cover.
///
/// # Errors
///
/// Also `approval_missing`: nothing has been sent then.
pub(super) fn configuration<'a>(
    accept: &'a ReadArgs<'_>,
    args: &ApprovalArgs,
    key: &OperatorKey,
) -> Result<(&'a Configuration, Approval), Stop> {
    let configuration = accept.configuration().ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE says which configuration you approved; a hash is not enough here",
        )
    })?;
    let approval = covering(configuration, args, key)?;
    Ok((&configuration.content, approval))
}

/// The operator's own approval, which must cover a configuration of the flags.
///
/// # Errors
///
/// `approval_missing`, and what is wrong with the approval, or with the manifest of `--named-by`.
pub(super) fn covering(
    configuration: &ConfigurationFile,
    args: &ApprovalArgs,
    key: &OperatorKey,
) -> Result<Approval, Stop> {
    let path = match &args.approval {
        Some(path) => path.clone(),
        None => beside(&configuration.path),
    };
    let approval = read(&path, key)?;
    let manifest = match &args.named_by {
        Some(path) => Some(source::file(path, MAX_RELEASE_FILE + 1)?),
        None => None,
    };
    let now = source::now()?;
    approval
        .check(
            &configuration.content,
            manifest.as_deref().map(|it| (it, now)),
        )
        .map_err(|error| in_file(&path, &error))?;
    Ok(approval)
}

/// An approval of the operator's own.
///
/// # Errors
///
/// `approval_missing`, and what is wrong with the approval.
pub(super) fn read(path: &Path, key: &OperatorKey) -> Result<Approval, Stop> {
    if !path.exists() {
        return Err(Stop::failed(
            "approval_missing",
            format!(
                "{}: there is no such file; sign what you decided with `openkey operator approve`, or \
                 name the file with --approval",
                path.display()
            ),
        ));
    }
    let file = source::file(path, MAX_APPROVAL_FILE + 1)?;
    Approval::from_json(&file, &key.public().signing).map_err(|error| in_file(path, &error))
}

/// What is wrong with the approval of a file, and what to do.
pub(super) fn in_file(path: &Path, error: &ApprovalError) -> Stop {
    let more = match error {
        ApprovalError::Signature => " (--out FILE), and name its file with --approval FILE",
        ApprovalError::File(_) => {
            "; name the file that `openkey operator approve` wrote with --approval FILE"
        }
        _ => "",
    };
    Stop::refused(error.rule(), format!("{}: {error}{more}", path.display()))
}

/// `openkey operator approve`.
pub(super) fn approve(args: &Approve) -> Result<(), Stop> {
    let key = files::operator_key(&args.key.file)?;
    let configuration = ConfigurationFile::read(&args.configuration)?.content;
    let root_id = configuration.root_id.ok_or_else(|| {
        Stop::failed(
            "root_id",
            "the configuration names no root_id: approve the one that the genesis wrote",
        )
    })?;
    let ceremony = Ceremony::pinned(&files::genesis(&args.genesis.file)?, &root_id)?;
    ceremony.share(&key)?;
    ceremony.check_configuration(&configuration)?;
    let out = match &args.out {
        Some(path) => path.clone(),
        None => beside(&args.configuration),
    };
    room(&out, &key, &configuration)?;
    show(args.asking.json, &configuration)?;
    if !args.asking.yes {
        confirm("Type yes if the root key may be used under this configuration:")?;
    }
    let approval = Approval::sign(&key, &ceremony, &configuration)?;
    files::write_new(&out, approval.to_json().as_bytes())?;
    if args.asking.json {
        output::json(&json!({
            "root_id": root_id.to_string(),
            "configuration": configuration_json(&configuration),
        }));
    } else {
        output::text(&format!("done: your approval is in {}\n", out.display()));
    }
    Ok(())
}

/// Refuses to go on where another file is in the place of the approval: said before anybody is asked.
fn room(out: &Path, key: &OperatorKey, configuration: &Configuration) -> Result<(), Stop> {
    let is_own = || {
        let file = source::file(out, MAX_APPROVAL_FILE + 1).ok()?;
        let known = Approval::from_json(&file, &key.public().signing).ok()?;
        Some(known.content().configuration == configuration.hash())
    };
    if out.symlink_metadata().is_err() || (out.is_file() && is_own() == Some(true)) {
        return Ok(());
    }
    let message = format!(
        "{}: there is another file already, such as another operator's approval: name yours with --out FILE, and give \
         that with --approval FILE to the other commands",
        out.display()
    );
    Err(Stop::failed("cannot_write", message))
}

fn beside(configuration: &Path) -> PathBuf {
    configuration.with_file_name(Approval::FILE)
}

/// Shows what a configuration decides, before anything is given under it: on stdout, or on stderr where
/// stdout gets one JSON object.
///
/// # Errors
///
/// `cannot_write`: nobody saw it.
pub(super) fn show(as_json: bool, configuration: &Configuration) -> Result<(), Stop> {
    print(as_json, configuration);
    Ok(output::shown()?)
}

/// The same where nothing depends on it.
pub(super) fn print(as_json: bool, configuration: &Configuration) {
    let mut table = output::Table::default();
    for (label, value) in configuration_rows(configuration) {
        table.row(label, value);
    }
    table.show(as_json, "the configuration");
}
