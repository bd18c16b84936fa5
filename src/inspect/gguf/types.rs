//! GGUF value types and the sizes of ggml tensor types (`ggml/src/ggml.c`, `type_traits`).

pub(super) const U32: u32 = 4;
pub(super) const STRING: u32 = 8;
pub(super) const ARRAY: u32 = 9;

/// Bytes of a key-value pair's value, for the types that have a fixed size.
pub(super) fn value_size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Bytes that a tensor of `(row length, rows)` takes. `None` where the type may be real but its
/// size is not known here: ids that ggml has yet to give out, and those of the ik_llama.cpp fork.
pub(super) fn tensor_bytes(kind: u32, (row, rows): (u64, u64)) -> Result<Option<u64>, String> {
    let Some((block, bytes)) = block(kind) else {
        return match kind {
            42..=63 | 133..=160 => Ok(None),
            _ => Err(format!("has type {kind}, which does not exist")),
        };
    };
    if row % block != 0 {
        return Err(format!(
            "has rows of {row} elements, which is not a multiple of its type's block of {block}"
        ));
    }
    let total = (row / block)
        .checked_mul(bytes)
        .and_then(|row| row.checked_mul(rows));
    total
        .map(Some)
        .ok_or_else(|| "is too large to be real".to_owned())
}

/// Elements in a block and bytes it takes.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 | 20 | 31..=33 | 36..=38 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        24 => (1, 1),
        27 | 28 => (1, 8),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        40 => (64, 36),
        41 => (128, 18),
        _ => return None,
    })
}
