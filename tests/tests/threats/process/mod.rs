//! Attacks with the means of a simulation whose enclaves are processes: faults of the NSM and the
//! clock, edited files of the simulator, a look into the enclave's memory, many restarts. They say
//! nothing about an image, and are left out when the others run on one.

mod forks;
mod full;
mod host;
mod kills;
mod memory;
