//! What PyTorch's own savers call and build: tensors over storages, parameters around tensors.

use super::{
    super::{
        references::{self, Callee, Role},
        value::{Made, Storage, Value},
    },
    Fault, Judged, built, call, data, is_data, must, role, unsafe_arguments,
};

pub(super) fn rebuild(callee: Callee, args: &[Value]) -> Judged<Made> {
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
pub(in super::super) fn rebuilt(args: &[Value]) -> Option<(&'static str, u64)> {
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
        Value::Reference(reference) => references::dtype_label(&reference.name),
        _ => "",
    }
}

/// `_rebuild_from_type_v2(function, class, arguments, state)` calls the function it is given.
pub(super) fn from_type(args: &[Value]) -> Judged<Value> {
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
    let key = crate::inspect::finding::shown(&storage.key, 40);
    Fault::Geometry(format!(
        "a tensor names the storage `{key}` of {} elements with {fault}",
        storage.elements
    ))
}

pub(super) fn dimensions(value: &Value) -> Option<Vec<u64>> {
    value.as_tuple()?.iter().map(Value::as_count).collect()
}

/// Old checkpoints build a tensor from `(storage, offset, size, stride)`, a parameter from
/// `(tensor, requires grad[, hooks])`.
pub(super) fn state(state: &Value) -> Judged<()> {
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
pub(in super::super) fn persistent_id(id: &Value) -> Judged<Storage> {
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
