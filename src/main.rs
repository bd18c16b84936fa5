//! modelferry.
fn main() {}
