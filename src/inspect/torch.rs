//! PyTorch checkpoints: the zip that `torch.save` writes now, and the bare stream it wrote before.

mod legacy;
mod zipped;

#[cfg(test)]
mod tests;

pub(super) use legacy::{read as read_legacy, starts as starts_legacy};
pub(super) use zipped::{Checkpoint, read as read_zip};
