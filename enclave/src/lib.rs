//! The trusted program: root key, sealed records, accounts, consent, signing
