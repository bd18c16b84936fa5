//! Civitai.
