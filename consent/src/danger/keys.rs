//! Messages whose signature is itself a secret key, or makes one: texts that programs are known to
//! use, and names and texts that speak of it.

use std::{collections::BTreeSet, sync::LazyLock};

use openkey_protocol::message::Severity;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{Finding, Weight, visit};
use crate::typed_data::{Document, Struct, Value};

/// Texts that make keys, from the list of [`crate::text`]: the same programs may sign them as typed
/// data.
static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let all = serde_json::from_str(include_str!("../text/shapes.json"));
    let all: Vec<Shape> = all.unwrap_or_default();
    all.into_iter().filter(|it| it.is == "key").collect()
});

/// What a row of that list has to say here.
#[derive(Deserialize)]
struct Shape {
    is: String,
    test: Map<String, Json>,
    severity: Severity,
}

impl Shape {
    fn fits(&self, text: &str) -> bool {
        self.test.iter().any(|(how, what)| {
            let what = what.as_str().filter(|it| !it.is_empty());
            what.is_some_and(|what| match how.as_str() {
                "starts_with" => text.trim_start().starts_with(what),
                "contains" | "json_text" => text.contains(what),
                _ => false,
            })
        })
    }
}

/// Texts of this kind that are not on that list, in small letters, each with its severity.
const EXACT: [(&str, Severity); 3] = [
    // https://github.com/Railgun-Community/engine, src/note/shield-note.ts:
    // getShieldPrivateKeySignatureMessage
    ("railgun_shield", Severity::Attention),
    // https://github.com/tinycloudlabs/web-sdk, sdk-services, DataVaultService, with words around
    ("tinycloud-vault-", Severity::Danger),
    ("tinycloud-encryption-", Severity::Danger),
];
/// Beginnings of words that speak of keys by themselves.
const ALONE: [&str; 10] = [
    "encrypt",
    "decrypt",
    "keypair",
    "keystore",
    "mnemonic",
    "passphrase",
    "seedphrase",
    "stealth",
    "privatekey",
    "secretkey",
];
/// Words that do so as names, or beside a word of [`MAKING`].
const SECRETS: [&str; 9] = [
    "vault", "key", "keys", "seed", "secret", "secrets", "entropy", "wallet", "vaults",
];
/// Of these, the words that do so as names alone.
const AS_NAMES: [&str; 3] = ["vault", "vaults", "seed"];
/// Words in front of `key` or `phrase`.
const KINDS: [&str; 14] = [
    "private",
    "secret",
    "spending",
    "viewing",
    "signing",
    "session",
    "privacy",
    "stark",
    "encryption",
    "master",
    "symmetric",
    "api",
    "seed",
    "recovery",
];
/// Beginnings of words that speak of making or opening something.
const MAKING: [&str; 12] = [
    "generat", "deriv", "creat", "unlock", "recover", "restor", "reveal", "open", "access",
    "register", "export", "enabl",
];
/// How many words apart making and what is made may be.
const APART: usize = 8;
/// The same in other languages, in small letters, anywhere.
const ELSEWHERE: [&str; 48] = [
    "密钥",
    "密鑰",
    "私钥",
    "私鑰",
    "助记词",
    "助記詞",
    "加密",
    "解密",
    "保险库",
    "保險庫",
    "金库",
    "金庫",
    "秘密鍵",
    "暗号",
    "復号",
    "鍵を",
    "개인 키",
    "개인키",
    "암호화",
    "복호화",
    "금고",
    "schlüssel",
    "tresor",
    "ключ",
    "шифр",
    "хранилищ",
    "clé privée",
    "clé de",
    "chiffre",
    "coffre-fort",
    "clave privada",
    "clave de cifrado",
    "cifrado",
    "bóveda",
    "chave privada",
    "criptogra",
    "chiave",
    "crittogra",
    "anahtar",
    "şifrele",
    "khóa",
    "kunci enkripsi",
    "klucz",
    "sleutel",
    "مفتاح",
    "تشفير",
    "कुंजी",
    "מפתח",
];

/// How much is known about a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// On the closed list, and its row says already that it makes a key.
    MakesKey,
    /// On the closed list.
    Harmless,
    /// Explained by a known dangerous shape.
    Explained,
    Unknown,
}

