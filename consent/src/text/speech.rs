//! What a text speaks of in words, where no shape of it is known: keys that are made from its
//! signature, transactions that it approves, signing in, numbers that make it count once.

use openkey_protocol::message::Severity;

use super::{
    Finding, entries,
    lexicon::{Lexicon, Phrases, Speech},
};
use crate::unreadable::words;

/// How the title tells of a sign-in.
pub(super) const SIGN_IN: &str = "that may sign you in";

/// How it tells of a number that counts once.
pub(super) const ONCE: &str = "that some system counts once";

/// How many words apart making and what is made may be.
const APART: usize = 8;
/// Most words of a line that is a label.
const LABEL: usize = 3;
/// How many words behind what asks for a signature its purpose may be.
const PURPOSE: usize = 8;

/// A key or a vault.
pub(super) fn keys(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    if !is_labelled(speech, lexicon) && !speaks_of_keys(speech, lexicon) {
        return None;
    }
    // What OpenKey's own people keep is encrypted with such keys.
    Some(if lexicon.own.is_found(speech) {
        Finding::new(
            Severity::Danger,
            "that speaks of a key of your TinyCloud data",
            "This text speaks of a key or a vault and names TinyCloud or OpenKey. Such keys are made from \
             the signature itself: whoever gets it can read what is encrypted to the key, for ever. Sign \
             it only in a TinyCloud program that you trust.",
        )
    } else {
        Finding::new(
            Severity::Attention,
            "that speaks of a key",
            "This text speaks of a key, a vault or encryption. Programs make such keys from the \
             signature itself: whoever gets it has the key. Sign it only in the program that the key \
             is for.",
        )
    })
}

/// True if a key, a seed or a vault is spoken of, or stands beside a word of making or opening.
pub(super) fn speaks_of_keys(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    lexicon.keys.is_found(speech) || is_made(speech, lexicon, &lexicon.made)
}

/// True if a line of few words is the label of what is made from the signature.
fn is_labelled(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    let is_label = |line: &str| {
        let words = || words(line, char::is_alphanumeric).into_iter();
        // “Wallet address:” is the label of an address.
        let is_address = |(_, it): (usize, &str)| it.eq_ignore_ascii_case("address");
        words().nth(LABEL).is_none()
            && words().any(|(_, it)| lexicon.made.is_word(it))
            && !words().any(is_address)
    };
    speech.text.lines().any(is_label)
}

/// True if a word of making or opening stands beside one of these.
fn is_made(speech: &Speech<'_>, lexicon: &Lexicon, what: &Phrases) -> bool {
    let is_made = |at: usize| {
        what.is_at(speech, at)
            && lexicon
                .making
                .is_in(speech, at.saturating_sub(APART)..at + APART + 1)
    };
    (0..speech.tokens.len()).any(is_made)
}

/// A text that says where alone it may be signed, or that opens an account, an identity or a backup.
pub(super) fn warns_of_itself(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let is_one = lexicon.only_there.is_found(speech) || is_made(speech, lexicon, &lexicon.opened);
    let is_key = || is_labelled(speech, lexicon) || speaks_of_keys(speech, lexicon);
    (is_one && !is_key()).then(|| {
        Finding::new(
            Severity::Attention,
            "that may make a key",
            "This text says where alone it may be signed, or opens an account, an identity, a backup or \
             the like. Programs make the keys of such things from the signature itself: whoever gets it \
             has the key. Sign it only in the very program that it is for.",
        )
    })
}

/// A sign-in.
pub(super) fn sign_in(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let is_one =
        |at: usize| lexicon.sign_in.is_at(speech, at) && !lexicon.not_a_sign_in.is_at(speech, at);
    // “Sign this message to access …”
    let is_asked = |at: usize| {
        lexicon.entering.is_at(speech, at)
            && lexicon.asking.is_in(speech, at.saturating_sub(PURPOSE)..at)
            && !(at.saturating_sub(PURPOSE)..at).any(|it| speech.ends_sentence(it))
    };
    let is_found = (0..speech.tokens.len()).any(|at| is_one(at) || is_asked(at))
        || lexicon.sign_in.is_anywhere(speech)
        || (entries::is_one(speech, lexicon) && keys(speech, lexicon).is_none());
    is_found.then(|| {
        Finding::new(
            Severity::Attention,
            SIGN_IN,
            "This text reads like a sign-in: whoever gets the signature may act at some site as you. \
             OpenKey cannot see which site asks. Sign only if you are at that site yourself and began \
             this there.",
        )
    })
}

