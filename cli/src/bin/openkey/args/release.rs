//! The flags of `openkey release`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::Print;

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
            Self::Sign(args) => args.print.json,
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
    /// Where the list goes; replaced whole.
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
pub(crate) struct Prepare {
    /// The draft: release.json of `openkey-image build`.
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
    #[arg(long, value_name = "RFC3339")]
    pub(crate) not_before: Option<String>,
    /// The last moment, RFC 3339 in UTC.
    #[arg(long, value_name = "RFC3339", required_unless_present = "days")]
    pub(crate) not_after: Option<String>,
    /// How many days it is valid, instead of --not-after.
    #[arg(long, value_name = "N", conflicts_with = "not_after", value_parser = clap::value_parser!(u32).range(1..=3660))]
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
measurements. The signature says that you did. What is signed is shown first: with --json on stderr.")]
pub(crate) struct Sign {
    /// The manifest; the signature is added to it.
    pub(crate) file: PathBuf,
    /// Your release key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}
