//! The end of the machine, and the one line before it.
//!
//! The console is silent but for this: on hardware it is attached in debug mode only, where
//! measurements are zeros. The line is one of a closed list of texts and holds no data, so that
//! nothing of a configuration, a request or a secret can leave through it.

use std::{io::Write as _, panic, thread, time::Duration};

use rustix::system::{RebootCommand, reboot};

/// Why the enclave ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Fatal {
    /// `/proc`, `/sys` or `/dev` cannot be mounted.
    Mounts,
    /// Memory could be written to a core file or read by a debugger.
    Cores,
    /// The kernel's command line has an `openkey.` parameter that is not the parent's context id.
    CommandLine,
    /// The kernel passed variables on.
    Environment,
    /// The kernel's random source is not the NSM.
    RandomSource,
    /// The clock source is not one that the host cannot stop or turn back.
    ClockSource,
    /// There are network interfaces beside loopback.
    Network,
    /// `/dev/nsm` does not answer.
    Nsm,
    /// The kernel has no entropy.
    Entropy,
    /// The host's boot files hold no configuration that is one.
    Configuration,
    /// The configuration could not be measured and locked.
    Measurement,
    /// The configuration leads to no root key.
    RootSource,
    /// The enclave does not boot for another reason.
    Boot,
    /// A vsock port cannot be listened on.
    Listen,
    /// No threads or no memory.
    Resources,
    /// The program met what must not happen.
    Panic,
    /// Serving ended, which it does not by itself.
    Ended,
}

impl Fatal {
    /// What the console says.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Mounts => "proc, sys or dev cannot be mounted",
            Self::Cores => "core files cannot be turned off",
            Self::CommandLine => "the kernel command line has an unknown openkey. parameter",
            Self::Environment => "the kernel command line sets variables",
            Self::RandomSource => "the kernel's random source is not nsm-hwrng",
            Self::ClockSource => "the clock source is neither kvm-clock nor tsc",
            Self::Network => "there are network interfaces beside lo",
            Self::Nsm => "the NSM does not answer",
            Self::Entropy => "there is no entropy",
            Self::Configuration => "the host's configuration is refused",
            Self::Measurement => "the configuration cannot be measured",
            Self::RootSource => "the configuration names no way to a root key",
            Self::Boot => "the enclave does not boot",
            Self::Listen => "a vsock port cannot be listened on",
            Self::Resources => "there are too few resources",
            Self::Panic => "an internal check failed",
            Self::Ended => "serving ended",
        }
    }
}

/// Makes every panic the end, without its message: that may hold anything.
pub(crate) fn on_panic() {
    panic::set_hook(Box::new(|_| now(Fatal::Panic)));
}

/// Says why and ends the machine. Memory goes with it.
pub(crate) fn now(fatal: Fatal) -> ! {
    /// Should the machine survive its restart, this thread must not go on.
    const AGAIN: Duration = Duration::from_secs(1);
    // The console may be absent or full: that changes nothing.
    let _ = writeln!(std::io::stderr(), "openkey-enclave: {}", fatal.text());
    loop {
        // A restart, since not every machine can be switched off from inside; enclaves are not
        // started again by it.
        let _ = reboot(RebootCommand::Restart);
        thread::sleep(AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The console's only words are these: short, different, and without a place for data.
    #[test]
    fn m9_the_console_has_a_closed_list_of_texts() {
        let all = [
            Fatal::Mounts,
            Fatal::Cores,
            Fatal::CommandLine,
            Fatal::Environment,
            Fatal::RandomSource,
            Fatal::ClockSource,
            Fatal::Network,
            Fatal::Nsm,
            Fatal::Entropy,
            Fatal::Configuration,
            Fatal::Measurement,
            Fatal::RootSource,
            Fatal::Boot,
            Fatal::Listen,
            Fatal::Resources,
            Fatal::Panic,
            Fatal::Ended,
        ];
        let texts: std::collections::HashSet<&str> = all.iter().map(|fatal| fatal.text()).collect();
        assert_eq!(texts.len(), all.len());
        assert!(
            texts
                .iter()
                .all(|text| text.len() < 80 && !text.contains(['{', '\n']))
        );
    }
}
