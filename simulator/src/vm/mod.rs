//! Enclaves as virtual machines: the real image under QEMU's `nitro-enclave` machine, whose NSM
//! signs with a leaf of the simulated CA.
//!
//! For each enclave two programs of the rig (`scripts/rig`): `vhost-device-vsock`, which carries the
//! machine's vsock to unix sockets, and QEMU. They live and die together.

mod image;
mod machine;
mod rig;

pub use self::image::{Image, ImageError};
pub(crate) use self::machine::renew;
pub use self::machine::{CHANNEL_PORT, Machine, REQUEST_PORT};
pub use self::rig::{Rig, RigError};
