//! What each listed callable may be given, and what an instance may be built from.
//!
//! Argument shapes follow PyTorch's `_utils.py` and `_tensor.py` and NumPy's `__reduce__`.

use super::{
    references::{Callee, Role},
    value::{Made, Value},
};

mod numpy;
mod tensor;

use numpy::{is_array_state, is_dtype_state};
pub(super) use tensor::{persistent_id, rebuilt};

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
        Callee::FromType => return tensor::from_type(args),
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
        Callee::NumpyDtype => numpy::dtype(args),
        Callee::NumpyArray => must(args.iter().all(is_data)).map(|()| Made::Array),
        Callee::NumpyReconstruct => numpy::reconstruct(args),
        Callee::NumpyScalar => numpy::scalar(args),
        Callee::NumpyFromBuffer => numpy::from_buffer(args),
        _ => tensor::rebuild(callee, args),
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
        Value::Instance(Made::Tensor | Made::Parameter) => tensor::state(state),
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
