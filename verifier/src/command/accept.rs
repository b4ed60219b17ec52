//! What is accepted, as flags say it.

use std::path::{Path, PathBuf};

use clap::Args;
use openkey_attestation::{
    Measurements, Pcr, PcrParseError, Policy, PolicyDraft, PolicyFile, PolicyFileError, Roots,
    UnixMillis, limits::MAX_RELEASES,
};
use openkey_protocol::message::Hash32;

use super::{ConfigurationFile, Failure, named::Named, source};
use crate::{
    page,
    policy::{self, PolicyError, Terms},
    release::{self, MAX_RELEASE_FILE, Release, ReleaseKeys},
};

/// Longest file of release keys that is read; the library takes less and says so.
const MAX_KEYS_FILE: usize = 64 * 1024;

/// What is said where no configuration was named for what entrusts something to an enclave.
const CONFIGURATION_NEEDED: &str = "the policy names an image and no configuration (PCR16, not zeros): whoever runs the host could run \
     the image with their own operators and release keys; name the configuration with --configuration";

/// What is accepted: one of four, none by default; and what else must hold.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// A policy file: accepted measurements or releases, roots, root id, ages.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["accept_release", "pcr", "any_measurement"])]
    policy: Option<PathBuf>,
    /// A release manifest, signed by enough of --keys. Several, while one release follows another.
    #[arg(
        id = "accept_release",
        long = "release",
        value_name = "FILE",
        requires = "accept_keys",
        conflicts_with_all = ["pcr", "any_measurement"]
    )]
    release: Vec<PathBuf>,
    /// The release keys: `{"threshold":N,"keys":["HEX",…]}`.
    #[arg(
        id = "accept_keys",
        long = "keys",
        value_name = "FILE",
        requires = "accept_release"
    )]
    keys: Option<PathBuf>,
    /// A measurement that must be in the document, such as 0=HEX; all that are given must match.
    #[arg(long, value_name = "N=HEX", value_parser = parse_pcr, conflicts_with = "any_measurement")]
    pcr: Vec<(u8, Pcr)>,
    /// Accept any code at all: under the AWS root, anybody's. Says only that there is an enclave.
    #[arg(long)]
    any_measurement: bool,
    /// The run-time configuration that must be measured into register 16: its file, or its hash.
    #[arg(long, value_name = "FILE|HASH", conflicts_with_all = ["any_configuration", "any_measurement"])]
    configuration: Option<String>,
    /// Accept the image with any configuration: with anybody's operators and release keys.
    #[arg(long)]
    any_configuration: bool,
    /// The root id that the enclave must have: which root key, of which operators.
    #[arg(long, value_name = "HEX", value_parser = parse_hash)]
    root_id: Option<Hash32>,
    /// The lowest release epoch to accept.
    #[arg(long, value_name = "N")]
    min_epoch: Option<u32>,
    /// A root certificate, PEM or DER, instead of the AWS root and the policy's roots.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

/// At which time releases must be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this one.
    At(UnixMillis),
    /// At no particular one: nothing is known about the document's time.
    Whenever,
}

/// What is accepted, and how to say so.
#[derive(Debug)]
pub struct Accept {
    /// The measurements and other rules that a document has to meet.
    pub policy: Policy,
    /// Under which roots.
    pub roots: Roots,
    /// For people.
    pub measurements: String,
}

impl AcceptArgs {
    /// Makes the policy; releases must be valid `when`.
    ///
    /// # Errors
    ///
    /// No choice, a file that cannot be read or is none, a release that is none, an image without
    /// its configuration, or a configuration, role or instance without an image.
    pub fn resolve(&self, when: When) -> Result<Accept, Failure> {
        self.read()?.resolve(when)
    }

