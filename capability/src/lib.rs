//! Who may do what: strict SIWE (EIP-4361) text. No I/O, no clock
