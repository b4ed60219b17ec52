//! What a peer's system has acknowledged: `TCP_INFO` of Linux.

use std::os::fd::AsFd;

use nix::{
    getsockopt_impl,
    sys::socket::{GetSockOpt as _, sockopt::GetStruct},
};

/// The first bytes of Linux's `tcp_info`, which grows at its end. Linux 4.1 has these.
#[repr(C)]
#[derive(Clone, Copy)]
struct TcpInfo {
    state: u8,
    _options: [u8; 7],
    _counts: [u32; 24],
    _rates: [u64; 2],
    bytes_acked: u64,
}

/// Of `state`: the connection is over, and the system keeps nothing for it.
const CLOSED: u8 = 7;

#[derive(Clone, Copy)]
struct Info;

getsockopt_impl!(
    Info,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    TcpInfo,
    GetStruct<TcpInfo>
);

/// Bytes that the peer of an accepted connection has acknowledged so far; all there are, if the connection is
/// closed; `None` if the system does not tell.
pub(super) fn by_peer_of(stream: &impl AsFd) -> Option<u64> {
    let info = Info.get(stream).ok()?;
    Some(if info.state == CLOSED {
        u64::MAX
    } else {
        info.bytes_acked
    })
}
