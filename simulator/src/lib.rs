//! A software NSM with its own CA, enclaves as processes, faults on demand. Library and openkey-sim
