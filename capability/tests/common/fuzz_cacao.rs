//! Any bytes as a token: the fuzz target's body, also run on its corpus by the tests.

use openkey_capability::cacao::{Cacao, Unsigned};
use openkey_capability::siwe::Message;

/// Whether the bytes are a token, and whether its signature holds.
pub(crate) fn run(bytes: &[u8]) -> (bool, bool) {
    if let Ok(text) = core::str::from_utf8(bytes)
        && let Ok(cacao) = Cacao::from_header(text)
    {
        assert_eq!(Cacao::from_header(&cacao.header()), Ok(cacao));
    }
    let Ok(cacao) = Cacao::decode(bytes) else {
        return (false, false);
    };
    assert_eq!(cacao.as_bytes(), bytes);
    let _ = cacao.recap();
    let _ = cacao.revokes();
    // The text has one reading: whoever reads it strictly reads the same fields.
    if let Ok(message) = Message::parse(&cacao.text()) {
        assert_eq!(message.fields(), cacao.fields());
    }
    let unsigned = Unsigned::new(cacao.fields().clone());
    let holds = cacao.verify().is_ok();
    if let Ok(unsigned) = unsigned {
        assert_eq!(unsigned.digest(), cacao.digest());
        assert_eq!(unsigned.sign(cacao.signature()).is_ok(), holds);
    }
    (true, holds)
}
