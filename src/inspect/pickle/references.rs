//! The list of references a pickle may name, and what each may be used for.
//!
//! Everything that is not here, or on the operator's list, is refused. The callable ones and the
//! storage classes are those of PyTorch's `_weights_only_unpickler.py` and `storage.py`; the NumPy
//! ones are what checkpoints hold beside tensors.

use super::{allow::AllowList, names};

/// A module and a name in it, as a pickle gives them after the mapping of Python 2 names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) module: String,
    pub(super) name: String,
    pub(super) role: Role,
}

/// What a reference may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It may be called, with the arguments that [`super::calls`] allows it.
    Callable(Callee),
    /// A storage class with elements of so many bytes: it may stand in a persistent id.
    Storage(u64),
    /// A dtype with elements of so many bytes (0 where an element is less than a byte).
    Dtype(u64),
    /// It may be named, and never called.
    Inert,
    /// The operator vouches for it.
    Vouched,
    /// On no list.
    Unlisted,
}

/// What may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    OrderedDict,
    Counter,
    Set,
    FrozenSet,
    ByteArray,
    Complex,
    Encode,
    Parameter,
    Size,
    Tensor,
    Device,
    Layout,
    FromType,
    RebuildParameter,
    RebuildParameterWithState,
    RebuildQuantized,
    RebuildTensor,
    RebuildTensorWithDtype,
    RebuildSparse,
    RebuildMeta,
    RebuildWrapper,
    RebuildFromArray,
    RebuildFromCpu,
    NumpyDtype,
    NumpyArray,
    NumpyReconstruct,
    NumpyScalar,
    NumpyFromBuffer,
}

impl Callee {
    /// Whether it is a class, which NEWOBJ may make.
    pub(super) fn is_class(self) -> bool {
        matches!(
            self,
            Self::OrderedDict
                | Self::Counter
                | Self::Set
                | Self::FrozenSet
                | Self::ByteArray
                | Self::Complex
                | Self::Parameter
                | Self::Size
                | Self::Tensor
                | Self::Device
                | Self::NumpyDtype
                | Self::NumpyArray
        )
    }

    /// Whether it rebuilds a tensor: what `_rebuild_from_type_v2` may be told to call.
    pub(super) fn rebuilds(self) -> bool {
        matches!(
            self,
            Self::RebuildParameter
                | Self::RebuildParameterWithState
                | Self::RebuildQuantized
                | Self::RebuildTensor
                | Self::RebuildTensorWithDtype
                | Self::RebuildSparse
                | Self::RebuildMeta
                | Self::RebuildWrapper
                | Self::RebuildFromArray
                | Self::RebuildFromCpu
        )
    }
}

impl Reference {
    /// Looks a pair up, exactly as written.
    pub(super) fn find(module: &str, name: &str, extra: &AllowList) -> Self {
        let role = match role(module, name) {
            Some(role) => role,
            None if extra.contains(module, name) => Role::Vouched,
            None => Role::Unlisted,
        };
        Self {
            module: module.to_owned(),
            name: name.to_owned(),
            role,
        }
    }

    /// The line an operator would add to vouch for it, if that is possible.
    pub(super) fn allow_line(&self) -> Option<String> {
        let plain = names::is_dotted_identifier(&self.module) && names::is_identifier(&self.name);
        (plain && !names::never_allowed(&self.module, &self.name))
            .then(|| format!("{} {}", self.module, self.name))
    }
}

fn role(module: &str, name: &str) -> Option<Role> {
    callee(module, name)
        .map(Role::Callable)
        .or_else(|| storage(module, name).map(Role::Storage))
        .or_else(|| {
            if module == "torch" {
                dtype(name).map(Role::Dtype)
            } else {
                None
            }
        })
        .or_else(|| is_inert(module, name).then_some(Role::Inert))
}

fn callee(module: &str, name: &str) -> Option<Callee> {
    Some(match (module, name) {
        ("collections" | "typing", "OrderedDict") => Callee::OrderedDict,
        ("collections", "Counter") => Callee::Counter,
        ("builtins", "set") => Callee::Set,
        ("builtins", "frozenset") => Callee::FrozenSet,
        ("builtins", "bytearray") => Callee::ByteArray,
        ("builtins", "complex") => Callee::Complex,
        ("_codecs", "encode") => Callee::Encode,
        ("torch.nn.parameter", "Parameter") => Callee::Parameter,
        ("torch", "Size") => Callee::Size,
        ("torch", "Tensor") => Callee::Tensor,
        ("torch", "device") => Callee::Device,
        ("torch.serialization", "_get_layout") => Callee::Layout,
        ("torch._tensor", "_rebuild_from_type_v2") => Callee::FromType,
        ("torch._utils", _) => return torch_utils(name),
        ("numpy", "dtype") => Callee::NumpyDtype,
        ("numpy", "ndarray") => Callee::NumpyArray,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
            Callee::NumpyReconstruct
        }
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Callee::NumpyScalar,
        // How an array is saved under protocol 5.
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Callee::NumpyFromBuffer,
        _ => return None,
    })
}

