//! What each listed callable may be given, and what an instance may be built from.
//!
//! Argument shapes follow PyTorch's `_utils.py` and `_tensor.py` and NumPy's `__reduce__`.

use super::{
    references::{Callee, Role},
    value::{Made, Storage, Value},
};

/// Why a call or a build is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may run something, or can't be judged.
    Unsafe(String),
    /// A tensor does not fit the storage it names.
    Geometry(String),
}

type Judged<T> = Result<T, Fault>;

fn unsafe_arguments<T>() -> Judged<T> {
    Err(Fault::Unsafe(
        "with arguments it is never saved with".to_owned(),
    ))
}

fn must(fits: bool) -> Judged<()> {
    if fits { Ok(()) } else { unsafe_arguments() }
}

/// Judges a call of a listed callable and gives what it makes.
pub(super) fn call(callee: Callee, args: &[Value]) -> Judged<Value> {
    let made = match callee {
        Callee::FromType => return from_type(args),
        Callee::Encode => return encode(args),
        Callee::FrozenSet => return collection(args, Made::Set).map(|_| Value::FrozenSet),
        Callee::OrderedDict => collection(args, Made::OrderedDict),
        Callee::Counter => collection(args, Made::Counter),
        Callee::Set => collection(args, Made::Set),
        Callee::ByteArray => must(match args {
            [] => true,
            [bytes] => bytes.is_bytes(),
            [text, codec] => {
                text.is_text() && matches!(codec.as_text(), Some("latin-1" | "latin1"))
            }
            _ => false,
        })
        .map(|()| Made::Plain),
        Callee::Complex => {
            must(args.len() <= 2 && args.iter().all(Value::is_number)).map(|()| Made::Plain)
        }
        Callee::Size => must(matches!(
            args,
            [] | [Value::Tuple(_) | Value::SomeTuple | Value::List(_)]
        ))
        .map(|()| Made::Plain),
        Callee::Device => must(match args {
            [name] => name.is_text(),
            [name, index] => name.is_text() && matches!(index, Value::Int(_) | Value::None),
            _ => false,
        })
        .map(|()| Made::Plain),
        Callee::Layout => must(matches!(args, [name] if name.is_text())).map(|()| Made::Plain),
        Callee::NumpyDtype => numpy_dtype(args),
        Callee::NumpyArray => must(args.iter().all(is_data)).map(|()| Made::Array),
        Callee::NumpyReconstruct => numpy_reconstruct(args),
        Callee::NumpyScalar => numpy_scalar(args),
        Callee::NumpyFromBuffer => numpy_from_buffer(args),
        _ => tensor(callee, args),
    };
    made.map(Value::Instance)
}

fn collection(args: &[Value], made: Made) -> Judged<Made> {
    let contents = |value: &Value| {
        let instance = matches!(
            value,
            Value::Instance(Made::OrderedDict | Made::Counter | Made::Set)
        );
        instance
            || matches!(
                value,
                Value::List(_)
                    | Value::Dict(_)
                    | Value::Tuple(_)
                    | Value::SomeTuple
                    | Value::Set
                    | Value::FrozenSet
            )
    };
    must(args.len() <= 1 && args.iter().all(contents)).map(|()| made)
}

/// `_codecs.encode(text, "latin1")`: how Python 3 saves bytes under protocol 2.
fn encode(args: &[Value]) -> Judged<Value> {
    match args {
        [text, codec] if codec.as_text() == Some("latin1") => match text {
            Value::Text(text) if text.chars().all(|c| u32::from(c) < 256) => {
                let bytes: Vec<u8> = text
                    .chars()
                    .filter_map(|c| u8::try_from(u32::from(c)).ok())
                    .collect();
                Ok(Value::Bytes(bytes.into()))
            }
            Value::Text(_) | Value::SomeText => Ok(Value::SomeBytes),
            _ => unsafe_arguments(),
        },
        _ => Err(Fault::Unsafe("with another codec than latin1".to_owned())),
    }
}