    /// Reads the configuration, once: whoever judges it and uses it goes on with what was read.
    ///
    /// # Errors
    ///
    /// `cannot_open`, `configuration`.
    pub fn read(&self) -> Result<ReadArgs<'_>, Failure> {
        let configuration = self.configuration.as_deref().map(Named::read).transpose()?;
        Ok(ReadArgs {
            args: self,
            configuration,
        })
    }

    fn judged(
        &self,
        configuration: Option<Hash32>,
        when: When,
        entrusts: bool,
    ) -> Result<Accept, Failure> {
        let (PolicyFile { policy, roots }, measurements) = self.choice(when, entrusts)?;
        let terms = Terms {
            configuration,
            any_configuration: self.any_configuration,
            root_id: self.root_id,
            min_epoch: self.min_epoch,
            entrusts,
        };
        let policy =
            policy::judge_by(policy, &terms).map_err(|error| self.unusable(&error, entrusts))?;
        let roots = match &self.root {
            None => roots,
            Some(path) => {
                let file = source::whole("root_too_long", path, source::MAX_ROOT_FILE)?;
                Roots::custom_file(&file).map_err(|error| in_file(path, error.rule(), &error))?
            }
        };
        Ok(Accept {
            policy,
            roots,
            measurements,
        })
    }

    /// Why a policy cannot be used, in the words of the flags that are there.
    fn unusable(&self, error: &PolicyError, entrusts: bool) -> Failure {
        let message = match (error, &self.configuration) {
            (PolicyError::ConfigurationMismatch, Some(configuration)) => {
                let policies: Vec<_> = self
                    .policy
                    .iter()
                    .chain(&self.release)
                    .map(|path| path.display().to_string())
                    .collect();
                let policy = match policies.is_empty() {
                    true => "--pcr".to_owned(),
                    false => policies.join(", "),
                };
                format!(
                    "{policy} and {configuration} name different configurations (PCR16): one of them is of another \
                     deployment or, where a genesis wrote {configuration}, of before the restart; boot again first, \
                     with that configuration, and take the policy of that boot"
                )
            }
            (PolicyError::ConfigurationMissing, _) if entrusts => CONFIGURATION_NEEDED.to_owned(),
            _ => error.to_string(),
        };
        Failure::new(error.rule(), message)
    }

    /// Whether anything was said about what is accepted.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.policy.is_some() || self.keys.is_some() || !self.pcr.is_empty() || self.any_measurement
    }

    fn choice(&self, when: When, entrusts: bool) -> Result<(PolicyFile, String), Failure> {
        if let Some(path) = &self.policy {
            return from_file(path, when);
        }
        if let (Some(keys), false) = (&self.keys, self.release.is_empty()) {
            if self.release.len() > MAX_RELEASES {
                let error = PolicyFileError::TooManyReleases(self.release.len());
                return Err(Failure::new(error.rule(), error.to_string()));
            }
            let keys = read_keys(keys)?;
            return from_releases(&self.release, &keys, when);
        }
        let (policy, words) = if self.any_measurement {
            (Policy::any_measurement(), "any: not compared".to_owned())
        } else if self.pcr.is_empty() {
            // Any code is no choice beside a configuration, or for what entrusts something.
            let choices = match entrusts || self.configuration.is_some() {
                true => "--policy FILE, --release FILE with --keys FILE, or --pcr N=HEX",
                false => {
                    "--policy FILE, --release FILE with --keys FILE, --pcr N=HEX or --any-measurement"
                }
            };
            return Err(Failure::new(
                "no_policy",
                format!(
                    "say what you accept: {choices}; a document alone only says that somebody runs an enclave"
                ),
            ));
        } else {
            let set = Measurements::new(self.pcr.iter().copied())
                .map_err(|error| Failure::new("pcr", error.to_string()))?;
            let given: Vec<_> = set.iter().map(|(index, _)| format!("PCR{index}")).collect();
            let policy = Policy::one_of([set])
                .map_err(|error| Failure::new(error.rule(), error.to_string()))?;
            (policy, format!("{} as given", given.join(", ")))
        };
        let roots = Roots::aws();
        Ok((PolicyFile { policy, roots }, words))
    }
}

/// What is accepted, its configuration read.
#[derive(Debug)]
pub struct ReadArgs<'a> {
    args: &'a AcceptArgs,
    configuration: Option<Named>,
}

impl ReadArgs<'_> {
    /// Makes the policy; releases must be valid `when`.
    ///
    /// # Errors
    ///
    /// As [`AcceptArgs::resolve`].
    pub fn resolve(&self, when: When) -> Result<Accept, Failure> {
        self.args.judged(self.hash(), when, false)
    }

    /// As [`Self::resolve`], for whoever gives something secret to the enclave, or believes in the root key
    /// that it made ([`Terms::entrusts`]).
    ///
    /// # Errors
    ///
    /// Those of [`Self::resolve`], and that the flags or files accept too much.
    pub fn entrusting(&self, when: When) -> Result<Accept, Failure> {
        // Said here, because a policy may name a configuration where the flags allow any.
        if self.args.any_configuration || self.args.any_measurement {
            return Err(self.args.unusable(&PolicyError::ConfigurationMissing, true));
        }
        self.args.judged(self.hash(), when, true)
    }

    /// The configuration that must be measured, if --configuration names its file and not its hash.
    #[must_use]
    pub fn configuration(&self) -> Option<&ConfigurationFile> {
        match &self.configuration {
            Some(Named::File(file)) => Some(file),
            _ => None,
        }
    }

    fn hash(&self) -> Option<Hash32> {
        self.configuration.as_ref().map(Named::hash)
    }
}

