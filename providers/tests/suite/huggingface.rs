//! Hugging Face.
