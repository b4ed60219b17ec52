//! Texts: `personal_sign`, EIP-191 version 0x45.

mod abroad;
mod accounts;
mod actors;
mod approvals;
mod commands;
mod data;
mod deals;
mod digests;
mod encoded;
mod entries;
mod forms;
mod lexicon;
mod moves;
mod names;
mod nonces;
mod opaque;
mod orders;
mod others;
mod phrases;
mod readings;
mod shapes;
mod speech;
mod tokens;

pub(super) use self::{
    names::{makes_key, speaks_of_keys},
    nonces::no_random_word,
};
use openkey_capability::{cacao::eip191, siwe::looks_like_siwe, visible::first_hidden};
use openkey_protocol::message::{
    Address, Error, ErrorCode, PromptKind, Severity, Summary, Warning,
};

use super::{
    SigningRequest, address_text, fold,
    refusal::{check_size, hidden, refuse},
    words::{line, most_severe_first, warning},
};

/// More lines or characters than this are told: nobody reads them by chance.
const MANY_LINES: usize = 80;
const MANY_CHARACTERS: usize = 4000;

/// What a text is taken for or speaks of.
#[derive(Clone, Debug)]
struct Finding {
    /// What the title says of the text: `that …`.
    title: &'static str,
    warning: Warning,
}

impl Finding {
    fn new(severity: Severity, title: &'static str, says: &str) -> Self {
        Self {
            title,
            warning: warning(severity, says),
        }
    }
}

/// Reads a text.
pub(super) fn read(text: &str, signer: &Address) -> Result<SigningRequest, Error> {
    check_size(text)?;
    if looks_like_siwe(text) {
        return Err(refuse(
            ErrorCode::SiweRefused,
            "looks_like_siwe",
            "This text reads like a sign-in message, so it is not signed as an ordinary text.",
            "Ask for it to be signed as a sign-in (SIWE) message; then every line is checked.",
        ));
    }
    if let Some(found) = first_hidden(text) {
        return Err(hidden(ErrorCode::TextRefused, found));
    }
    let findings = findings(text, signer);
    let title = title(&findings);
    let mut warnings: Vec<Warning> = findings.into_iter().map(|it| it.warning).collect();
    let (shown, runs) = fold::folded(text);
    let what = if runs.is_folded() {
        "The text below; long runs of lines or spaces are folded in it"
    } else {
        "The text below, exactly as it is"
    };
    warnings.extend(runs.warning());
    let lines = text.lines().count();
    let characters = text.chars().count();
    if lines > MANY_LINES || characters > MANY_CHARACTERS {
        warnings.push(warning(
            Severity::Attention,
            "The text is long. You sign all of it: read it to its end.",
        ));
    }
    let warnings = most_severe_first(warnings);
    let confirm = warnings.iter().any(|w| w.severity == Severity::Danger);
    let summary = Summary {
        title,
        lines: vec![
            line("What", what),
            line("Key", address_text(signer)),
            line(
                "Length",
                format!(
                    "{characters} character{} on {lines} line{}",
                    plural(characters),
                    plural(lines)
                ),
            ),
        ],
        warnings,
        grants: Vec::new(),
        text: Some(shown),
        confirm,
    };
    Ok(SigningRequest {
        kind: PromptKind::SignText,
        digest: eip191(text),
        summary,
    })
}

/// What the noun of a count ends with.
const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// What a text is taken for, by its bytes first. One thing is told once: a shape that is known says more
/// than what any shape of its sort would.
fn findings(text: &str, signer: &Address) -> Vec<Finding> {
    let mut readings = readings::readings(text);
    readings.extend(encoded::decoded(text));
    let (mut findings, known) = shapes::judge(text, &readings, true);
    if !known.is_encoded {
        findings.extend(opaque::judge(text));
    }
    findings.extend(of_readings(text, &readings, signer, known));
    // What the words say is worth more in the title.
    findings.extend(opaque::address_bytes(text));
    if !known.is_encoded && findings.iter().all(|it| !tells_of_tokens(it)) {
        findings.extend(tokens::judge(text));
    }
    findings
}

/// True for what says already that a value may sign somebody in, or be the approval of anything.
fn tells_of_tokens(finding: &Finding) -> bool {
    let titles = [speech::SIGN_IN, speech::ONCE, opaque::WHOLE, opaque::PART];
    titles.contains(&finding.title)
}

/// What the statement of a sign-in is taken for: the same, but that it is a sign-in, and that its bytes
/// are not all that is signed.
pub(super) fn of_statement(statement: &str, signer: &Address) -> Vec<(&'static str, Warning)> {
    let readings = readings::readings(statement);
    let (mut findings, known) = shapes::judge(statement, &readings, false);
    findings.extend(opaque::judge(statement));
    let words = of_readings(statement, &readings, signer, known);
    let is_sign_in = |it: &Finding| [speech::SIGN_IN, accounts::ACCOUNT].contains(&it.title);
    findings.extend(words.into_iter().filter(|it| !is_sign_in(it)));
    said_of("statement", findings)
}

/// What a text inside typed data is taken for, which people wrote; values that nobody can read are told
/// of all members together.
pub(super) fn of_letter(letter: &str, signer: &Address) -> Vec<(&'static str, Warning)> {
    of_part("letter", letter, signer)
}