fn tensor(callee: Callee, args: &[Value]) -> Judged<Made> {
    match (callee, args) {
        (Callee::RebuildTensor, [storage, offset, size, stride, rest @ ..])
            if rest.len() <= 3 && data(rest) =>
        {
            fits_storage(storage, offset, size, stride, None)
        }
        (
            Callee::RebuildTensorWithDtype,
            [storage, offset, size, stride, grad, hooks, dtype, rest @ ..],
        ) if rest.len() <= 1 && is_data(grad) && is_data(hooks) && data(rest) => {
            fits_storage(storage, offset, size, stride, Some(dtype_bytes(dtype)?))
        }
        (Callee::RebuildQuantized, [storage, offset, size, stride, _quantizer, rest @ ..])
            if rest.len() <= 2 && data(rest) =>
        {
            fits_storage(storage, offset, size, stride, None)
        }
        (Callee::RebuildSparse, [layout, parts]) => {
            must(is_data(layout) && is_data(parts)).map(|()| Made::Tensor)
        }
        (Callee::RebuildMeta, [dtype, rest @ ..]) => {
            dtype_bytes(dtype)?;
            must(rest.len() == 3 && data(rest)).map(|()| Made::Tensor)
        }
        (Callee::RebuildWrapper, [class, dtype, rest @ ..]) => {
            dtype_bytes(dtype)?;
            must(is_tensor_class(class) && rest.len() <= 7 && data(rest)).map(|()| Made::Tensor)
        }
        (Callee::RebuildFromArray, [array, dtype, rest @ ..]) => {
            dtype_bytes(dtype)?;
            must(matches!(array, Value::Instance(Made::Array)) && rest.len() == 2 && data(rest))
                .map(|()| Made::Tensor)
        }
        (Callee::RebuildFromCpu, [tensor, dtype, rest @ ..]) => {
            dtype_bytes(dtype)?;
            must(is_tensor(tensor) && rest.len() == 2 && data(rest)).map(|()| Made::Tensor)
        }
        (Callee::RebuildParameter, [tensor, rest @ ..]) => {
            must(is_tensor(tensor) && rest.len() == 2 && data(rest)).map(|()| Made::Parameter)
        }
        (Callee::RebuildParameterWithState, [tensor, grad, hooks, state]) => {
            must(is_tensor(tensor) && is_data(grad) && is_data(hooks) && is_attributes(state))
                .map(|()| Made::Parameter)
        }
        (Callee::Parameter, [] | [Value::None]) => Ok(Made::Parameter),
        (Callee::Parameter, [tensor, rest @ ..]) => {
            must(is_tensor(tensor) && rest.len() <= 1 && data(rest)).map(|()| Made::Parameter)
        }
        (
            Callee::Tensor,
            [] | [Value::List(_) | Value::Tuple(_) | Value::SomeTuple | Value::Storage(_)],
        ) => Ok(Made::Tensor),
        _ => unsafe_arguments(),
    }
}

/// The type and number of elements of the tensor that a call rebuilds from a storage.
pub(super) fn rebuilt(args: &[Value]) -> Option<(&'static str, u64)> {
    let [Value::Storage(storage), _offset, size, rest @ ..] = args else {
        return None;
    };
    let elements = dimensions(size)?
        .into_iter()
        .try_fold(1_u64, |product, n| product.checked_mul(n))?;
    // The storage of `_rebuild_tensor_v3` is untyped; its dtype is an argument.
    let typed = rest
        .get(3)
        .map(dtype_label)
        .filter(|dtype| !dtype.is_empty());
    Some((typed.unwrap_or(storage.dtype), elements))
}

fn dtype_label(class: &Value) -> &'static str {
    match class {
        Value::Reference(reference) => super::references::dtype_label(&reference.name),
        _ => "",
    }
}

/// `_rebuild_from_type_v2(function, class, arguments, state)` calls the function it is given.
fn from_type(args: &[Value]) -> Judged<Value> {
    let [function, class, inner, state] = args else {
        return unsafe_arguments();
    };
    let Some(Role::Callable(function)) = role(function) else {
        return unsafe_arguments();
    };
    let vouched = role(class) == Some(Role::Vouched);
    must(function.rebuilds() && (is_tensor_class(class) || vouched) && is_attributes(state))?;
    let Some(inner) = inner.as_tuple() else {
        return unsafe_arguments();
    };
    call(function, inner)
}

