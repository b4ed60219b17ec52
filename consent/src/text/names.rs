//! What a text or a name inside typed data says of keys: by the same lists as texts that are signed
//! themselves, because programs sign the same words in either form.

use openkey_protocol::message::Severity;

use super::{
    lexicon::{LEXICON, Speech},
    moves::parts,
    shapes, speech,
};

/// How severe a text or a name is as one that a program is known to make a key with; `None` if it is not
/// one of these.
pub(crate) fn makes_key(text: &str) -> Option<Severity> {
    shapes::makes_key(text)
}

/// True if a text or a name speaks of keys. `as_name`: single words count that a sentence could hold by
/// chance.
pub(crate) fn speaks_of_keys(text: &str, as_name: bool) -> bool {
    let Some(lexicon) = LEXICON.as_ref() else {
        // Without the lists nothing passes unjudged.
        return true;
    };
    // Names such as `encryptionKey` are taken apart.
    let apart = parts(text).collect::<Vec<_>>().join(" ");
    [text, &apart].into_iter().map(Speech::of).any(|it| {
        speech::speaks_of_keys(&it, lexicon)
            || lexicon.keys_in_data.is_found(&it)
            || (as_name && lexicon.keys_as_names.is_found(&it))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e11_texts_that_programs_make_keys_with_are_told_inside_typed_data() {
        for (text, severity) in [
            ("Access zkSync account.\n\nx", Some(Severity::Attention)),
            (" \nAccess zkSync account.", Some(Severity::Attention)),
            ("my RAILGUN_SHIELD", Some(Severity::Attention)),
            ("dYdX STARK Key", Some(Severity::Attention)),
            ("Set signing key: 0x1", Some(Severity::Attention)),
            ("tinycloud-x", Some(Severity::Danger)),
            ("my tinycloud-vault-x", Some(Severity::Danger)),
            ("my tinycloud-encryption-x", Some(Severity::Danger)),
            ("see https://tinycloud-x.example", None),
            ("I read: Access zkSync account.", None),
            ("", None),
        ] {
            assert_eq!(makes_key(text), severity, "{text}");
        }
    }

    #[test]
    fn e11_names_and_sentences_that_speak_of_keys_are_told() {
        for text in [
            "Sign this to derive your encryption key",
            "EncryptionKey",
            "encryption_key",
            "symmetricKey",
            "Unlock my vault",
            "用于生成您的加密密钥",
            "我的金库",
            "Ihr privater Schlüssel",
            "Mein Banktresor",
            "clé de chiffrement",
            "mon coffre-fort",
            "clave de cifrado",
            "la mia chiave",
            "ключ шифрования",
            "your secret phrase",
        ] {
            assert!(speaks_of_keys(text, false), "{text}");
        }
        assert!(speaks_of_keys("VaultAccess", false));
        for text in ["Vault", "myVault", "userSeed", "vaults"] {
            assert!(speaks_of_keys(text, true), "{text}");
            assert!(!speaks_of_keys(text, false), "{text}");
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
