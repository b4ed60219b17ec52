//! `openkey operator genesis` and `check-genesis`.

use std::path::Path;

use openkey_attestation::{Policy, Verifier};
use openkey_cli::{Approval, Backup, Ceremony, CeremonyError, OperatorKey};
use openkey_protocol::message::{OperatorRequest, Request, Response, RootState};
use openkey_verifier::{
    attestation::Document,
    client::ClientError,
    command::{ConfigurationFile, ReadArgs, When, configuration_json, output, source},
    configuration::{self, Configuration},
    evidence::Fresh,
};
use serde_json::json;

use crate::{
    args::{CheckGenesis, Genesis},
    files,
    operator::approved,
    session::Session,
    stop::Stop,
};

/// Bytes of the ceremony's nonce.
const NONCE: usize = 32;

pub(super) fn hold(args: &Genesis) -> Result<(), Stop> {
    let read = args.accept.read()?;
    let configuration = before(&read)?;
    let key = args.key.as_deref().map(files::operator_key).transpose()?;
    // A stranger's key opens no share: said while the one genesis of that boot is not spent.
    if let Some(key) = &key
        && !is_operator(&configuration.content, key)
    {
        return Err(CeremonyError::NotAnOperator.into());
    }
    let accept = read.entrusting(When::At(source::now()?))?;
    let verifier = Verifier::new(accept.roots);
    // A place for the files first: a genesis happens once.
    room(&args.out)?;
    let session = Session::open(&args.target)?;
    let first = session.evidence(&verifier, &accept.policy)?;
    not_yet(&session, &first)?;

    approved::show(args.print.json, &configuration.content)?;
    let name = session.name().to_owned();
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|error| Stop::failed("randomness", error.to_string()))?;
    let asked = Asked {
        session,
        verifier,
        policy: accept.policy,
        first,
        configuration,
        key,
        nonce,
    };
    let done = keep(args, &asked).map_err(|stop| stop.spent(&name))?;
    report(
        args.print.json,
        &done,
        &format!("a genesis of enclave {name}"),
    );
    if !args.print.json {
        output::text(&next(args, &asked.configuration.path, &done.ceremony));
    }
    Ok(())
}

/// Makes the directory for the files, which must hold none of them.
fn room(out: &Path) -> Result<(), Stop> {
    let known = ConfigurationFile::read(&out.join(Backup::CONFIGURATION));
    if let Some(root_id) = known.ok().and_then(|known| known.content.root_id) {
        let place = format!("{} holds the files of root id {root_id}", out.display());
        return Err(Stop::failed("cannot_write", exists(&place)));
    }
    files::room_for(out, Backup::NAMES.into_iter().chain([Approval::FILE]))
}

/// That an enclave awaits its genesis, by its evidence and by the status that the same boot signs. Whoever
/// repeats a genesis is told so before anything is asked for.
fn not_yet(session: &Session, first: &Fresh) -> Result<(), Stop> {
    let name = session.name();
    if let Some(root_id) = first.binding().root_id {
        let place = format!("by its evidence enclave {name} runs with root id {root_id}");
        return Err(Stop::refused("root_id", exists(&place)));
    }
    match session.status(Some(first.identity()))?.root.state {
        RootState::AwaitingGenesis => Ok(()),
        RootState::GenesisDone => {
            let place = format!("this boot of enclave {name} has held its genesis");
            // Whoever asked may have been killed before its files were written.
            let unless = format!(
                "if no run has these files, such as after one that was killed, nothing depends on the root key \
                 that was made: boot enclave {name} again and repeat"
            );
            Err(Stop::refused("genesis_done", exists(&place)).and(&unless))
        }
        RootState::Waiting { .. } | RootState::Ready | RootState::HandedOver => {
            let place = format!("by its signed status enclave {name} awaits no genesis");
            Err(Stop::refused("root_id", exists(&place)))
        }
    }
}

