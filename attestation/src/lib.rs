//! Attestation documents of the Nitro Secure Module: request, encode, parse, verify, policy
