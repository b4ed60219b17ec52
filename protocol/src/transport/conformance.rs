//! What every transport does.