fn from_file(path: &Path, when: When) -> Result<(PolicyFile, String), Failure> {
    let draft = PolicyDraft::parse(&source::file(path, source::MAX_POLICY_FILE)?)
        .map_err(|error| in_file(path, error.rule(), &error))?;
    let mut draft = draft;
    let mut words = Vec::new();
    if !draft.measurements.is_empty() {
        let path = path.display();
        words.push(match draft.measurements.len() {
            1 => format!("those of {path}"),
            count => format!("one of the {count} sets of {path}"),
        });
    }
    let mut releases = Vec::new();
    if let Some(keys) = &draft.release_keys {
        let keys =
            policy::release_keys(keys).map_err(|error| in_file(path, error.rule(), &error))?;
        if let Some(name) = draft.releases.iter().find(|name| !page::is_plain(name)) {
            return Err(Failure::new(
                "policy_release_name",
                format!(
                    "{}: {name:?} is not the name of a file beside the policy: letters, digits and \
                     - _ . / only, no part that begins with a dot",
                    path.display()
                ),
            ));
        }
        let beside = path.parent().unwrap_or(Path::new("."));
        let files: Vec<_> = draft
            .releases
            .iter()
            .map(|file| beside.join(file))
            .collect();
        releases = valid(&files, &keys, when)?;
        words.extend(releases.iter().map(named));
        // Those that are out of their time are not accepted, and the others are.
        draft.releases.truncate(releases.len());
    }
    let file =
        policy::complete(draft, &releases).map_err(|error| in_file(path, error.rule(), &error))?;
    Ok((file, words.join(", or ")))
}

fn from_releases(
    files: &[PathBuf],
    keys: &ReleaseKeys,
    when: When,
) -> Result<(PolicyFile, String), Failure> {
    let releases = valid(files, keys, when)?;
    let failed =
        |error: openkey_attestation::PolicyError| Failure::new(error.rule(), error.to_string());
    let mut policy = Policy::one_of(releases.iter().map(Release::measurements)).map_err(failed)?;
    if let Some(lowest) = releases
        .iter()
        .map(|release| release.manifest().epoch)
        .min()
    {
        policy = policy::at_least(policy, lowest);
    }
    let words: Vec<_> = releases.iter().map(named).collect();
    let roots = Roots::aws();
    Ok((PolicyFile { policy, roots }, words.join(", or ")))
}

/// The releases that are valid at this time; at least one.
fn valid(files: &[PathBuf], keys: &ReleaseKeys, when: When) -> Result<Vec<Release>, Failure> {
    let mut releases = Vec::new();
    let mut out_of_time = None;
    for path in files {
        let file = source::file(path, MAX_RELEASE_FILE + 1)?;
        let release =
            release::signed(&file, keys).map_err(|error| in_file(path, error.rule(), &error))?;
        release
            .check_program()
            .map_err(|error| in_file(path, error.rule(), &error))?;
        let in_time = match when {
            When::At(at) => release.check_time(at),
            When::Whenever => Ok(()),
        };
        match in_time {
            Ok(()) => releases.push(release),
            Err(error) => out_of_time = Some(in_file(path, error.rule(), &error)),
        }
    }
    match out_of_time {
        Some(failure) if releases.is_empty() => Err(failure),
        _ => Ok(releases),
    }
}

fn named(release: &Release) -> String {
    let manifest = release.manifest();
    format!(
        "release {} (epoch {}), signed by {} release keys",
        manifest.release,
        manifest.epoch,
        release.signers().len()
    )
}

/// Reads a file of release keys.
///
/// # Errors
///
/// `cannot_open`, or the rules of [`ReleaseKeys`].
pub fn read_keys(path: &Path) -> Result<ReleaseKeys, Failure> {
    ReleaseKeys::from_json(&source::file(path, MAX_KEYS_FILE)?)
        .map_err(|error| in_file(path, error.rule(), &error))
}

fn in_file(path: &Path, rule: &'static str, error: &dyn core::fmt::Display) -> Failure {
    Failure::new(rule, format!("{}: {error}", path.display()))
}

fn parse_hash(text: &str) -> Result<Hash32, String> {
    text.parse()
        .map_err(|error: openkey_protocol::message::ParseIdError| error.to_string())
}

fn parse_pcr(text: &str) -> Result<(u8, Pcr), String> {
    let (index, value) = text
        .split_once('=')
        .ok_or("not of the form N=HEX, such as 0=<96 hexadecimal digits>")?;
    let index = index
        .parse()
        .ok()
        .filter(|index: &u8| *index < 32)
        .ok_or("a PCR is one of 0 to 31")?;
    let value = value
        .parse()
        .map_err(|error: PcrParseError| error.to_string())?;
    Ok((index, value))
}