/// What is there already, and what to do.
fn exists(place: &str) -> String {
    format!(
        "a deployment exists already: {place}; nothing was asked for, and nothing has changed. Go on with the \
         files that its genesis wrote (genesis.json, descriptor.bin and the configuration.json with the root_id). \
         For a new deployment, boot an enclave with a configuration that has no root_id, and name a new directory \
         with --out"
    )
}

/// A genesis that is about to be asked for.
struct Asked<'a> {
    session: Session,
    verifier: Verifier,
    policy: Policy,
    /// Evidence of the boot that is asked.
    first: Fresh,
    configuration: &'a ConfigurationFile,
    key: Option<OperatorKey>,
    nonce: [u8; NONCE],
}

/// A genesis that was accepted.
struct Done {
    ceremony: Ceremony,
    /// The own place, if the own share was opened.
    own: Option<u32>,
    /// The configuration with the root id.
    configuration: Configuration,
}

/// Asks for the genesis, judges it, and writes its files. Whatever goes wrong here, the enclave was asked.
fn keep(args: &Genesis, asked: &Asked<'_>) -> Result<Done, Stop> {
    let Asked {
        session,
        verifier,
        policy,
        first,
        configuration,
        key,
        nonce,
    } = asked;
    let session = &session.again();
    let request = OperatorRequest::Genesis {
        nonce: nonce.as_slice().into(),
    };
    let Response::Genesis(genesis) = session.call(first.identity(), &Request::Operator(request))?
    else {
        return Err(ClientError::Answer("not one to this request").into());
    };
    let (ceremony, evidence) = Ceremony::fresh(&genesis, verifier, policy, nonce, source::now()?)?;
    if evidence.identity() != first.identity() {
        return Err(Stop::refused(
            "identity_key",
            "another boot than the one asked before answered the genesis",
        ));
    }
    ceremony.check_configuration(&configuration.content)?;
    let own = match key {
        Some(key) => Some(ceremony.share(key)?.place),
        None => None,
    };
    // And it still runs: what was published is the genesis of an enclave that is there.
    let after = session.evidence(verifier, policy)?;
    if after.identity() != first.identity() {
        return Err(Stop::refused(
            "identity_key",
            "the enclave was booted again during the genesis",
        ));
    }

    let files = Backup::of_genesis(&genesis, &configuration.bytes)?;
    // What is signed and written is what the evidence covers, and the root id.
    let covered = configuration
        .content
        .clone()
        .with_root_id(ceremony.root_id());
    if evidence.binding().configuration != configuration.content.hash()
        || files.configuration().hash() != covered.hash()
    {
        return Err(Stop::refused(
            "configuration",
            "the evidence covers another configuration than the one that was read",
        ));
    }
    let approval = match key {
        Some(key) => Some(Approval::sign(key, &ceremony, files.configuration())?.to_json()),
        None => None,
    };
    let approval = approval.iter().map(|it| (Approval::FILE, it.as_bytes()));
    files::write_all_new(&args.out, files.files().chain(approval))?;
    Ok(Done {
        ceremony,
        own,
        configuration: files.configuration().clone(),
    })
}

pub(super) fn check(args: &CheckGenesis) -> Result<(), Stop> {
    let read = args.accept.read()?;
    let configuration = &before(&read)?.content;
    let key = args.key.as_deref().map(files::operator_key).transpose()?;
    let genesis = files::genesis(&args.genesis.file)?;
    // Releases must have been valid at the time that the evidence claims, and is about to prove.
    let when = Document::parse(genesis.document.as_slice()).map_or(When::Whenever, |document| {
        When::At(document.payload().timestamp)
    });
    let accept = read.entrusting(when)?;
    let verifier = Verifier::new(accept.roots);
    let (ceremony, _) = Ceremony::archival(&genesis, &verifier, &accept.policy)?;
    ceremony.check_configuration(configuration)?;
    let own = match &key {
        Some(key) => Some(ceremony.share(key)?.place),
        None => None,
    };
    let done = Done {
        configuration: configuration.clone().with_root_id(ceremony.root_id()),
        ceremony,
        own,
    };
    approved::print(args.print.json, &done.configuration);
    report(args.print.json, &done, "a genesis");
    Ok(())
}