/// A number that makes the text count once: no prose has one.
pub(super) fn once(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    lexicon.once.is_found(speech).then(|| {
        Finding::new(
            Severity::Attention,
            ONCE,
            "This text holds a nonce, a number that lets it count once: some system takes the signature \
             as a login or as an order. OpenKey does not know which system.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{findings, tests::SIGNER};
    use super::APART;

    fn titles(text: &str) -> Vec<&'static str> {
        let found = findings(text, &SIGNER).into_iter();
        found.map(|it| it.title).collect()
    }

    #[test]
    fn e12_texts_that_speak_of_keys_are_told() {
        for text in [
            "Sign this message to derive your encrypted-library key.",
            "Example Messaging Key\n\nSign this message to generate your encryption key.",
            "Sign this message to generate your secret keys.\n\nYour PIN: 1234",
            "UNLOCK VAULT",
            "Create your seed",
            "Let this account control your identity",
            "This signature will be used to decrypt your files.",
            "Generate stealth addresses",
            "Open my wallet",
            "My vault key",
            "Vault-Key v1",
            "the master key of my notes",
            "签名以生成您的加密密钥",
            "Erzeugt deinen privaten Schlüssel",
            "Mein Tresorschlüssel",
            "la clé du coffre",
            "La clave de la bóveda",
            "Kasa anahtarı",
            "ключ от моего хранилища",
            "V\u{430}ult key",
            "Va\u{301}ult key",
        ] {
            assert_eq!(titles(text), ["that speaks of a key"], "{text}");
        }
        for text in [
            "TinyCloud vault key",
            "openkey-vault-key-v10",
            "Unlock your OpenKey vault",
        ] {
            assert_eq!(
                titles(text),
                ["that speaks of a key of your TinyCloud data"],
                "{text}"
            );
        }
    }

    /// Neither the order of the words nor a few between them hide what is made.
    #[test]
    fn e12_what_is_made_stands_near_what_makes_it() {
        let far = "so ".repeat(APART - 1);
        for text in [
            "Derive wallets",
            "Wallets to derive",
            &format!("Derive {far}wallet"),
            &format!("Wallet {far}derived"),
        ] {
            assert_eq!(titles(text), ["that speaks of a key"], "{text}");
        }
        let farther = "so ".repeat(APART);
        for text in [
            format!("Derive {farther}wallet"),
            format!("Wallet {farther}derived"),
            "My walletish thing, derived".to_owned(),
        ] {
            assert!(titles(&text).is_empty(), "{text}");
        }
    }

    #[test]
    fn c5_texts_that_speak_of_signing_in_are_told() {
        for text in [
            "Welcome to Example!\n\nClick to sign in and accept the Terms of Service.",
            "Login to Example",
            "example.com asks you to log in. Code: 1",
            "欢迎！请签名登录。",
            "Подпишите, чтобы войти на сайт",
            "Ich melde mich an",
        ] {
            assert_eq!(titles(text), ["that may sign you in"], "{text}");
        }
        // A number that counts once makes no sign-in, and is told.
        for text in [
            "Nonce: 123456",
            "I am signing my one-time nonce: 3487",
            "I vote for the gate. Nonce 5",
        ] {
            assert_eq!(titles(text), ["that some system counts once"], "{text}");
        }
    }

    #[test]
    fn e12_texts_that_approve_transactions_are_told() {
        for text in [
            "You are approving to execute transaction 5 on the chain",
            "I confirm the transaction below",
            "Not only signing in: you authorize all transactions",
        ] {
            assert!(
                titles(text).contains(&"that approves a transaction"),
                "{text}"
            );
        }
    }

    #[test]
    fn ordinary_texts_speak_of_none() {
        for text in [
            "Hello World",
            "Let us plant two apple trees by the gate.",
            "The key point is that the gate stays shut.",
            "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
            "Mein Schlüsselbund liegt unter der Schlüsselblume.",
            "Исключительно хорошая погода, включая вечер.",
            "I vote for proposal 12 of the garden club.",
            "Order 66 at 12:30",
            "In terms of trees we agree.",
            "We sign in good faith.",
            "Sign in order to support the garden club.",
            "This request will not trigger a blockchain transaction or cost any gas fees.",
            "This does not approve any transaction.",
            "Signing will not submit or execute any transactions.",
        ] {
            assert!(titles(text).is_empty(), "{text}: {:?}", titles(text));
        }
    }
}
