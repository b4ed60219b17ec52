//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ColorChoice, CommandFactory, Parser, Subcommand, error::ErrorKind};
use openkey_verifier::{
    attestation::Nonce,
    command::{AcceptArgs, TimeArgs},
};

const EXAMPLES: &str = "\
Examples:
  Who runs this service, and with which code?
    openkey-verify host https://keys.example --policy policy.json

  The same against a signed release, one configuration and one root key, remembering its epoch:
    openkey-verify host https://keys.example --release release.json --keys release-keys.json \\
        --configuration configuration.json --root-id HEX --state epochs.json

  Who signed this release, and what does it measure?
    openkey-verify release release.json --keys release-keys.json

  A local simulator (its policy file carries its own root):
    openkey-verify host http://localhost:7100 --policy DIR/policy.json

  A document that was made for your nonce a moment ago:
    openkey-verify document doc.bin --nonce 00112233445566778899aabbccddeeff --policy policy.json

  A stored document, at its own time, whatever code it names:
    openkey-verify document doc.b64 --at document --any-measurement

  Is the page that is served the page that was released?
    openkey-verify page https://keys.example --release release.json --keys release-keys.json

  Your account's receipt, saved by the page:
    openkey-verify account receipt.json --policy policy.json

Exit status:
  0  accepted
  1  judged and refused: stderr says `error: RULE: why`
  2  nothing judged: a wrong flag, a file that cannot be opened, no answer, no policy choice

With --json, one JSON object on stdout says the same for programs (docs/verify.md describes it);
with exit status 2 stdout stays empty, except when `host` judged some of several enclaves.";

/// Check who runs an OpenKey service, what its enclave signed, and that its page is the released
/// one. Trusts no server: everything is checked on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "openkey-verify",
    version,
    color = ColorChoice::Never,
    arg_required_else_help = false,
    after_help = EXAMPLES
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// The same, if the arguments can mean something together.
    pub(crate) fn checked(self) -> Result<Self, clap::Error> {
        if let Command::Account(args) = &self.command
            && !args.more.is_empty()
        {
            let why = format!(
                "one receipt in each run, and these are {}: for FILE in openkey-receipt-*.json; do openkey-verify \
                 account \"$FILE\" …; done",
                args.more.len() + 1
            );
            return Err(Self::command().error(ErrorKind::TooManyValues, why));
        }
        Ok(self)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check an attestation document from a file or stdin.
    Document(DocumentArgs),
    /// Ask a host's enclaves for fresh evidence and check who they are.
    Host(HostArgs),
    /// Compare the page that a host serves with the released one, byte for byte.
    Page(PageArgs),
    /// Check an account receipt, and print the account it is for.
    Account(AccountArgs),
    /// Check a release manifest: enough maintainers signed it, and it is valid now.
    Release(ReleaseArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Freshness: a document says when it was made, but only a nonce of your own says that it was made for
you. So this command wants --nonce, or --at document, which judges the document at its own time and
prints `freshness: not proven`.

Exit status: 0 accepted, 1 refused (an empty file, too), 2 nothing judged.")]
pub(crate) struct DocumentArgs {
    /// The document: binary, base64 or base64url (lines of any length), hex, PEM, or JSON that holds
    /// one; `-` reads stdin.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Judge at this time instead of now: RFC 3339, such as 2026-02-06T12:00:00Z, or `document`
    /// for the document's own time (an archival check).
    #[arg(long, value_name = "RFC3339|document", value_parser = At::parse)]
    pub(crate) at: Option<At>,
    /// The nonce that you chose for this document, in hex.
    #[arg(long, value_name = "HEX", value_parser = parse_nonce)]
    pub(crate) nonce: Option<Nonce>,
    /// Keep the highest release epoch seen of each root id in this file, and refuse lower ones.
    /// Needs --nonce: an old document was right in its time. Nothing is kept of a document that names no
    /// root id, and stderr says so.
    #[arg(long, value_name = "FILE", conflicts_with = "any_measurement")]
    pub(crate) state: Option<PathBuf>,
    /// Accept an enclave in debug mode, whose console its host reads.
    #[arg(long)]
    pub(crate) allow_debug: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
All enclaves that the host lists are asked at once for a document over a nonce made for this run, and
every one must be accepted. A stored document never satisfies this command.")]
pub(crate) struct HostArgs {
    /// Where the service is: https://HOST, or http://localhost:PORT.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Keep the highest release epoch seen of each root id in this file, and refuse lower ones. Not
    /// with --any-measurement: any program could name an epoch that no release reaches. Nothing is kept of an
    /// enclave without a root id, and stderr says so.
    #[arg(long, value_name = "FILE", conflicts_with = "any_measurement")]
    pub(crate) state: Option<PathBuf>,
    /// Take an enclave whose store hides the list of waiting successors from it.
    #[arg(long)]
    pub(crate) allow_unknown: bool,
    /// Refuse an enclave where a successor waits for the root key: for a watch.
    #[arg(long)]
    pub(crate) refuse_waiting: bool,
    #[command(flatten)]
    pub(crate) time: TimeArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Every file of the release is fetched as a browser fetches it and hashed, the root of the origin too;
Content-Type and Content-Security-Policy must be the page's. A host can serve other bytes to other
people: compare from where you are, when it matters.")]
pub(crate) struct PageArgs {
    /// Where the page is: https://HOST, or http://localhost:PORT.
    pub(crate) url: String,
    /// The release file: `{"version":1,"page":{"index.html":"SHA-256 in hex",…}}`, or with --keys
    /// a signed release manifest that names a page.
    #[arg(long, value_name = "FILE")]
    pub(crate) release: PathBuf,
    /// The release keys that must have signed the manifest.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) time: TimeArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The evidence in the receipt is judged at its own time: the receipt shows what the enclave held when
it signed, not what it holds today. It prints `freshness: not proven`.")]
pub(crate) struct AccountArgs {
    /// The receipt file that the page saved, or an https URL of it: one in each run.
    #[arg(value_name = "FILE|URL")]
    pub(crate) from: String,
    /// What a pattern of the shell adds to it, to be refused by name.
    #[arg(hide = true)]
    pub(crate) more: Vec<String>,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    #[command(flatten)]
    pub(crate) time: TimeArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A manifest says which measurements are a release; it does not say that anybody runs it. Give it to
`host --release` for that.

Exit status: 0 accepted, 1 refused, 2 nothing judged.")]
pub(crate) struct ReleaseArgs {
    /// The release manifest; `-` reads stdin.
    pub(crate) file: PathBuf,
    /// The release keys: `{"threshold":N,"keys":["HEX",…]}`.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: PathBuf,
    /// Judge at this time instead of now: RFC 3339, such as 2026-02-06T12:00:00Z.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    pub(crate) at: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// At which time a document is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    /// Its own.
    Document,
    /// Milliseconds since 1970.
    Time(u64),
}

impl At {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "document" {
            return Ok(Self::Document);
        }
        parse_time(text)
            .map(Self::Time)
            .map_err(|error| format!("neither `document` nor {error}"))
    }
}

/// Milliseconds since 1970.
fn parse_time(text: &str) -> Result<u64, String> {
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "a time of RFC 3339, such as 2026-02-06T12:00:00Z".to_owned())?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000)
        .map_err(|_| "a time from 1970 on".to_owned())
}

fn parse_nonce(text: &str) -> Result<Nonce, String> {
    let bytes = hex::decode(text).map_err(|_| "not hexadecimal digits".to_owned())?;
    Nonce::new(&bytes).map_err(|error| error.to_string())
}
