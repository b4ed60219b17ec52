//! A question on the terminal.

use std::io::{self, BufRead, IsTerminal};

use openkey_verifier::command::{output, source};

use crate::stop::Stop;

/// Waits for a `yes` to what was shown.
///
/// # Errors
///
/// `not_confirmed`: another answer, or nobody to ask; `cannot_write`: nobody saw what is asked about.
pub(crate) fn confirm(question: &str) -> Result<(), Stop> {
    output::shown()?;
    if !io::stdin().is_terminal() {
        return Err(Stop::failed(
            "not_confirmed",
            "stdin is no terminal: look at what is shown above, then give --yes",
        ));
    }
    output::aside(question);
    output::shown()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| {
        Stop::failed("cannot_open", format!("stdin: {}", source::words(&error)))
    })?;
    if line.trim() == "yes" {
        Ok(())
    } else {
        Err(Stop::failed(
            "not_confirmed",
            "the answer is not yes: nothing was signed or sent",
        ))
    }
}
