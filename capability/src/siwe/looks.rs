//! What merely looks like a message. A text that a person or a careless reader could take for a
//! sign-in must not be signed as an ordinary text, so this errs on the side of yes.

use crate::visible::is_unreadable;

/// Labels that no ordinary text has several of at the beginning of lines, folded to letters.
const LABELS: [&str; 5] = ["uri:", "version:", "chainid:", "nonce:", "issuedat:"];
/// How many of [`LABELS`] make a sign-in; texts with one or two are ordinary.
const ENOUGH_LABELS: usize = 3;
/// Of these, what no other message with a version, a chain and a nonce has: without a sentence of a sign-in
/// and without both of them, no reader takes a text for one.
const REQUIRED: [&str; 2] = ["uri:", "issuedat:"];
/// Phrases of sign-ins (ERC-4361 and its ancestors; CAIP-122 for other chains), folded to letters.
const PHRASES: [&str; 3] = [
    "wantsyoutosigninwithyour",
    "signinwithethereum",
    "signinwithyourethereum",
];
/// The beginning of the sentence that explains a ReCap (ERC-5573), folded to letters.
const RECAP_SENTENCE: &str = "ifurtherauthorizethestateduritoperform";
/// The scheme of a ReCap resource.
const RECAP_SCHEME: &str = "urn:recap:";

/// True if a text could be taken for a Sign-In with Ethereum message: a phrase of one in any
/// case, spacing or look-alike letters, three of its labels at the beginning of lines (`URI` or
/// `Issued At` among them), or a ReCap.
///
/// True for every valid message as well; ask [`super::Message::parse`] which it is.
#[must_use]
pub fn looks_like_siwe(text: &str) -> bool {
    let letters = letters(text);
    if PHRASES.iter().any(|phrase| letters.contains(phrase)) || mentions_recap(text) {
        return true;
    }
    let starts: Vec<String> = text
        .split(is_line_break)
        .map(|line| {
            let line: String = visible(line).collect();
            let line = line.trim_start_matches(|c: char| !c.is_alphanumeric());
            line.chars()
                .filter(|c| c.is_alphanumeric() || *c == ':')
                .take(16)
                .collect()
        })
        .collect();
    let has = |label: &&&str| starts.iter().any(|start| start.starts_with(**label));
    LABELS.iter().filter(has).count() >= ENOUGH_LABELS && REQUIRED.iter().any(|it| has(&it))
}

/// True if a text holds the scheme of a ReCap resource or the sentence that goes with one, in any
/// case, spacing or look-alike letters.
#[must_use]
pub fn mentions_recap(text: &str) -> bool {
    visible(text).collect::<String>().contains(RECAP_SCHEME)
        || letters(text).contains(RECAP_SENTENCE)
}

/// A text as its words are compared: lower case, plain Latin letters for those that look alike, no
/// accents, and nothing that does not show.
#[must_use]
pub fn plain_letters(text: &str) -> String {
    visible(text).collect()
}