fn role(value: &Value) -> Option<Role> {
    match value {
        Value::Reference(reference) => Some(reference.role),
        _ => None,
    }
}

/// A value that calls nothing when it is used: anything but a reference, save dtypes.
fn is_data(value: &Value) -> bool {
    match value {
        Value::Instance(made) => *made != Made::Unknown,
        Value::Tuple(tuple) => tuple
            .items
            .iter()
            .all(|item| matches!(role(item), None | Some(Role::Dtype(_) | Role::Inert))),
        other => matches!(role(other), None | Some(Role::Dtype(_))),
    }
}

fn data(values: &[Value]) -> bool {
    values.iter().all(is_data)
}

fn is_tensor(value: &Value) -> bool {
    matches!(value, Value::Instance(Made::Tensor | Made::Parameter))
}

fn is_tensor_class(value: &Value) -> bool {
    matches!(
        role(value),
        Some(Role::Callable(Callee::Tensor | Callee::Parameter))
    )
}

/// Attributes to set on a tensor: none, a dict, or a dict and a dict of slots.
fn is_attributes(state: &Value) -> bool {
    let dict = |value: &Value| match value {
        Value::Dict(keys) => !keys.get().special,
        other => matches!(other, Value::None),
    };
    match state {
        Value::Tuple(pair) => pair.items.len() == 2 && pair.items.iter().all(dict),
        other => dict(other),
    }
}

fn dtype_bytes(value: &Value) -> Judged<u64> {
    match role(value) {
        Some(Role::Dtype(bytes)) => Ok(bytes),
        _ => unsafe_arguments(),
    }
}

/// Whether the tensor lies inside its storage. `element` is the dtype's size in bytes where the
/// storage is untyped.
fn fits_storage(
    storage: &Value,
    offset: &Value,
    size: &Value,
    stride: &Value,
    element: Option<u64>,
) -> Judged<Made> {
    let Value::Storage(storage) = storage else {
        return unsafe_arguments();
    };
    let (Some(size), Some(stride)) = (dimensions(size), dimensions(stride)) else {
        return Err(outside(
            storage,
            "sizes or strides that are not whole positive numbers",
        ));
    };
    let Some(offset) = offset.as_count() else {
        return Err(outside(
            storage,
            "an offset that is not a whole positive number",
        ));
    };
    if size.len() != stride.len() {
        return Err(outside(
            storage,
            "a stride for other dimensions than its sizes",
        ));
    }
    if size.contains(&0) {
        return Ok(Made::Tensor);
    }
    let reach = size
        .iter()
        .zip(&stride)
        .try_fold(offset, |reach, (n, step)| {
            reach.checked_add((n - 1).checked_mul(*step)?)
        });
    let needs = reach
        .and_then(|last| last.checked_add(1))
        .and_then(|elements| match element {
            Some(bytes) => elements.checked_mul(bytes),
            None => elements.checked_mul(storage.element_bytes),
        });
    match (needs, storage.bytes()) {
        (Some(needs), Some(has)) if needs <= has => Ok(Made::Tensor),
        _ => Err(outside(storage, "elements beyond its end")),
    }
}

fn outside(storage: &Storage, fault: &str) -> Fault {
    let key = super::super::finding::shown(&storage.key, 40);
    Fault::Geometry(format!(
        "a tensor names the storage `{key}` of {} elements with {fault}",
        storage.elements
    ))
}

fn dimensions(value: &Value) -> Option<Vec<u64>> {
    value.as_tuple()?.iter().map(Value::as_count).collect()
}

