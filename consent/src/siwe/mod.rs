//! Sign-In with Ethereum: ERC-4361 under the EIP-191 prefix.

mod members;
mod rights;
mod session;
mod site;
mod times;

use openkey_capability::{
    cacao::eip191,
    cid::Cid,
    recap::ReCap,
    siwe::{Message, SiweError, mentions_recap},
};
use openkey_protocol::message::{
    Address, Error, ErrorCode, Line, PromptKind, Severity, Summary, Warning,
};

use self::times::Span;
use super::{
    SigningRequest, address_text,
    asker::{Asker, foreign},
    chains,
    fold::{self, Runs},
    recap,
    refusal::{check_size, refuse},
    words::{line, most_severe_first, quoted, warning},
};

/// Reads a sign-in that the page itself wrote, or refuses it: as such it is judged more mildly than what
/// somebody was given.
pub(super) fn read_session(
    text: &str,
    signer: &Address,
    asker: Asker<'_>,
    now_ms: i64,
) -> Result<SigningRequest, Error> {
    let request = read(text, signer, asker, now_ms)?;
    // What was read is a message.
    let message = Message::parse(text).map_err(unreadable(text))?;
    let recap = recap::read(&message)?;
    session::check(&message, recap.as_ref(), asker)?;
    Ok(request)
}

/// Reads a sign-in message.
pub(super) fn read(
    text: &str,
    signer: &Address,
    asker: Asker<'_>,
    now_ms: i64,
) -> Result<SigningRequest, Error> {
    check_size(text)?;
    let message = Message::parse(text).map_err(unreadable(text))?;
    let fields = message.fields();
    if fields.address != *signer.as_bytes() {
        return Err(refuse(
            ErrorCode::SiweUnsupported,
            "other_address",
            &format!(
                "This sign-in is for the address {}, but the key's is {}.",
                address_text(&Address(fields.address)),
                address_text(signer)
            ),
            "Choose the key that the sign-in names, or ask the app for a new one.",
        ));
    }
    site::check(fields)?;
    let span = Span::of(&message, now_ms)?;
    let recap = recap::read(&message)?;
    let foreign = foreign(asker, fields.scheme.as_deref(), &fields.domain);
    // Who asks is said only of who is known to.
    let site = if foreign.is_some() {
        "Sign in to"
    } else {
        "Who asks"
    };
    let mut lines = lines(site, &message, recap.as_ref(), &span);
    let mut warnings: Vec<Warning> = foreign.into_iter().collect();
    warnings.extend(site::warnings(fields));
    warnings.extend(span.warnings(recap.is_some()));
    let others = others(&message, recap.as_ref());
    warnings.extend(rights::of_resources(others));
    let told = members::judge(fields, own_words(&message, recap.as_ref()), others, signer);
    warnings.extend(told.warnings);
    let mut title = format!("Sign in to {}", site::in_title(&fields.domain));
    let mut what = vec![line("What", "Sign in as you, with the address below")];
    let mut grants = Vec::new();
    // One text can do several things; the title names them all.
    if let Some(recap) = &recap {
        let granted = recap::explain(&message, recap)?;
        title = format!("{title} and {}", granted.does);
        grants = granted.grants;
        warnings.extend(granted.warnings);
        what.extend(granted.lines);
    }
    if let Some(cid) = revoked(&fields.uri) {
        // The signed message is all that a node needs to end it.
        title.push_str(" and take back a permission");
        what.push(line(
            "What",
            format!("Take back the permission {cid}, and all that was handed on from it"),
        ));
        warnings.push(warning(
            Severity::Attention,
            "What is taken back stays taken back: it can only be given anew.",
        ));
    } else if names_a_token(&fields.uri) {
        warnings.push(warning(
            Severity::Danger,
            format!(
                "The address {} looks like a permission to be taken back, written in a way that not all \
                 programs read alike: some would take the permission back.",
                quoted(&fields.uri)
            ),
        ));
    } else {
        warnings.extend(rights::of_uri(fields, recap.is_some()));
    }
    if let Some(does) = told.statement {
        title = format!("{title}, with a statement {does}");
    }
    // After who asks.
    lines.splice(1..1, what);
    let (shown, runs) = folded(text);
    warnings.extend(runs.warning());
    let warnings = most_severe_first(warnings);
    let confirm = warnings.iter().any(|it| it.severity == Severity::Danger);
    Ok(SigningRequest {
        kind: PromptKind::SignSiwe,
        digest: eip191(text),
        summary: Summary {
            title,
            lines,
            grants,
            warnings,
            text: Some(shown),
            confirm,
        },
    })
}

