//! What a text speaks of in words, where no shape of it is known: keys that are made from its
//! signature, and signing in.

use openkey_protocol::message::Severity;

use super::Finding;

/// Beginnings of words that speak of making or opening something.
const MAKING: [&str; 15] = [
    "generat", "deriv", "creat", "unlock", "recover", "restor", "reveal", "open", "access",
    "register", "export", "import", "control", "protect", "enabl",
];
/// What is made or opened: the beginnings of words, or whole words.
const SECRETS: [&str; 9] = [
    "key",
    "seed",
    "vault",
    "mnemonic",
    "secret",
    "passphrase",
    "entropy",
    "keystore",
    "wallet",
];
/// Words that speak of it by themselves: their beginnings.
const ALONE: [&str; 7] = [
    "encrypt",
    "decrypt",
    "keypair",
    "stealth",
    "mnemonic",
    "passphrase",
    "keystore",
];
/// Pairs of words that do: the beginning of the second, and the first whole.
const PAIRS: [(&str, &str); 14] = [
    ("private", "key"),
    ("secret", "key"),
    ("spending", "key"),
    ("viewing", "key"),
    ("signing", "key"),
    ("session", "key"),
    ("privacy", "key"),
    ("api", "key"),
    ("stark", "key"),
    ("seed", "phrase"),
    ("secret", "phrase"),
    ("recovery", "phrase"),
    ("control", "identity"),
    ("your", "identity"),
];
/// How many words apart making and what is made may be.
const APART: usize = 8;

/// Words that speak of signing in: whole ones, side by side.
const SIGN_IN: [&[&str]; 23] = [
    &["sign", "in"],
    &["signing", "in"],
    &["signin"],
    &["log", "in"],
    &["logging", "in"],
    &["login"],
    &["logon"],
    &["authenticate"],
    &["authentication"],
    &["authenticating"],
    &["authorize"],
    &["authorise"],
    &["authorization"],
    &["nonce"],
    &["challenge"],
    &["session"],
    &["verify", "your"],
    &["verify", "ownership"],
    &["prove", "ownership"],
    &["prove", "you"],
    &["verify", "that"],
    &["terms", "of", "service"],
    &["terms", "of", "use"],
];

/// The same in other languages: keys, seeds and vaults, anywhere in a text in small letters.
const KEYS_ELSEWHERE: [&str; 18] = [
    "密钥",
    "密鑰",
    "私钥",
    "私鑰",
    "助记词",
    "助記詞",
    "加密",
    "解密",
    "秘密鍵",
    "暗号",
    "復号",
    "개인 키",
    "개인키",
    "암호화",
    "schlüssel",
    "ключ",
    "clé privée",
    "clave privada",
];
/// The same in other languages: signing in.
const SIGN_IN_ELSEWHERE: [&str; 18] = [
    "登录",
    "登陆",
    "登入",
    "验证",
    "驗證",
    "ログイン",
    "サインイン",
    "認証",
    "로그인",
    "인증",
    "войти",
    "вход",
    "авториз",
    "anmeld",
    "einlogg",
    "connexion",
    "iniciar sesión",
    "giriş",
];

/// What a text speaks of; at most one of each.
pub(super) fn judge(text: &str) -> Vec<Finding> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut findings = Vec::new();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if speaks_of_keys(&words) || has(&KEYS_ELSEWHERE) {
        findings.push(Finding::new(
            Severity::Attention,
            "that speaks of a key",
            "This text speaks of a key, a vault or encryption. Programs make such keys from the \
             signature itself: whoever gets it has the key. Sign it only in the program that the key \
             is for.",
        ));
    }
    if speaks_of_signing_in(&words) || has(&SIGN_IN_ELSEWHERE) {
        findings.push(Finding::new(
            Severity::Attention,
            "that may sign you in",
            "This text reads like a sign-in: whoever gets the signature may act at some site as you. \
             OpenKey cannot see which site asks. Sign only if you are at that site yourself and began \
             this there.",
        ));
    }
    findings
}

fn speaks_of_keys(words: &[&str]) -> bool {
    let begins = |word: &str, with: &[&str]| with.iter().any(|start| word.starts_with(start));
    let is_secret = |word: &str| {
        SECRETS
            .iter()
            .any(|secret| word == *secret || word.strip_suffix('s') == Some(secret))
    };
    let is_made = |at: usize| {
        let around = words.get(at.saturating_sub(APART)..).unwrap_or_default();
        let length = APART + at.min(APART) + 1;
        around.iter().take(length).any(|it| begins(it, &MAKING))
    };
    let is_pair = |pair: &[&str]| match pair {
        [first, second] => PAIRS
            .iter()
            .any(|(a, b)| first == a && second.starts_with(b)),
        _ => false,
    };
    words.iter().any(|it| begins(it, &ALONE))
        || words.windows(2).any(is_pair)
        || words
            .iter()
            .zip(0..)
            .any(|(it, at)| is_secret(it) && is_made(at))
}

fn speaks_of_signing_in(words: &[&str]) -> bool {
    SIGN_IN
        .iter()
        .any(|phrase| words.windows(phrase.len()).any(|it| it == *phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(text: &str) -> Vec<&'static str> {
        judge(text).into_iter().map(|it| it.title).collect()
    }

    #[test]
    fn e12_texts_that_speak_of_keys_are_told() {
        for text in [
            "Sign this message to derive your encrypted-library key.",
            "Example Messaging Key\n\nSign this message to generate your encryption key.",
            "Sign this message to generate your secret keys.\n\nYour PIN: 1234",
            "UNLOCK VAULT",
            "Create your seed",
            "Allow this account to control your identity",
            "This signature will be used to decrypt your files.",
            "Generate stealth addresses",
            "Register Lighter Account\n\npubkey: 0x00\napi key index: 0x1",
            "Open my wallet",
            "签名以生成您的加密密钥",
            "Erzeugt deinen privaten Schlüssel",
        ] {
            assert_eq!(titles(text), ["that speaks of a key"], "{text}");
        }
    }

    /// Neither the order of the words nor a few between them hide what is made.
    #[test]
    fn e12_what_is_made_stands_near_what_makes_it() {
        let far = "a ".repeat(APART - 1);
        for text in [
            "Derive wallets",
            "Wallets to derive",
            &format!("Derive {far}wallet"),
            &format!("Wallet {far}derived"),
        ] {
            assert_eq!(titles(text), ["that speaks of a key"], "{text}");
        }
        let farther = "a ".repeat(APART);
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
            "example.com asks you to log in. One-time code: 1",
            "Nonce: 123456",
            "欢迎！请签名登录。",
            "Подпишите, чтобы войти на сайт",
        ] {
            assert_eq!(titles(text), ["that may sign you in"], "{text}");
        }
    }

    #[test]
    fn ordinary_texts_speak_of_neither() {
        for text in [
            "Hello World",
            "Let us plant two apple trees by the gate.",
            "The key point is that the gate stays shut.",
            "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
            "I vote for proposal 12 of the garden club.",
            "Order 66 at 12:30",
            "In terms of trees we agree.",
        ] {
            assert!(titles(text).is_empty(), "{text}");
        }
    }
}
