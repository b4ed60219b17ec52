//! `openkey operator backup` and `restore`.

use std::{collections::BTreeMap, io::ErrorKind, path::Path};

use openkey_cli::{
    Approval, ApprovalError, Backup as Bundle, BackupError, MAX_BACKUP_FILE, MAX_GENESIS_FILE,
};
use openkey_verifier::command::{configuration_json, output, source};
use serde_json::json;

use crate::{
    args::{Backup, Restore},
    files,
    operator::approved,
    stop::Stop,
};

pub(super) fn backup(args: &Backup) -> Result<(), Stop> {
    let mut found = BTreeMap::new();
    for name in Bundle::NAMES {
        let path = args.dir.join(name);
        let missing = matches!(path.metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
        if !missing {
            found.insert(name.to_owned(), source::file(&path, MAX_GENESIS_FILE + 1)?);
        }
    }
    let key = files::operator_key(&args.key)?;
    let bundle = Bundle::new(found, &args.root_id)
        .map_err(|error| Stop::from(error).at(&args.dir.display().to_string()))?;
    bundle.ceremony().share(&key)?;
    let beside = || args.dir.join(Approval::FILE);
    let path = args.approval.clone().unwrap_or_else(beside);
    let approval = approved::read(&path, &key)?;
    let text = bundle
        .to_json(&approval)
        .map_err(|error| approved::in_file(&path, &error))?;
    files::write_new(&args.out, text.as_bytes())?;
    report(args.print.json, &bundle, &args.out);
    Ok(())
}

pub(super) fn restore(args: &Restore) -> Result<(), Stop> {
    let file = source::file(&args.file, MAX_BACKUP_FILE + 1)?;
    let key = files::operator_key(&args.key)?;
    let (bundle, approval) = Bundle::from_json(&file, &args.root_id, &key.public().signing)
        .map_err(|error| in_file(&args.file, error))?;
    bundle.ceremony().share(&key)?;
    let approval = approval.to_json();
    let all = bundle
        .files()
        .chain([(Approval::FILE, approval.as_bytes())]);
    files::write_all_new(&args.dir, all)?;
    report(args.print.json, &bundle, &args.dir);
    Ok(())
}

/// What is wrong with a backup, and what to do.
fn in_file(path: &Path, error: BackupError) -> Stop {
    let stop = match error {
        // To sign now would be to approve whatever is in the file.
        BackupError::Approval(error @ ApprovalError::Signature) => Stop::refused(
            error.rule(),
            "the approval in the backup is not signed by this key: it is the backup of another operator, or was \
             changed; restore the one that you made with this key (`openkey operator backup`)",
        ),
        error => Stop::from(error),
    };
    stop.at(&path.display().to_string())
}

fn report(as_json: bool, bundle: &Bundle, to: &Path) {
    let names: Vec<_> = bundle.files().map(|(name, _)| name).collect();
    if as_json {
        output::json(&json!({
            "root_id": bundle.ceremony().root_id().to_string(),
            "files": names,
            "configuration": configuration_json(bundle.configuration()),
        }));
        return;
    }
    approved::print(false, bundle.configuration());
    output::text(&format!(
        "done: {} of root id {} in {}; your share opens, and you approved this configuration\n",
        names.join(", "),
        bundle.ceremony().root_id(),
        to.display(),
    ));
}