fn unreadable(text: &str) -> impl FnOnce(SiweError) -> Error {
    move |error| {
        // A ReCap that does not parse must not be called something else.
        let what = if mentions_recap(text) {
            "This sign-in hands out permissions, but it is not in its exact form"
        } else {
            "This is not a sign-in message in its exact form"
        };
        refuse(
            ErrorCode::SiweRefused,
            error.rule(),
            &format!("{what}: {error}."),
            "Tell the app's maker; nothing was signed.",
        )
    }
}

/// A sign-in as it is shown. The blank lines around a statement that is empty are the sign-in's own.
fn folded(text: &str) -> (String, Runs) {
    const BLANK: &str = "\n\n\n\n";
    match text.split_once(BLANK) {
        Some((head, rest)) => {
            let ((head, runs), (rest, more)) = (fold::folded(head), fold::folded(rest));
            (format!("{head}{BLANK}{rest}"), runs.longer(more))
        }
        None => fold::folded(text),
    }
}

/// What the app says by itself: the generated sentence is told permission by permission.
fn own_words<'m>(message: &'m Message, recap: Option<&ReCap>) -> Option<&'m str> {
    let statement = message.fields().statement.as_deref()?;
    match recap {
        Some(recap) => recap::own_words(statement, recap).filter(|own| !own.is_empty()),
        None => Some(statement),
    }
}

/// Whether a URI is of the scheme by which tokens are taken back, in any case. Readers exist that skip
/// what stands before a CID or behind it, and revoke what this one does not call a revocation.
fn names_a_token(uri: &str) -> bool {
    uri.split_once(':')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("ucan"))
}

/// The token that a message takes back: who signs it for `ucan:<cid>` revokes.
fn revoked(uri: &str) -> Option<Cid> {
    Cid::parse(uri.strip_prefix("ucan:")?).ok()
}

fn lines(site: &str, message: &Message, recap: Option<&ReCap>, span: &Span) -> Vec<Line> {
    let fields = message.fields();
    let mut lines = vec![line(site, site::whole(fields))];
    if let Some(statement) = own_words(message, recap) {
        let said = match statement {
            "" => "Nothing: the statement is empty".to_owned(),
            _ => quoted(statement),
        };
        lines.push(line("They say", said));
    }
    lines.push(line("For", &fields.uri));
    lines.extend(span.lines());
    lines.push(line("Chain", chains::name(fields.chain_id.get())));
    lines.push(line("Key", address_text(&Address(fields.address))));
    lines.push(line("Account", message.account()));
    for (resource, number) in others(message, recap).iter().zip(1..) {
        lines.push(line(format!("Resource {number}"), resource));
    }
    lines.push(span.made());
    if let Some(id) = &fields.request_id {
        lines.push(line("Request", id));
    }
    lines.push(line("Nonce", &fields.nonce));
    lines
}

/// The resources in front of the ReCap.
fn others<'m>(message: &'m Message, recap: Option<&ReCap>) -> &'m [String] {
    let resources = message.fields().resources.as_deref().unwrap_or_default();
    let count = resources.len().saturating_sub(usize::from(recap.is_some()));
    resources.get(..count).unwrap_or_default()
}
