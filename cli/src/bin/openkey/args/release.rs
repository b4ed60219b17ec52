//! The flags of `openkey release`.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use openkey_verifier::{attestation::UnixMillis, release::rfc3339};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Asking, Print};

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Make a maintainer's key, and print its public half.
    Keygen(ReleaseKeygen),
    /// Make the trust anchor of a deployment, after its genesis.
    Anchor(MakeAnchor),
    /// Write the page of a deployment: the built-in code and its anchor.
    Page(MakePage),
    /// Fill a draft of `openkey-image build`: configuration, page, validity.
    Prepare(Prepare),
    /// Add a signature.
    Sign(Sign),
    /// Collect signed releases into the list that host-proxy serves (--releases).
    Publish(Publish),
}

impl Release {
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::Keygen(args) => args.print.json,
            Self::Anchor(args) => args.print.json,
            Self::Page(args) => args.print.json,
            Self::Prepare(args) => args.print.json,
            Self::Sign(args) => args.asking.json,
            Self::Publish(args) => args.print.json,
        }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
An anchor says whose releases browsers believe for this deployment: release keys and threshold, root
id, relying party and lowest epoch. Everything but the epoch stands in the configuration. A new set of
release keys needs a new anchor with a higher --min-epoch, named by a release that the keys before it
signed; otherwise browsers that know the old one refuse it.")]
pub(crate) struct MakeAnchor {
    /// The deployment's configuration, with its root id and release keys.
    #[arg(long, value_name = "FILE")]
    pub(crate) configuration: PathBuf,
    /// The lowest release epoch that is accepted.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min_epoch: u32,
    /// Where the anchor goes; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The code is the one in this program, the same bytes for every deployment; the anchor becomes DIR/anchor.json.
host-proxy serves DIR with --page-dir, and `prepare --page DIR` names every file's hash in a release. The
anchor of a simulator is refused. --json prints the release file of the page.")]
pub(crate) struct MakePage {
    /// The deployment's anchor.
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: PathBuf,
    /// Where the page goes: a new or empty directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Every release must be signed by the release keys of the anchor, or of an earlier anchor that a release in
the list continues. Keep releases in the list that changed the release keys: browsers that were away need
them, and the anchors before. Releases that no page accepts now (expired, not valid yet, without a
configuration, of another program, below the anchor's epoch, or signed by earlier keys alone) are named; a
list of nothing else is refused.")]
pub(crate) struct Publish {
    /// The signed releases.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) releases: Vec<PathBuf>,
    /// The deployment's anchor.
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: PathBuf,
    /// An anchor before this one; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) earlier: Vec<PathBuf>,
    /// Where the list goes; replaces a published list of releases, and no other file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The file is readable by its owner alone and not encrypted: keep it on an encrypted disk, away from
the machine that builds.")]
pub(crate) struct ReleaseKeygen {
    /// Where the key goes; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("end").required(true).args(["not_after", "days"]))]
pub(crate) struct Prepare {
    /// The draft: draft.json of `openkey-image build`.
    pub(crate) draft: PathBuf,
    /// The run-time configuration that the release is for: its file, or its hash. Needed for a
    /// successor; without it a policy must name the configuration.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) configuration: Option<String>,
    /// The page that is part of the release: the directory that `release page` wrote, or a file
    /// `{"version":1,"page":{…}}`.
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) page: Option<PathBuf>,
    /// The first moment, RFC 3339 in UTC; now unless said otherwise.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    pub(crate) not_before: Option<UnixMillis>,
    /// The last moment, RFC 3339 in UTC.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    pub(crate) not_after: Option<UnixMillis>,
    /// How many days it is valid from --not-before on, instead of --not-after.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub(crate) days: Option<u32>,
    /// Where the manifest goes, without signatures; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Before signing: build the image yourself from the manifest's source_commit and compare the
measurements, and write the page yourself (`release page`): its hash is shown here, too. The signature says that you did. What is signed is shown first (with --json on stderr), and
you are asked. Signatures that are there already must hold over the same manifest.")]
pub(crate) struct Sign {
    /// The manifest; the signature is added to it.
    pub(crate) file: PathBuf,
    /// Your release key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The configuration that the manifest names by its hash: shows its root id.
    #[arg(long, value_name = "FILE")]
    pub(crate) configuration: Option<PathBuf>,
    /// Show the hash of every file of the page, too.
    #[arg(long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

impl Prepare {
    /// From when to when the release is valid, for somebody who prepares it now. The error names the flags.
    pub(crate) fn window(&self, now: UnixMillis) -> Result<(UnixMillis, UnixMillis), String> {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        /// 9999-12-31T23:59:59Z: RFC 3339 has no later year.
        const LAST: UnixMillis = UnixMillis(253_402_300_799_000);
        let from = self.not_before.unwrap_or(now);
        let until = match (self.not_after, self.days) {
            (Some(until), _) => until,
            (None, days) => {
                let days = u64::from(days.unwrap_or_default());
                UnixMillis(from.0.saturating_add(days.saturating_mul(DAY_MS)))
            }
        };
        if until > LAST {
            return Err(format!(
                "--days after --not-before {} end after the year 9999",
                rfc3339(from)
            ));
        }
        // A manifest has whole seconds.
        if until.seconds() <= from.seconds() {
            let which = match self.not_before {
                Some(from) => format!("--not-before {}", rfc3339(from)),
                None => format!("now, {}, which counts without --not-before", rfc3339(from)),
            };
            return Err(format!(
                "--not-after {} is not later than {which}",
                rfc3339(until)
            ));
        }
        Ok((from, until))
    }
}

/// A time as manifests have it.
fn parse_time(text: &str) -> Result<UnixMillis, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .map(UnixMillis::from_seconds)
        .filter(|time| rfc3339(*time) == text)
        .ok_or_else(|| "not a time in UTC to the second, such as 2026-02-06T12:00:00Z".to_owned())
}