fn torch_utils(name: &str) -> Option<Callee> {
    Some(match name {
        "_rebuild_parameter" => Callee::RebuildParameter,
        "_rebuild_parameter_with_state" => Callee::RebuildParameterWithState,
        "_rebuild_qtensor" => Callee::RebuildQuantized,
        "_rebuild_tensor" | "_rebuild_tensor_v2" => Callee::RebuildTensor,
        "_rebuild_tensor_v3" => Callee::RebuildTensorWithDtype,
        "_rebuild_sparse_tensor" => Callee::RebuildSparse,
        "_rebuild_meta_tensor_no_storage" => Callee::RebuildMeta,
        "_rebuild_wrapper_subclass" => Callee::RebuildWrapper,
        "_rebuild_device_tensor_from_numpy" => Callee::RebuildFromArray,
        "_rebuild_device_tensor_from_cpu_tensor" => Callee::RebuildFromCpu,
        _ => return None,
    })
}

/// Bytes of an element of a storage class.
fn storage(module: &str, name: &str) -> Option<u64> {
    if matches!(
        (module, name),
        ("torch.storage" | "torch", "UntypedStorage")
    ) {
        return Some(1);
    }
    if !matches!(module, "torch" | "torch.cuda") {
        return None;
    }
    Some(match name.strip_suffix("Storage")? {
        "ComplexDouble" => 16,
        "Double" | "Long" | "ComplexFloat" => 8,
        "Float" | "Int" | "QInt32" => 4,
        "Half" | "BFloat16" | "Short" => 2,
        "Char" | "Byte" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" => 1,
        _ => return None,
    })
}

/// The short name of a dtype or storage class, as safetensors spells it; empty for what is none.
pub(super) fn dtype_label(name: &str) -> &'static str {
    match name.strip_suffix("Storage").unwrap_or(name) {
        "Double" | "float64" => "F64",
        "Float" | "float32" => "F32",
        "Half" | "float16" => "F16",
        "BFloat16" | "bfloat16" => "BF16",
        "Long" | "int64" => "I64",
        "Int" | "int32" => "I32",
        "Short" | "int16" => "I16",
        "Char" | "int8" => "I8",
        "Byte" | "uint8" | "Untyped" => "U8",
        "uint16" => "U16",
        "uint32" => "U32",
        "uint64" => "U64",
        "Bool" | "bool" => "BOOL",
        "ComplexFloat" | "complex64" => "C64",
        "ComplexDouble" | "complex128" => "C128",
        "QInt8" | "qint8" => "QI8",
        "QUInt8" | "quint8" => "QU8",
        "QInt32" | "qint32" => "QI32",
        "float8_e5m2" => "F8_E5M2",
        "float8_e4m3fn" => "F8_E4M3",
        "float8_e8m0fnu" => "F8_E8M0",
        _ => "",
    }
}

/// Bytes of an element of a dtype; 0 for those of less than a byte.
fn dtype(name: &str) -> Option<u64> {
    Some(match name {
        "complex128" => 16,
        "float64" | "int64" | "uint64" | "complex64" => 8,
        "float32" | "int32" | "uint32" | "complex32" | "qint32" => 4,
        "float16" | "bfloat16" | "int16" | "uint16" | "bits16" => 2,
        "int8" | "uint8" | "bool" | "bits8" | "bits1x8" | "bits2x4" | "bits4x2" | "qint8"
        | "quint8" | "quint4x2" | "quint2x4" | "float8_e5m2" | "float8_e4m3fn"
        | "float8_e5m2fnuz" | "float8_e4m3fnuz" | "float8_e8m0fnu" => 1,
        "int1" | "int2" | "int3" | "int4" | "int5" | "int6" | "int7" | "uint1" | "uint2"
        | "uint3" | "uint4" | "uint5" | "uint6" | "uint7" => 0,
        _ => return None,
    })
}

fn is_inert(module: &str, name: &str) -> bool {
    match module {
        "torch" => is_quantization_scheme(name) || is_tensor_class(name),
        "torch.cuda" | "torch.sparse" => is_tensor_class(name),
        "torch.storage" => name == "TypedStorage",
        // In the callbacks of Stable Diffusion 1.x checkpoints, as a dict key.
        "pytorch_lightning.callbacks.model_checkpoint" => name == "ModelCheckpoint",
        _ => false,
    }
}

fn is_quantization_scheme(name: &str) -> bool {
    matches!(
        name,
        "per_tensor_affine"
            | "per_tensor_symmetric"
            | "per_channel_affine"
            | "per_channel_symmetric"
            | "per_channel_affine_float_qparams"
    )
}

fn is_tensor_class(name: &str) -> bool {
    let element = name.strip_suffix("Tensor");
    element.is_some_and(|element| {
        matches!(
            element,
            "Double"
                | "Float"
                | "Half"
                | "BFloat16"
                | "Long"
                | "Int"
                | "Short"
                | "Char"
                | "Byte"
                | "Bool"
        )
    })
}
