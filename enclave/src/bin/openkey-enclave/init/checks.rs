//! Whether this machine is one an enclave may wake up in: text in, verdict out.
//!
//! Each function reads what the kernel says in one file. A host that controls the machine can give
//! it other devices, clocks and parameters than the measured ones; these checks refuse what would
//! weaken the enclave.

use crate::init::end::Fatal;

/// The context id of an enclave's parent on AWS.
pub(crate) const PARENT: u32 = 3;
/// The first context id that is a machine's: 0 is the hypervisor, 1 the machine itself.
const FIRST_CID: u32 = 2;
/// Stands for any machine: nothing to connect to.
const ANY_CID: u32 = u32::MAX;

/// The one parameter of ours. Tests' machines have another parent than AWS's.
const PARENT_CID: &str = "openkey.parent_cid=";
/// In front of every parameter of ours.
const OWN: &str = "openkey";

/// The parent's context id by the kernel's command line (`/proc/cmdline`).
///
/// The line is measured on AWS and not elsewhere. A parameter of ours other than this one, twice,
/// in quotes or with another spelling of its number is refused: somebody expects an effect.
pub(crate) fn parent_cid(command_line: &str) -> Result<u32, Fatal> {
    let mut cid = None;
    for word in command_line.split_ascii_whitespace() {
        let Some(number) = word.strip_prefix(PARENT_CID) else {
            if word.to_ascii_lowercase().contains(OWN) {
                return Err(Fatal::CommandLine);
            }
            continue;
        };
        let parsed = number.parse::<u32>().map_err(|_| Fatal::CommandLine)?;
        let plain = parsed.to_string() == number && (FIRST_CID..ANY_CID).contains(&parsed);
        if !plain || cid.replace(parsed).is_some() {
            return Err(Fatal::CommandLine);
        }
    }
    Ok(cid.unwrap_or(PARENT))
}

/// The kernel hands unknown parameters of its command line to init as variables, and libraries read
/// variables (number of threads, CPU features, certificates). Only those that every kernel sets may
/// be there.
pub(crate) fn environment<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), Fatal> {
    let known = |variable| matches!(variable, ("HOME", "/") | ("TERM", "linux"));
    if variables.into_iter().all(known) {
        Ok(())
    } else {
        Err(Fatal::Environment)
    }
}

/// The kernel's random source (`/sys/class/misc/hw_random/rng_current`).
pub(crate) fn random_source(current: &str) -> Result<(), Fatal> {
    if current.trim_ascii() == "nsm-hwrng" {
        Ok(())
    } else {
        Err(Fatal::RandomSource)
    }
}

/// What the clock source says about waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockSource {
    /// It will do.
    Good,
    /// The kernel is still measuring the TSC and decides within a second or two.
    Undecided,
}

/// The clock source (`…/clocksource0/current_clocksource`): one that counts in the CPU or comes
/// from the hypervisor, not a device's that the host could slow down.
pub(crate) fn clock_source(current: &str) -> Result<ClockSource, Fatal> {
    match current.trim_ascii() {
        "kvm-clock" | "tsc" => Ok(ClockSource::Good),
        "tsc-early" => Ok(ClockSource::Undecided),
        _ => Err(Fatal::ClockSource),
    }
}

/// The network interfaces (names in `/sys/class/net`): vsock needs none.
pub(crate) fn interfaces<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), Fatal> {
    if names.into_iter().all(|name| name == "lo") {
        Ok(())
    } else {
        Err(Fatal::Network)
    }
}

/// The machine's memory in bytes (`MemTotal` of `/proc/meminfo`, in units of 1024 bytes).
pub(crate) fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's own line, with what QEMU adds.
    const LINE: &str = "reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux \
        i8042.nopnp i8042.dumbkbd random.trust_cpu=on virtio_mmio.device=512@0xfeb00e00:12";

    #[test]
    fn m8_only_the_parents_id_comes_from_the_command_line() {
        assert_eq!(parent_cid(LINE), Ok(PARENT));
        assert_eq!(parent_cid(""), Ok(PARENT));
        assert_eq!(parent_cid(&format!("{LINE} openkey.parent_cid=2\n")), Ok(2));
        for bad in [
            "openkey.parent_cid=",
            "openkey.parent_cid=0",
            "openkey.parent_cid=1",
            "openkey.parent_cid=4294967295",
            "openkey.parent_cid=4294967296",
            "openkey.parent_cid=02",
            "openkey.parent_cid=+2",
            "openkey.parent_cid=0x2",
            "openkey.parent_cid=2 openkey.parent_cid=2",
            "openkey.parent_cid=2 openkey.parent_cid=4",
            "\"openkey.parent_cid=2\"",
            "openkey.parent-cid=2",
            "OPENKEY.parent_cid=2",
            "openkey.rp_id=example.org",
            "openkey.configuration={}",
            "openkey",
            "init=/openkey",
        ] {
            let line = format!("{LINE} {bad}");
            assert_eq!(parent_cid(&line), Err(Fatal::CommandLine), "{bad}");
        }
    }

    #[test]
    fn m8_no_variable_of_the_command_line_reaches_a_library() {
        let kernels = [("HOME", "/"), ("TERM", "linux")];
        assert_eq!(environment(kernels), Ok(()));
        assert_eq!(environment([]), Ok(()));
        for bad in [
            ("TOKIO_WORKER_THREADS", "1"),
            ("OPENSSL_ia32cap", "0"),
            ("SSL_CERT_FILE", "/x"),
            ("RUST_BACKTRACE", "full"),
            ("HOME", "/x"),
        ] {
            let refused = environment(kernels.into_iter().chain([bad]));
            assert_eq!(refused, Err(Fatal::Environment), "{bad:?}");
        }
    }

    #[test]
    fn m2_only_the_nsm_is_a_random_source() {
        assert_eq!(random_source("nsm-hwrng\n"), Ok(()));
        for bad in [
            "",
            "none\n",
            "virtio_rng.0\n",
            "nsm-hwrng2\n",
            "tpm-rng-0\n",
        ] {
            assert_eq!(random_source(bad), Err(Fatal::RandomSource), "{bad:?}");
        }
    }

    #[test]
    fn m1_a_clock_that_the_host_can_turn_is_refused() {
        for good in ["kvm-clock\n", "tsc\n"] {
            assert_eq!(clock_source(good), Ok(ClockSource::Good));
        }
        assert_eq!(clock_source("tsc-early\n"), Ok(ClockSource::Undecided));
        for bad in [
            "",
            "jiffies",
            "refined-jiffies",
            "hpet",
            "acpi_pm",
            "pit",
            "tsc2",
        ] {
            assert_eq!(clock_source(bad), Err(Fatal::ClockSource), "{bad:?}");
        }
    }

    #[test]
    fn m8_an_interface_beside_loopback_is_refused() {
        assert_eq!(interfaces(["lo"]), Ok(()));
        assert_eq!(interfaces([]), Ok(()));
        for bad in ["eth0", "lo0", "sit0", "dummy0"] {
            assert_eq!(interfaces(["lo", bad]), Err(Fatal::Network), "{bad}");
        }
    }

    #[test]
    fn the_memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:         506304 kB\nMemFree:          480000 kB\n";
        assert_eq!(memory(text), Some(506_304 * 1024));
        assert_eq!(memory("MemFree: 1 kB\n"), None);
        assert_eq!(memory("MemTotal: many kB\n"), None);
    }
}
