//! modelferry.
