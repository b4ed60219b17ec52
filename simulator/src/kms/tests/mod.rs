//! The stand-in and the enclave's KMS client against each other, and attackers against the stand-in.

mod enclave;
mod permitted;
mod refused;
mod world;