/// The same for a text of another name.
pub(super) fn of_part(what: &str, text: &str, signer: &Address) -> Vec<(&'static str, Warning)> {
    let readings = readings::readings(text);
    let (mut findings, known) = shapes::judge(text, &readings, false);
    findings.extend(of_readings(text, &readings, signer, known));
    said_of(what, findings)
}

fn said_of(what: &str, findings: Vec<Finding>) -> Vec<(&'static str, Warning)> {
    let said = |it: Finding| {
        let text = it.warning.text.replace("This text", &format!("Its {what}"));
        let text = text.replace("this text", &format!("its {what}"));
        (it.title, warning(it.warning.severity, text))
    };
    findings.into_iter().map(said).collect()
}

/// What a text says in every of its readings; one thing is told once.
fn of_readings(
    text: &str,
    readings: &[String],
    signer: &Address,
    known: shapes::Known,
) -> Vec<Finding> {
    let mut findings = of_words(text, signer, known);
    for reading in readings {
        for more in of_words(reading, signer, known) {
            if findings.iter().all(|it| it.title != more.title) {
                findings.push(more);
            }
        }
    }
    findings
}

/// What a text says in words, and what it is as data, but for what a known shape says already.
fn of_words(text: &str, signer: &Address, known: shapes::Known) -> Vec<Finding> {
    let Some(lexicon) = lexicon::LEXICON.as_ref() else {
        return vec![shapes::broken()];
    };
    let speech = lexicon::Speech::of(text);
    let untold = |finding: &Finding, told: Option<Severity>| Some(finding.warning.severity) > told;
    let others = others::judge(&speech, lexicon, signer.as_bytes());
    // What somebody else may do is told once, by the worst that is said of it.
    let is_worst = others
        .as_ref()
        .is_some_and(|it| it.warning.severity == Severity::Danger);
    let authority = orders::authority(&speech, lexicon, signer.as_bytes());
    let authority = authority.filter(|it| !is_worst || it.warning.severity == Severity::Danger);
    let orders = [
        orders::payment(&speech, lexicon),
        approvals::approval(&speech, lexicon),
        digests::approval(&speech, lexicon),
        authority,
        orders::claim(&speech, lexicon, signer.as_bytes()),
        deals::judge(&speech, lexicon),
    ];
    let keys = [
        speech::keys(&speech, lexicon),
        speech::sign_in(&speech, lexicon),
    ];
    let rest = [
        data::judge(&speech, lexicon),
        speech::once(&speech, lexicon),
        speech::warns_of_itself(&speech, lexicon),
        commands::judge(&speech, lexicon),
    ];
    let told = known.key.max(known.order);
    let orders = orders.into_iter().flatten();
    let keys = keys.into_iter().flatten();
    let rest = rest.into_iter().flatten();
    let mut findings: Vec<Finding> = orders
        .filter(|it| untold(it, known.order))
        .chain(keys.filter(|it| untold(it, known.key)))
        .chain(rest.filter(|it| untold(it, told)))
        .collect();
    // What is said of every address and of every account says less than any of the above.
    let is_said = |it: &Finding| it.warning.severity == Severity::Attention && !findings.is_empty();
    let has_order = findings
        .iter()
        .any(|it| it.warning.severity == Severity::Danger);
    let others = others.filter(|it| !has_order && !is_said(it) && untold(it, told));
    findings.extend(others);
    if told.is_none() && findings.is_empty() {
        findings.extend(accounts::judge(&speech, lexicon));
    }
    findings
}

/// The title names the worst finding.
fn title(findings: &[Finding]) -> String {
    let worst = findings.iter().map(|it| it.warning.severity).max();
    let first = findings
        .iter()
        .find(|it| Some(it.warning.severity) == worst);
    first.map_or_else(
        || "Sign a text".to_owned(),
        |finding| format!("Sign a text {}", finding.title),
    )
}

#[cfg(test)]
mod tests {
    use super::{Address, findings};

    /// Whose key would sign.
    pub(super) const SIGNER: Address = Address([0x11; 20]);

    fn titles(text: &str) -> Vec<&'static str> {
        findings(text, &SIGNER).iter().map(|it| it.title).collect()
    }

    /// What a known shape says is not said again by the words of the text or by its form.
    #[test]
    fn e12_what_a_known_shape_tells_is_told_once() {
        let to = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
        let zksync = "that is a transaction of zkSync Lite";
        let cosmos = "that is a transaction of a Cosmos chain";
        let key = "whose signature is a secret key";
        for (text, title) in [
            (format!("Transfer 5 ETH to: {to}\nNonce: 3"), zksync),
            // Two shapes of one sort.
            (format!("Withdraw 5 ETH to: {to}\nTo: {to}"), zksync),
            (
                r#"{"account_number":"1","chain_id":"x","fee":{},"msgs":[],"sequence":"2"}"#
                    .to_owned(),
                cosmos,
            ),
            (
                r#"{"onlySignOn":"https://trade.dydx.exchange","action":"dYdX STARK Key"}"#
                    .to_owned(),
                key,
            ),
            (
                "Create zkLink's layer2 key.\naction: L2 Key".to_owned(),
                key,
            ),
        ] {
            assert_eq!(titles(&text), [title], "{text}");
        }
        // Without a known shape the words say it.
        let said = titles(&format!("Please transfer 5 ETH to {to}"));
        assert_eq!(said, ["that orders a payment"]);
    }
}