/// Every line break that some program honours.
const fn is_line_break(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Letters and digits alone, folded.
fn letters(text: &str) -> String {
    visible(text).filter(|c| c.is_alphanumeric()).collect()
}

/// What a reader sees, in lower case and plain letters: nothing invisible, no accents.
fn visible(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .flat_map(char::to_lowercase)
        .filter(|c| !is_invisible(*c))
        .map(plain)
}

/// What does not show, and marks on letters; line breaks and tabs separate words.
fn is_invisible(c: char) -> bool {
    is_unreadable(c) && !is_line_break(c)
}

/// The plain Latin letter that a character is drawn like, or itself.
fn plain(c: char) -> char {
    let code = u32::from(c);
    let letter = |offset: u32| char::from_u32(u32::from('a') + offset).unwrap_or(c);
    match c {
        // Full width, circled, and the mathematical alphabets (Unicode blocks of those names).
        '\u{ff41}'..='\u{ff5a}' => letter(code - 0xff41),
        '\u{24d0}'..='\u{24e9}' => letter(code - 0x24d0),
        '\u{1d400}'..='\u{1d6a3}' => letter((code - 0x1d400) % 26),
        // In brackets, in squares, in dark circles and squares, and as parts of flags.
        '\u{249c}'..='\u{24b5}' => letter(code - 0x249c),
        '\u{1f110}'..='\u{1f129}' => letter(code - 0x1f110),
        '\u{1f130}'..='\u{1f149}' => letter(code - 0x1f130),
        '\u{1f150}'..='\u{1f169}' => letter(code - 0x1f150),
        '\u{1f170}'..='\u{1f189}' => letter(code - 0x1f170),
        '\u{1f1e6}'..='\u{1f1ff}' => letter(code - 0x1f1e6),
        '\u{ff1a}' | '\u{a789}' | '\u{2236}' | '\u{fe55}' => ':',
        // Cyrillic, Greek, Armenian and Latin letters that look alike in lower case (the ones that
        // the phrases need, after Unicode's table of confusables).
        'а' | 'α' | 'ɑ' => 'a',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ҽ' => 'e',
        'ɡ' | 'ց' => 'g',
        'һ' | 'հ' | 'н' => 'h',
        'і' | 'ι' | 'ı' | 'ɩ' => 'i',
        'м' => 'm',
        'ո' | 'п' | 'η' => 'n',
        'о' | 'ο' | 'օ' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ѡ' | 'ա' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        // Small capitals, raised and lowered letters, letters with strokes, hooks and accents, and those of
        // Cherokee that are drawn like Latin ones.
        'ᴀ' | 'ᵃ' | 'ᴬ' | 'ₐ' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ȁ' | 'ⱥ' | 'ɐ' | 'ꭺ' => {
            'a'
        }
        'ʙ' | 'ᵇ' | 'ᴮ' | 'ƀ' | 'ɓ' | 'ь' | 'ᏼ' => 'b',
        'ᴄ' | 'ᶜ' | 'ć' | 'č' | 'ĉ' | 'ċ' | 'ƈ' | 'ɕ' | 'ȼ' | 'ꮯ' => 'c',
        'ᴅ' | 'ᵈ' | 'ᴰ' | 'đ' | 'ď' | 'ɗ' | 'ɖ' | 'ꭰ' => 'd',
        'ᴇ' | 'ᵉ' | 'ᴱ' | 'ₑ' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ə' | 'ɛ' | 'ꭼ' => {
            'e'
        }
        'ꜰ' | 'ғ' | 'ᶠ' | 'ƒ' => 'f',
        'ɢ' | 'ᵍ' | 'ᴳ' | 'ğ' | 'ĝ' | 'ġ' | 'ģ' | 'ɠ' | 'ꮐ' => 'g',
        'ʜ' | 'ʰ' | 'ᴴ' | 'ₕ' | 'ħ' | 'ĥ' | 'ɦ' | 'ꮋ' | 'ꮒ' => 'h',
        'ɪ' | 'ⁱ' | 'ᴵ' | 'ᵢ' | 'ī' | 'ĭ' | 'į' | 'ĩ' | 'ɨ' | 'ꭵ' => 'i',
        'ᴊ' | 'ʲ' | 'ᴶ' | 'ⱼ' | 'ĵ' | 'ј' | 'ʝ' | 'ꭻ' => 'j',
        'ᴋ' | 'ᵏ' | 'ᴷ' | 'ₖ' | 'ķ' | 'ƙ' | 'к' | 'κ' | 'ꮶ' => 'k',
        'ʟ' | 'ˡ' | 'ᴸ' | 'ₗ' | 'ł' | 'ĺ' | 'ļ' | 'ľ' | 'ɫ' | 'ӏ' | 'ꮮ' => 'l',
        'ᴍ' | 'ᵐ' | 'ᴹ' | 'ₘ' | 'ɱ' | 'ꮇ' => 'm',
        'ɴ' | 'ⁿ' | 'ᴺ' | 'ₙ' | 'ń' | 'ņ' | 'ň' | 'ɲ' | 'ƞ' => 'n',
        'ᴏ' | 'ᵒ' | 'ᴼ' | 'ₒ' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' => 'o',
        'ᴘ' | 'ᵖ' | 'ᴾ' | 'ₚ' | 'ƥ' | 'ꮲ' => 'p',
        'ǫ' | 'ɋ' | 'ԛ' => 'q',
        'ʀ' | 'ʳ' | 'ᴿ' | 'ᵣ' | 'ŕ' | 'ŗ' | 'ř' | 'ɾ' | 'ɽ' | 'ɍ' | 'ꭱ' | 'ꮢ' => {
            'r'
        }
        'ꜱ' | 'ˢ' | 'ₛ' | 'ś' | 'ŝ' | 'ş' | 'š' | 'ș' | 'ʂ' | 'ꮪ' | 'ſ' => 's',
        'ᴛ' | 'ᵗ' | 'ᵀ' | 'ₜ' | 'ţ' | 'ť' | 'ț' | 'ŧ' | 'ƭ' | 'ʈ' | 'ꭲ' => 't',
        'ᴜ' | 'ᵘ' | 'ᵁ' | 'ᵤ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ũ' => 'u',
        'ᴠ' | 'ᵛ' | 'ⱽ' | 'ᵥ' | 'ʋ' | 'ꮩ' => 'v',
        'ᴡ' | 'ʷ' | 'ᵂ' | 'ŵ' | 'ⱳ' | 'ꮃ' => 'w',
        'ˣ' | 'ₓ' => 'x',
        'ʏ' | 'ʸ' | 'ŷ' | 'ÿ' | 'ý' | 'ƴ' | 'ɏ' | 'ꮍ' => 'y',
        'ᴢ' | 'ᶻ' | 'ź' | 'ż' | 'ž' | 'ȥ' | 'ʐ' | 'ʑ' | 'ƶ' | 'ꮓ' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_are_seen_through() {
        for text in [
            "app.example wants you to sign in with your Ethereum account:",
            "APP.EXAMPLE WANTS YOU TO SIGN IN WITH YOUR ETHEREUM ACCOUNT",
            "app.example\twants  you to\r\nsign in with your Solana account",
            "app.example wants\u{200b} you to si\u{ad}gn in with your account",
            "app.example w\u{430}nts y\u{43e}u to sign in with your account",
            "app.example ｗａｎｔｓ ｙｏｕ to sign in with your account",
            "app.example 𝐰𝐚𝐧𝐭𝐬 you to sign in with your account",
            "app.example wa\u{301}nts you to sign in with your account",
            "app.example w\u{20dd}an\u{1dc4}ts you to sign in with your account",
            "ᴀᴘᴘ.ᴇxᴀᴍᴘʟᴇ ᴡᴀɴᴛꜱ ʏᴏᴜ ᴛᴏ ꜱɪɢɴ ɪɴ ᴡɪᴛʜ ʏᴏᴜʀ account",
            "app.example ʷᵃⁿᵗˢ ʸᵒᵘ ᵗᵒ ˢⁱᵍⁿ ⁱⁿ ʷⁱᵗʰ ʸᵒᵘʳ account",
            "app.example wantſ you to ſign in with your account",
            "app.example wan\u{2800}ts you to sign in with your account",
            "Sign-In with Ethereum",
            "please sign in with ethereum to continue",
            "S I G N - I N  W I T H  E T H E R E U M",
            "URI: x\nVersion: 1\nChain ID: 1",
            "> URI : x\r> chain-id: 1\r> Nonce: abc",
            "Version: 1\nNonce: abc\nIssued At: 2026-03-04T06:00:00Z",
            "Version: 1\nNonce: abc\nChain ID: 1\nURI: x",
            "I further authorize the stated URI to perform the following actions on my behalf:",
            "see urn:recap:eyJhdHQ",
            "see URN:ReCap:eyJhdHQ",
            "see urn:re\u{200d}cap:eyJhdHQ",
            "see urn：recap：eyJhdHQ",
        ] {
            assert!(looks_like_siwe(text), "{text:?}");
        }
    }

    #[test]
    fn ordinary_texts_are_ordinary() {
        for text in [
            "",
            "Hello, world!",
            "I want you to sign the lease with your own pen.",
            "Version: 1\nNonce: 12345678",
            // An order of everPay.
            "action:transfer\nnonce:1\nchainID:1\nversion:v1",
            "Please return. Recap: we agreed on Monday.",
            "Войти в аккаунт",
            "My address is 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266.",
        ] {
            assert!(!looks_like_siwe(text), "{text:?}");
        }
    }
}
