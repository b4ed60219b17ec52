//! The verifier as one WebAssembly file: plain exports, no imports
