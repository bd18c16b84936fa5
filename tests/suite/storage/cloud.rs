//! What only a bucket has to stand.
