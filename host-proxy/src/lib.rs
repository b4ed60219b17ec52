//! The untrusted half: HTTP API, the page, the sealed-record store, limits and metrics