/// `dtype("f4", False, True)`: a plain code of one element type, and never `O` (objects).
fn numpy_dtype(args: &[Value]) -> Judged<Made> {
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
fn numpy_reconstruct(args: &[Value]) -> Judged<Made> {
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

fn numpy_scalar(args: &[Value]) -> Judged<Made> {
    let raw = |value: &Value| value.is_bytes() || value.is_text();
    match args {
        [Value::Instance(Made::Dtype)] => Ok(Made::Plain),
        [Value::Instance(Made::Dtype), value] => must(raw(value)).map(|()| Made::Plain),
        _ => unsafe_arguments(),
    }
}

/// `_frombuffer(bytes, dtype, shape, order)`: a view of the bytes.
fn numpy_from_buffer(args: &[Value]) -> Judged<Made> {
    let [raw, Value::Instance(Made::Dtype), shape, order] = args else {
        return unsafe_arguments();
    };
    let order = matches!(order.as_text(), Some("C" | "F" | "A"));
    must(raw.is_bytes() && order && dimensions(shape).is_some()).map(|()| Made::Array)
}

/// Judges BUILD: whether `state` may be given to an instance.
pub(super) fn build(instance: &Value, state: &Value) -> Judged<()> {
    match instance {
        Value::Reference(_) => Err(Fault::Unsafe(
            "changes a class or function itself".to_owned(),
        )),
        Value::Instance(Made::OrderedDict) => match state {
            Value::Dict(keys) if !keys.get().special => Ok(()),
            _ => Err(Fault::Unsafe(
                "gives an OrderedDict more than plain attributes".to_owned(),
            )),
        },
        Value::Instance(Made::Dtype) => built(is_dtype_state(state)),
        Value::Instance(Made::Array) => built(is_array_state(state)),
        Value::Instance(Made::Tensor | Made::Parameter) => tensor_state(state),
        Value::Instance(Made::Vouched) => match state {
            Value::Dict(keys) => built(!keys.get().special),
            Value::Tuple(pair)
                if pair
                    .items
                    .iter()
                    .any(|item| matches!(item, Value::Dict(keys) if keys.get().special)) =>
            {
                built(false)
            }
            _ => Ok(()),
        },
        _ => Err(Fault::Unsafe(
            "changes a value that takes no state".to_owned(),
        )),
    }
}

fn built(fits: bool) -> Judged<()> {
    if fits {
        Ok(())
    } else {
        Err(Fault::Unsafe(
            "gives an object a state it is never saved with".to_owned(),
        ))
    }
}

/// `(version, byte order, None, None, None, size, alignment, flags[, metadata])`. The three that
/// are None would make a structured type. Flag 1 says that the elements are Python objects.
fn is_dtype_state(state: &Value) -> bool {
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
fn is_array_state(state: &Value) -> bool {
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

/// Old checkpoints build a tensor from `(storage, offset, size, stride)`, a parameter from
/// `(tensor, requires grad[, hooks])`.
fn tensor_state(state: &Value) -> Judged<()> {
    match state.as_tuple() {
        Some([storage @ Value::Storage(_), offset, size, stride, rest @ ..])
            if rest.len() <= 2 && data(rest) =>
        {
            fits_storage(storage, offset, size, stride, None).map(drop)
        }
        Some([tensor, rest @ ..]) if is_tensor(tensor) && rest.len() <= 2 && data(rest) => Ok(()),
        _ => built(false),
    }
}

/// Judges a persistent id: `("storage", class, key, location, elements[, None])`.
pub(super) fn persistent_id(id: &Value) -> Judged<Storage> {
    let refuse = || Err(Fault::Unsafe("is not a tensor storage".to_owned()));
    let Some([tag, class, key, location, elements, view @ ..]) = id.as_tuple() else {
        return refuse();
    };
    let (Some(Role::Storage(element_bytes)), Value::Text(key)) = (role(class), key) else {
        return refuse();
    };
    let dtype = dtype_label(class);
    let Some(elements) = elements.as_count() else {
        return refuse();
    };
    let shape = tag.as_text() == Some("storage")
        && location.is_text()
        && matches!(view, [] | [Value::None]);
    if !shape {
        return refuse();
    }
    Ok(Storage {
        key: key.clone(),
        elements,
        element_bytes,
        dtype,
    })
}
