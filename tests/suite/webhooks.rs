//! Webhooks: what receivers are told, and what becomes of it when they don't
//! want to hear.

mod deliveries;
mod published;