fn is_operator(configuration: &Configuration, key: &OperatorKey) -> bool {
    let mut operators = configuration.operators.iter().flat_map(|it| &it.keys);
    operators.any(|operator| operator == key.public())
}

/// The configuration that a genesis takes place with.
fn before<'a>(accept: &'a ReadArgs<'_>) -> Result<&'a ConfigurationFile, Stop> {
    let file = accept.configuration().ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE says who the operators are; a hash is not enough here",
        )
    })?;
    let configuration = &file.content;
    if configuration.operators.is_none() {
        return Err(Stop::failed(
            "configuration",
            "the configuration names no operators",
        ));
    }
    if configuration.root_id.is_some() {
        return Err(Stop::failed(
            "configuration",
            "the configuration names a root_id: a genesis takes place without one",
        ));
    }
    Ok(file)
}

fn report(as_json: bool, done: &Done, which: &str) {
    let Done {
        ceremony,
        own,
        configuration,
    } = done;
    let production = configuration.hash();
    let descriptor = ceremony.descriptor();
    let names: Vec<_> = descriptor
        .operators
        .iter()
        .map(|o| o.name.as_str())
        .collect();
    if as_json {
        output::json(&json!({
            "root_id": ceremony.root_id().to_string(),
            "threshold": descriptor.threshold,
            "operators": names,
            "epoch": descriptor.epoch,
            "wrapped": ceremony.wrapped().is_some(),
            "own_share": own,
            "configuration": production.to_string(),
            "configuration_pcr": configuration::pcr(production).to_string(),
            "configuration_content": configuration_json(configuration),
        }));
        return;
    }
    let mut table = output::Table::default();
    table.row("root id", ceremony.root_id().to_string());
    table.row(
        "shares",
        format!(
            "{} of {} {} the root key",
            descriptor.threshold,
            names.len(),
            if descriptor.threshold == 1 {
                "makes"
            } else {
                "make"
            }
        ),
    );
    table.row("operators", names.join(", "));
    table.row(
        "KMS",
        if ceremony.wrapped().is_some() {
            "wrapped"
        } else {
            "not used"
        },
    );
    table.row(
        "your share",
        match own {
            Some(_) => "opens, and is the one committed to",
            None => "not checked: give --key",
        },
    );
    table.row("configuration", format!("{production} from now on"));
    table.row("PCR16", configuration::pcr(production).to_string());
    output::text(&format!("accepted: {which}\n\n{}", table.render()));
}

fn next(args: &Genesis, before: &Path, ceremony: &Ceremony) -> String {
    format!(
        "\nNext:
  1. Give {dir}/genesis.json, {before} and {dir}/configuration.json to every operator. Each runs
     `openkey operator check-genesis` with --configuration {before} (without a root_id), then
     `openkey operator approve` with --configuration {dir}/configuration.json.
     ({dir}/approval.json is the word of whoever held this genesis with --key: no other operator can use it.)
  2. Stop this enclave: it serves nothing else. Boot again with {dir}/configuration.json, and give
     host-proxy {dir}/descriptor.bin (and wrapped.bin) as boot files.
  3. {operators} `openkey operator post-share`.
  4. Publish root id {root_id}: clients pin it.
  5. `openkey operator backup --dir {dir} --root-id {root_id} --key FILE --out FILE`; every other
     operator makes one, too, with `--approval FILE`: their own approval.
",
        dir = args.out.display(),
        before = before.display(),
        operators = match ceremony.descriptor().threshold {
            1 => "1 operator runs".to_owned(),
            threshold => format!("{threshold} operators run"),
        },
        root_id = ceremony.root_id(),
    )
}
