//! The signing path against its floor.

fn main() {}
