//! Databases of a space's owner, and what may be done in them.
