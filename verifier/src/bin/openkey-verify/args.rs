//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ColorChoice, Parser, Subcommand};
use openkey_verifier::attestation::{Measurements, Nonce, Pcr, Policy, PolicyFile, Roots};

use crate::{report::Failure, source};

const EXAMPLES: &str = "\
Examples:
  Who runs this service, and with which code?
    openkey-verify host https://keys.example --policy policy.json

  A local simulator (its policy file carries its own root):
    openkey-verify host http://localhost:7100 --policy DIR/policy.json

  A document that was made for your nonce a moment ago:
    openkey-verify document doc.bin --nonce 00112233445566778899aabbccddeeff --policy policy.json

  A stored document, at its own time, whatever code it names:
    openkey-verify document doc.b64 --at document --any-measurement

  Is the page that is served the page that was released?
    openkey-verify page https://keys.example --release release.json

  Your account's receipt, saved by the page:
    openkey-verify account receipt.json --policy policy.json

Exit status:
  0  accepted
  1  judged and refused: stderr says `error: RULE: why`
  2  nothing judged: a wrong flag, a file that cannot be opened, no answer, no policy choice

With --json, one JSON object on stdout says the same for programs (docs/verify.md describes it);
with exit status 2 stdout stays empty.";

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
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Freshness: a document says when it was made, but only a nonce of your own says that it was made for
you. So this command wants --nonce, or --at document, which judges the document at its own time and
prints `freshness: not proven`.

Exit status: 0 accepted, 1 refused (an empty file, too), 2 nothing judged.")]
pub(crate) struct DocumentArgs {
    /// The document: binary, base64 (lines of any length) or hex; `-` reads stdin.
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
    /// Accept an enclave in debug mode, whose console its host reads.
    #[arg(long)]
    pub(crate) allow_debug: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Every enclave that the host lists is asked for a document over a nonce made for this run, and every
one must be accepted. A stored document never satisfies this command.")]
pub(crate) struct HostArgs {
    /// Where the service is: https://HOST, or http://localhost:PORT.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Every file of the release is fetched and hashed, the root of the origin too. A host can serve other
bytes to other people: compare from where you are, when it matters.")]
pub(crate) struct PageArgs {
    /// Where the page is: https://HOST, or http://localhost:PORT.
    pub(crate) url: String,
    /// The release file: `{"version":1,"page":{"index.html":"SHA-256 in hex",…}}`.
    #[arg(long, value_name = "FILE")]
    pub(crate) release: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The evidence in the receipt is judged at its own time: the receipt shows what the enclave held when
it signed, not what it holds today. It prints `freshness: not proven`.")]
pub(crate) struct AccountArgs {
    /// The receipt file that the page saved, or an https URL of it.
    #[arg(value_name = "FILE|URL")]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is accepted: one of three, none by default.
#[derive(Debug, ClapArgs)]
pub(crate) struct AcceptArgs {
    /// A policy file: accepted measurements, roots, ages.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pcr", "any_measurement"])]
    policy: Option<PathBuf>,
    /// A measurement that must be in the document, such as 0=HEX; all that are given must match.
    #[arg(long, value_name = "N=HEX", value_parser = parse_pcr, conflicts_with = "any_measurement")]
    pcr: Vec<(u8, Pcr)>,
    /// Accept any code at all: under the AWS root, anybody's. Says only that there is an enclave.
    #[arg(long)]
    any_measurement: bool,
    /// A root certificate, PEM or DER, instead of the AWS root and the policy's roots.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
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
        use time::{OffsetDateTime, format_description::well_known::Rfc3339};
        if text == "document" {
            return Ok(Self::Document);
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            "neither `document` nor a time of RFC 3339, such as 2026-02-06T12:00:00Z".to_owned()
        })?;
        u64::try_from(time.unix_timestamp_nanos() / 1_000_000)
            .map(Self::Time)
            .map_err(|_| "a time before 1970".to_owned())
    }
}

fn parse_nonce(text: &str) -> Result<Nonce, String> {
    let bytes = hex::decode(text).map_err(|_| "not hexadecimal digits".to_owned())?;
    Nonce::new(&bytes).map_err(|error| error.to_string())
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
        .map_err(|error: openkey_verifier::attestation::PcrParseError| error.to_string())?;
    Ok((index, value))
}

/// What is accepted, and how to say so.
pub(crate) struct Accept {
    pub(crate) policy: Policy,
    pub(crate) roots: Roots,
    /// For people.
    pub(crate) measurements: String,
}

impl AcceptArgs {
    /// Makes the policy.
    ///
    /// # Errors
    ///
    /// No choice, or a file that cannot be read or is none.
    pub(crate) fn resolve(&self) -> Result<Accept, Failure> {
        let (PolicyFile { policy, roots }, measurements) = self.choice()?;
        let roots = match &self.root {
            None => roots,
            Some(path) => Roots::custom_file(&source::file(path, source::MAX_ROOT_FILE)?).map_err(
                |error| Failure::new(error.rule(), format!("{}: {error}", path.display())),
            )?,
        };
        Ok(Accept {
            policy,
            roots,
            measurements,
        })
    }

    fn choice(&self) -> Result<(PolicyFile, String), Failure> {
        if let Some(path) = &self.policy {
            let file = PolicyFile::parse(&source::file(path, source::MAX_POLICY_FILE)?).map_err(
                |error| Failure::new(error.rule(), format!("{}: {error}", path.display())),
            )?;
            let sets = file.policy.measurements().map_or(0, <[_]>::len);
            let words = format!("one of the {sets} of {}", path.display());
            return Ok((file, words));
        }
        let (policy, words) = if self.any_measurement {
            (Policy::any_measurement(), "any: not compared".to_owned())
        } else if self.pcr.is_empty() {
            return Err(Failure::new(
                "no_policy",
                "say what you accept: --policy FILE, --pcr N=HEX or --any-measurement; a document \
                 alone only says that somebody runs an enclave",
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
