//! What NumPy's own savers call and build.

use super::{
    super::{
        references::{Callee, Role},
        value::{Made, Value},
    },
    Fault, Judged, data, must, role,
    tensor::dimensions,
    unsafe_arguments,
};

/// `dtype("f4", False, True)`: a plain code of one element type, and never `O` (objects).
pub(super) fn dtype(args: &[Value]) -> Judged<Made> {
    let [code, flags @ ..] = args else {
        return unsafe_arguments();
    };
    let code = match code {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return unsafe_arguments(),
    };
    let code = code
        .strip_prefix(b"<")
        .or(code.strip_prefix(b">"))
        .or(code.strip_prefix(b"|"))
        .or(code.strip_prefix(b"="))
        .unwrap_or(code);
    let Some((kind, digits)) = code.split_first() else {
        return unsafe_arguments();
    };
    if *kind == b'O' {
        return Err(Fault::Unsafe("for an array of Python objects".to_owned()));
    }
    let known = b"?bBhHiIlLqQefdgFDGSUVmMauc".contains(kind)
        && digits.len() <= 10
        && digits.iter().all(u8::is_ascii_digit);
    must(known && flags.len() <= 2 && flags.iter().all(Value::is_flag)).map(|()| Made::Dtype)
}

/// `_reconstruct(ndarray, (0,), b"b")`: an empty array that BUILD then fills.
pub(super) fn reconstruct(args: &[Value]) -> Judged<Made> {
    let [class, shape, kind] = args else {
        return unsafe_arguments();
    };
    let array = role(class) == Some(Role::Callable(Callee::NumpyArray));
    let kind = match kind {
        Value::Bytes(bytes) => bytes.as_ref() == b"b",
        other => other.as_text() == Some("b"),
    };
    must(array && kind && dimensions(shape).is_some()).map(|()| Made::Array)
}

pub(super) fn scalar(args: &[Value]) -> Judged<Made> {
    let raw = |value: &Value| value.is_bytes() || value.is_text();
    match args {
        [Value::Instance(Made::Dtype)] => Ok(Made::Plain),
        [Value::Instance(Made::Dtype), value] => must(raw(value)).map(|()| Made::Plain),
        _ => unsafe_arguments(),
    }
}

/// `_frombuffer(bytes, dtype, shape, order)`: a view of the bytes.
pub(super) fn from_buffer(args: &[Value]) -> Judged<Made> {
    let [raw, Value::Instance(Made::Dtype), shape, order] = args else {
        return unsafe_arguments();
    };
    let order = matches!(order.as_text(), Some("C" | "F" | "A"));
    must(raw.is_bytes() && order && dimensions(shape).is_some()).map(|()| Made::Array)
}

/// `(version, byte order, None, None, None, size, alignment, flags[, metadata])`. The three that
/// are None would make a structured type. Flag 1 says that the elements are Python objects.
pub(super) fn is_dtype_state(state: &Value) -> bool {
    let Some(
        [
            version,
            order,
            Value::None,
            Value::None,
            Value::None,
            size,
            alignment,
            flags,
            metadata @ ..,
        ],
    ) = state.as_tuple()
    else {
        return false;
    };
    let order = match order {
        Value::Bytes(bytes) => matches!(bytes.as_ref(), b"<" | b">" | b"|" | b"="),
        other => matches!(other.as_text(), Some("<" | ">" | "|" | "=")),
    };
    let whole = |value: &Value| matches!(value, Value::Int(_));
    let objects = matches!(flags, Value::Int(flags) if flags & 1 != 0);
    order
        && whole(version)
        && whole(size)
        && whole(alignment)
        && whole(flags)
        && !objects
        && metadata.len() <= 1
        && data(metadata)
}

/// `([version,] shape, dtype, Fortran order, raw bytes)`. A list in place of the bytes would hold
/// objects.
pub(super) fn is_array_state(state: &Value) -> bool {
    let Some(parts) = state.as_tuple() else {
        return false;
    };
    let parts = match parts {
        [Value::Int(_), rest @ ..] if rest.len() == 4 => rest,
        rest => rest,
    };
    matches!(parts, [shape, Value::Instance(Made::Dtype), order, raw]
        if dimensions(shape).is_some() && order.is_flag() && (raw.is_bytes() || raw.is_text()))
}
