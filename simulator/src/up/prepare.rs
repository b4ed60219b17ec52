//! What is in place before the first process starts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context;
use openkey_attestation::{Measurements, Pcr, Policy, PolicyFile, Roots};
use openkey_enclave::configuration::CONFIGURATION_PCR;

use crate::ca::Authority;
use crate::dir::{Dir, FIRST_PORT, Kept};
use crate::fault::Faults;
use crate::nsm::measure::Measurement;
use crate::time::now_ms;

/// Another program has the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "port {0} is taken: stop what listens there, or choose another port with --port \
     (--port 0 picks a free one and keeps it)"
)]
pub struct PortTaken(pub u16);

/// Decides on the port, finds it free, and keeps it. Returns what is kept and the port before, if
/// it was another.
pub(super) fn port(dir: &Dir, asked: Option<u16>) -> anyhow::Result<(Kept, Option<u16>)> {
    let before = dir.kept()?;
    let port = match (asked, &before) {
        (Some(port), _) if port != 0 => port,
        (_, Some(kept)) => kept.port,
        (Some(_), None) => 0,
        (None, None) => FIRST_PORT,
    };
    let free = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => listener.local_addr()?.port(),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => return Err(PortTaken(port).into()),
        Err(e) => {
            return Err(e).with_context(|| format!("port {port}: choose another with --port"));
        }
    };
    let kept = match &before {
        Some(kept) if kept.port == free => kept.clone(),
        _ => Kept::new(free),
    };
    kept.configuration().context("config.json")?;
    dir.keep(&kept)?;
    let moved = before.map(|kept| kept.port).filter(|port| *port != free);
    Ok((kept, moved))
}

/// Makes what is missing, writes what clients read, and forgets the faults of the last run.
/// Returns the enclaves' measurements.
pub(super) fn files(dir: &Dir, kept: &Kept) -> anyhow::Result<BTreeMap<u8, String>> {
    let authority = Authority::open(&dir.ca(), now_ms())?;
    dir.root_key()?;
    Faults::default()
        .write(&dir.faults())
        .context("faults.json")?;
    let measurement = Measurement::of_this_program().context("cannot measure this program")?;
    let configuration = u8::try_from(CONFIGURATION_PCR)?;
    let pcrs = [
        (0, measurement.pcr0),
        (1, measurement.pcr1),
        (2, measurement.pcr2),
        (configuration, kept.configuration()?.pcr()),
    ];
    let set = Measurements::new(pcrs.map(|(index, value)| (index, Pcr(value))))?;
    let policy = PolicyFile {
        policy: Policy::one_of([set])?.simulator(true),
        roots: Roots::custom([authority.root_certificate()?])?,
    };
    dir.write_text(&dir.policy(), &policy.to_json()?)?;
    dir.write_text(&dir.root_certificate(), &authority.root_pem()?)?;
    dir.write_json(&dir.release(), &openkey_host_proxy::release_file())?;
    Ok(pcrs
        .into_iter()
        .map(|(index, value)| (index, hex::encode(value)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, Dir) {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir::create(&temporary.path().join("sim")).unwrap();
        (temporary, dir)
    }

    #[test]
    fn port_zero_picks_once_and_keeps() {
        let (_temporary, dir) = dir();
        let (first, moved) = port(&dir, Some(0)).unwrap();
        assert!(first.port != 0 && moved.is_none());
        for asked in [Some(0), None, Some(first.port)] {
            assert_eq!(port(&dir, asked).unwrap(), (first.clone(), None));
        }
    }

    #[test]
    fn a_taken_port_is_said_and_nothing_is_kept() {
        let (_temporary, dir) = dir();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = taken.local_addr().unwrap().port();
        let error = port(&dir, Some(number)).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&PortTaken(number)));
        assert!(error.to_string().contains("--port"));
        assert_eq!(dir.kept().unwrap(), None);
    }

    #[test]
    fn another_port_is_a_move() {
        let (_temporary, dir) = dir();
        let (first, _) = port(&dir, Some(0)).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = free.local_addr().unwrap().port();
        drop(free);
        let (second, moved) = port(&dir, Some(number)).unwrap();
        assert_eq!((second.port, moved), (number, Some(first.port)));
    }

    #[test]
    fn the_policy_carries_root_and_measurements() {
        let (_temporary, dir) = dir();
        let kept = Kept::new(7100);
        let measured = files(&dir, &kept).unwrap();
        assert_eq!(measured.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 16]);
        let policy = PolicyFile::parse(&std::fs::read(dir.policy()).unwrap()).unwrap();
        assert!(policy.policy.is_for_simulator() && !policy.policy.accepts_debug());
        let sets = policy.policy.measurements().unwrap();
        let pcr16 = sets[0].get(16).unwrap().to_string();
        assert_eq!(measured[&16], pcr16);
        assert_ne!(policy.roots, Roots::aws());
        // Another port is another configuration, and nothing else changes.
        let other = files(&dir, &Kept::new(7101)).unwrap();
        assert_ne!(other[&16], measured[&16]);
        assert_eq!(other[&0], measured[&0]);
    }
}