/// A message that makes a key, as far as its names and texts say so.
pub(super) fn made(document: &Document<'_>, kind: Kind) -> Option<Finding> {
    let mut names = BTreeSet::new();
    let mut texts: Vec<&str> = document.domain.name().into_iter().collect();
    visit(&document.message, &mut |structure| {
        names.insert(structure.definition.name.as_str());
        for (member, value) in structure.members() {
            names.insert(member.name.as_str());
            each_text(value, &mut texts);
        }
    });
    let mut worst = texts.iter().chain(&names).filter_map(|it| exact(it)).max();
    let speaks = match kind {
        Kind::MakesKey | Kind::Explained => false,
        Kind::Harmless => texts.iter().any(|it| speaks_of_keys(it, false)),
        Kind::Unknown => {
            texts.iter().any(|it| speaks_of_keys(it, true))
                || names.iter().any(|it| speaks_of_keys(it, true))
        }
    };
    if speaks {
        worst = worst.max(Some(Severity::Attention));
    }
    if kind == Kind::MakesKey {
        worst = worst.filter(|it| *it == Severity::Danger);
    }
    // What is not known at all is dangerous; the title is to say why.
    let severity = match (worst?, kind) {
        (_, Kind::Unknown) => Severity::Danger,
        (severity, _) => severity,
    };
    let finding = Finding::new(
        severity,
        "Make a secret key with this signature",
        "It speaks of a key, a vault or encryption. Programs make such keys from the signature \
         itself: whoever gets the signature has the key, for ever. Sign it only in the program that \
         the key is for.",
    );
    Some(Finding {
        weight: Weight::Grave,
        ..finding
    })
}

/// Every text of a message.
pub(super) fn texts<'v>(message: &'v Struct<'_>) -> Vec<&'v str> {
    let mut texts = Vec::new();
    visit(message, &mut |structure| {
        for (_, value) in structure.members() {
            each_text(value, &mut texts);
        }
    });
    texts
}

fn each_text<'v>(value: &'v Value<'_>, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|it| each_text(it, texts)),
        _ => {}
    }
}

/// The severity of a text that a program is known to make a key with.
fn exact(text: &str) -> Option<Severity> {
    let lower = text.to_lowercase();
    let known = EXACT.iter().filter(|(part, _)| lower.contains(part));
    let shapes = SHAPES.iter().filter(|it| it.fits(text));
    known
        .map(|(_, severity)| *severity)
        .chain(shapes.map(|it| it.severity))
        .max()
}

/// True if a text or name speaks of keys. `as_name`: single words count that a sentence could hold by
/// chance.
fn speaks_of_keys(text: &str, as_name: bool) -> bool {
    let lower = text.to_lowercase();
    if ELSEWHERE.iter().any(|part| lower.contains(part)) {
        return true;
    }
    let words = words(text);
    let begins = |word: &str, with: &[&str]| with.iter().any(|start| word.starts_with(start));
    let is_pair = |pair: &[String]| match pair {
        [first, second] => KINDS.contains(&first.as_str()) && begins(second, &["key", "phrase"]),
        _ => false,
    };
    let is_made = |at: usize| {
        let around = words.get(at.saturating_sub(APART)..).unwrap_or_default();
        let length = APART + at.min(APART) + 1;
        around.iter().take(length).any(|it| begins(it, &MAKING))
    };
    words.iter().any(|it| begins(it, &ALONE))
        || words.windows(2).any(is_pair)
        || words.iter().enumerate().any(|(at, it)| {
            (as_name && AS_NAMES.contains(&it.as_str()))
                || (SECRETS.contains(&it.as_str()) && is_made(at))
        })
}

/// The words of a text in small letters; names such as `encryptionKey` are taken apart.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()) {
        let mut word = String::new();
        let mut was_small = false;
        for c in run.chars() {
            if c.is_uppercase() && was_small && !word.is_empty() {
                words.push(core::mem::take(&mut word));
            }
            was_small = c.is_lowercase() || c.is_numeric();
            word.extend(c.to_lowercase());
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_texts_is_read() {
        assert!(SHAPES.len() > 15);
        assert_eq!(
            exact("Access zkSync account.\n\nx"),
            Some(Severity::Attention)
        );
        assert_eq!(exact("tinycloud-x"), Some(Severity::Danger));
        assert_eq!(exact("see https://tinycloud-x.example"), None);
        assert_eq!(exact("my RAILGUN_SHIELD"), Some(Severity::Attention));
    }

    #[test]
    fn names_and_sentences_that_speak_of_keys_are_told() {
        for text in [
            "Sign this to derive your encryption key",
            "EncryptionKey",
            "encryption_key",
            "Unlock my vault",
            "用于生成您的加密密钥",
            "Ihr privater Schlüssel",
            "clé de chiffrement",
            "clave de cifrado",
            "ключ шифрования",
            "your secret phrase",
        ] {
            assert!(speaks_of_keys(text, false), "{text}");
        }
        for text in ["Vault", "VaultAccess", "userSeed"] {
            assert!(speaks_of_keys(text, true), "{text}");
        }
        for text in [
            "Hello, Bob!",
            "The key point is that the gate stays shut.",
            "contents",
            "key",
            "I vote for the vault of the garden club.",
            "monkey business",
        ] {
            assert!(!speaks_of_keys(text, false), "{text}");
        }
    }
}
