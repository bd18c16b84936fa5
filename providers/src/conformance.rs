//! Each promise of [`Provider`](crate::Provider) as a test over a factory.
