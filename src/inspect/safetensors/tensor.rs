//! One tensor of a header: its dtype, shape and place.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};

/// A tensor, read as the reference reader's `TensorInfo` is.
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Shape,
    data_offsets: (u64, u64),
}

impl Tensor {
    /// Its first data byte and the one after its last.
    pub(super) fn span(&self) -> Result<(u64, u64), String> {
        let (begin, end) = self.data_offsets;
        let length = end
            .checked_sub(begin)
            .ok_or_else(|| format!("ends at data byte {end}, before its start {begin}"))?;
        let bits = self
            .shape
            .elements
            .and_then(|elements| elements.checked_mul(self.dtype.bits()));
        let bits = bits.ok_or("has a shape too large to be real")?;
        if bits % 8 != 0 || bits / 8 != length {
            return Err(format!(
                "spans {length} bytes from data byte {begin} where its dtype and shape need {}",
                bits.div_ceil(8)
            ));
        }
        Ok((begin, end))
    }
}

macro_rules! dtypes {
    ($($variant:ident $name:literal $bits:literal,)*) => {
        /// The types that the reference reader knows.
        #[derive(Clone, Copy, Deserialize)]
        pub(super) enum Dtype {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Dtype {
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Bits an element takes.
            fn bits(self) -> u64 {
                match self { $(Self::$variant => $bits,)* }
            }
        }
    };
}

dtypes! {
    Bool "BOOL" 8,
    F4 "F4" 4,
    F6E2M3 "F6_E2M3" 6,
    F6E3M2 "F6_E3M2" 6,
    U8 "U8" 8,
    I8 "I8" 8,
    F8E5M2 "F8_E5M2" 8,
    F8E4M3 "F8_E4M3" 8,
    F8E8M0 "F8_E8M0" 8,
    F8E4M3Fnuz "F8_E4M3FNUZ" 8,
    F8E5M2Fnuz "F8_E5M2FNUZ" 8,
    I16 "I16" 16,
    U16 "U16" 16,
    F16 "F16" 16,
    BF16 "BF16" 16,
    I32 "I32" 32,
    U32 "U32" 32,
    F32 "F32" 32,
    F64 "F64" 64,
    I64 "I64" 64,
    U64 "U64" 64,
    C64 "C64" 64,
}

/// A shape by its product, so that a long one takes no memory.
pub(super) struct Shape {
    /// How many elements, if that is a number that can exist.
    pub(super) elements: Option<u64>,
    pub(super) first: Option<u64>,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut shape = Shape {
            elements: Some(1),
            first: None,
        };
        while let Some(n) = seq.next_element::<u64>()? {
            shape.first.get_or_insert(n);
            shape.elements = shape.elements.and_then(|product| product.checked_mul(n));
        }
        Ok(shape)
    }
}

impl<'de> Deserialize<'de> for Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TensorVisitor)
    }
}

struct TensorVisitor;

impl<'de> Visitor<'de> for TensorVisitor {
    type Value = Tensor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of dtype, shape and data_offsets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensor, A::Error> {
        let (mut dtype, mut shape, mut data_offsets) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            let twice = match key.as_str() {
                "dtype" => dtype.replace(map.next_value()?).is_some(),
                "shape" => shape.replace(map.next_value()?).is_some(),
                "data_offsets" => data_offsets.replace(map.next_value()?).is_some(),
                _ => {
                    map.next_value::<Anything>()?;
                    false
                }
            };
            if twice {
                return Err(A::Error::custom(format_args!(
                    "a tensor has two fields `{key}`"
                )));
            }
        }
        Ok(Tensor {
            dtype: dtype.ok_or_else(|| A::Error::missing_field("dtype"))?,
            shape: shape.ok_or_else(|| A::Error::missing_field("shape"))?,
            data_offsets: data_offsets.ok_or_else(|| A::Error::missing_field("data_offsets"))?,
        })
    }

    /// The reference reader takes the fields as a list, too.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tensor, A::Error> {
        let missing = |at| A::Error::invalid_length(at, &self);
        Ok(Tensor {
            dtype: seq.next_element()?.ok_or_else(|| missing(0))?,
            shape: seq.next_element()?.ok_or_else(|| missing(1))?,
            data_offsets: seq.next_element()?.ok_or_else(|| missing(2))?,
        })
    }
}

/// A field that nobody reads. It is parsed and not skipped, because a parser that skips is more
/// lenient than one that reads, and the reference reader reads.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnythingVisitor)
    }
}

struct AnythingVisitor;

impl<'de> Visitor<'de> for AnythingVisitor {
    type Value = Anything;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_str<E>(self, _: &str) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_unit<E>(self) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Anything, A::Error> {
        while seq.next_element::<Anything>()?.is_some() {}
        Ok(Anything)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Anything, A::Error> {
        while map.next_entry::<String, Anything>()?.is_some() {}
        Ok(Anything)
    }
}
