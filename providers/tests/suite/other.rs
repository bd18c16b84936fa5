//! Plain URLs.
