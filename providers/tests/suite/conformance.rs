//! The promises of `Provider`, kept by all three.
