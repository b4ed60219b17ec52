//! Where page and node listen: asked for, kept, or free.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, bail};

use super::UpOptions;
use crate::Usage;
use crate::dir::{Dir, FIRST_NODE_PORT, FIRST_PORT, Kept};

/// Another program has the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "port {0} is taken: stop what listens there, or choose another port with --port \
     (--port 0 picks a free one and keeps it)"
)]
pub struct PortTaken(pub u16);

/// Another program has the node's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is taken: stop what listens there, or choose another with --node-listen (port 0 picks a \
     free one and keeps it)"
)]
pub struct NodePortTaken(pub SocketAddr);

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
    let moved = before
        .as_ref()
        .map(|kept| kept.port)
        .filter(|port| *port != free);
    let kept = match before {
        Some(kept) => kept.at(free),
        None => Kept::new(free),
    };
    kept.configuration().context("config.json")?;
    Ok((kept, moved))
}

/// Decides where the node listens, finds it free, and keeps the port. Nothing measures it, so it moves
/// where it was not asked for and is taken.
pub(super) fn node(kept: &mut Kept, options: &UpOptions) -> anyhow::Result<Option<SocketAddr>> {
    if !options.node {
        return Ok(None);
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut wanted = options.node_listen.unwrap_or(any);
    let asked = wanted.port() != 0;
    if asked && wanted.port() == kept.port {
        bail!(Usage(format!(
            "the page and the node cannot both have port {}: choose another one with --port or with \
             --node-listen",
            kept.port
        )));
    }
    if !asked {
        let first = match (options.node_listen, options.port) {
            (Some(_), _) | (_, Some(0)) => 0,
            _ => FIRST_NODE_PORT,
        };
        wanted.set_port(kept.node.unwrap_or(first));
    }
    let free = |address: SocketAddr| {
        // Nothing listens there yet, but something of this simulation is about to.
        if address.port() == kept.port || kept.forks.contains(&address.port()) {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        TcpListener::bind(address)?.local_addr()
    };
    let found = match free(wanted) {
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse && asked => {
            return Err(NodePortTaken(wanted).into());
        }
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            let found = free(SocketAddr::new(wanted.ip(), 0))?;
            eprintln!("{wanted} is taken, so the node listens on {found}");
            found
        }
        other => other.with_context(|| format!("--node-listen {wanted}"))?,
    };
    kept.node = Some(found.port());
    Ok(Some(found))
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
        dir.keep(&first).unwrap();
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
        dir.keep(&first).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = free.local_addr().unwrap().port();
        drop(free);
        let (second, moved) = port(&dir, Some(number)).unwrap();
        assert_eq!((second.port, moved), (number, Some(first.port)));
    }
}
