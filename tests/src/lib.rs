//! End-to-end: attacks and scenarios against the running system
