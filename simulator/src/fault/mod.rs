//! Faults on demand, seeded and repeatable.
//!
//! Each [`Fault`] has a [`Setting`]: how often, how long, or by how much. All of them together are
//! [`Faults`], which `openkey-sim up --fault`, `openkey-sim fault set` and tests write to one file;
//! every process reads it through a [`Board`] and notices a change within 100 ms.
//!
//! Whether the n-th opportunity of a fault strikes depends on the seed, the fault's name and n
//! alone, so that a run can be repeated. Setting a fault begins its count anew.

mod board;
mod clock;
mod nsm;
mod setting;
mod store;
mod stream;

pub use board::{Board, NOTICED_WITHIN};
pub use clock::FaultyClock;
pub use nsm::FaultyNsm;
pub use setting::{ParseFaultError, Setting};
pub use store::FaultyStore;
pub use stream::{FaultyConnector, FaultyListener, FaultyStream};

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::files;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The NSM answers with an internal error.
    NsmError,
    /// The NSM takes its time. It is serial: everybody behind waits, too.
    NsmSlow,
    /// The NSM's documents show debug mode: PCR0, 1 and 2 zero, the signature perfect.
    NsmDebug,
    /// A frame to the enclave, or from it, is held back.
    FrameSlow,
    /// A frame that the enclave sends is lost; the connection lives on.
    FrameDrop,
    /// A connection of the enclave breaks.
    ConnectionReset,
    /// The store answers with the version of a record before the newest.
    StoreOlder,
    /// The store says that a record is not there.
    StoreHide,
    /// The store answers with another record of the same sort: one account in the place of another.
    StoreSwap,
    /// The store fails: before a commit, or after it, when nobody knows whether it happened.
    StoreError,
    /// The host's clock is wrong: the wall clock that the enclave only cross-checks. The NSM's time
    /// and the clocks of clients stay right.
    ClockOffset,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::NsmError,
        Self::NsmSlow,
        Self::NsmDebug,
        Self::FrameSlow,
        Self::FrameDrop,
        Self::ConnectionReset,
        Self::StoreOlder,
        Self::StoreHide,
        Self::StoreSwap,
        Self::StoreError,
        Self::ClockOffset,
    ];

    /// Its name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NsmError => "nsm-error",
            Self::NsmSlow => "nsm-slow",
            Self::NsmDebug => "nsm-debug",
            Self::FrameSlow => "frame-slow",
            Self::FrameDrop => "frame-drop",
            Self::ConnectionReset => "connection-reset",
            Self::StoreOlder => "store-older",
            Self::StoreHide => "store-hide",
            Self::StoreSwap => "store-swap",
            Self::StoreError => "store-error",
            Self::ClockOffset => "clock-offset",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == text)
            .ok_or_else(|| ParseFaultError::Unknown(text.to_owned()))
    }
}

/// Which faults are set, and the seed of their chances. As a file:
/// `{"seed":0,"faults":{"nsm-slow":"250ms@0.1"}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// Another seed, other opportunities that strike.
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    faults: BTreeMap<Fault, Setting>,
}

impl Faults {
    /// No faults, with a seed for those to come.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            faults: BTreeMap::new(),
        }
    }

    /// Sets one.
    ///
    /// # Errors
    ///
    /// [`ParseFaultError::Kind`] if it takes another kind of setting.
    pub fn set(&mut self, fault: Fault, setting: Setting) -> Result<(), ParseFaultError> {
        setting.fits(fault)?;
        self.faults.insert(fault, setting);
        Ok(())
    }

    /// Sets one from `NAME=VALUE`, as on the command line.
    ///
    /// # Errors
    ///
    /// [`ParseFaultError`].
    pub fn set_text(&mut self, text: &str) -> Result<(), ParseFaultError> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| ParseFaultError::Form(text.to_owned()))?;
        self.set(name.parse()?, value.parse()?)
    }

    /// Clears one.
    pub fn clear(&mut self, fault: Fault) {
        self.faults.remove(&fault);
    }

    /// How one is set.
    #[must_use]
    pub fn get(&self, fault: Fault) -> Option<Setting> {
        self.faults.get(&fault).copied()
    }

    /// All that are set.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, Setting)> + '_ {
        self.faults
            .iter()
            .map(|(fault, setting)| (*fault, *setting))
    }

    /// Reads a file of faults; an absent one has none.
    ///
    /// # Errors
    ///
    /// What the system says, or [`std::io::ErrorKind::InvalidData`].
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read?,
        };
        let faults: Self = serde_json::from_slice(&bytes)?;
        for (fault, setting) in faults.iter() {
            setting.fits(fault).map_err(std::io::Error::other)?;
        }
        Ok(faults)
    }

    /// Replaces a file of faults, whole.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        files::write_private(path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_everywhere() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(json, format!("\"{fault}\""));
        }
        assert!("nsm".parse::<Fault>().is_err());
    }

    #[test]
    fn a_file_comes_back_and_a_wrong_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("faults.json");
        assert_eq!(Faults::read(&path).unwrap(), Faults::default());
        let mut faults = Faults::seeded(7);
        for text in ["nsm-slow=250ms@0.1", "clock-offset=-2h", "nsm-debug=on"] {
            faults.set_text(text).unwrap();
        }
        faults.write(&path).unwrap();
        assert_eq!(Faults::read(&path).unwrap(), faults);
        for bad in [
            "{",
            r#"{"seed":1,"faults":{"unknown":"1"}}"#,
            r#"{"seed":1,"faults":{"nsm-slow":"on"}}"#,
            r#"{"seed":1,"fault":{}}"#,
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(Faults::read(&path).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_form_is_checked() {
        let mut faults = Faults::default();
        for bad in [
            "nsm-slow",
            "x=1",
            "nsm-slow=on",
            "frame-drop=2h",
            "frame-drop=",
        ] {
            assert!(faults.set_text(bad).is_err(), "{bad}");
        }
        faults.set_text("frame-drop=5%").unwrap();
        faults.clear(Fault::FrameDrop);
        assert_eq!(faults.iter().count(), 0);
    }
}
