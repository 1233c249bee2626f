//! The types of expressions, as far as they are known before evaluation.
//!
//! Deliberately not here: messages, which no variable of ours has, and wrappers.

use std::fmt;

/// A type. `Dyn` is one only evaluation tells; `Free` is that of the elements of an empty list, which becomes any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Dyn,
    Free,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Null,
    Duration,
    Timestamp,
    /// The type of types.
    Meta,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
}

impl Type {
    pub(crate) fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    pub(crate) fn map(key: Type, value: Type) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    pub(crate) fn optional(value: Type) -> Self {
        Self::Optional(Box::new(value))
    }

    /// The type of a protobuf `Struct`, which all declared variables have.
    pub(crate) fn variable() -> Self {
        Self::map(Self::Text, Self::Dyn)
    }

    /// The type of both, if a value may be taken for either.
    pub(crate) fn unify(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Free, known) | (known, Self::Free) => known.clone(),
            (Self::Dyn, _) | (_, Self::Dyn) => Self::Dyn,
            (Self::List(a), Self::List(b)) => Self::list(a.unify(b)?),
            (Self::Optional(a), Self::Optional(b)) => Self::optional(a.unify(b)?),
            (Self::Map(ka, va), Self::Map(kb, vb)) => Self::map(ka.unify(kb)?, va.unify(vb)?),
            // What may be unset may be compared with null.
            (Self::Null, nullable @ (Self::Duration | Self::Timestamp | Self::Optional(_)))
            | (nullable @ (Self::Duration | Self::Timestamp | Self::Optional(_)), Self::Null) => nullable.clone(),
            (a, b) if a == b => a.clone(),
            _ => return None,
        })
    }

    /// The type of both, if they are the same but for what is not known yet of empty lists and the like.
    pub(crate) fn same(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Free, known) | (known, Self::Free) => known.clone(),
            (Self::List(a), Self::List(b)) => Self::list(a.same(b)?),
            (Self::Optional(a), Self::Optional(b)) => Self::optional(a.same(b)?),
            (Self::Map(ka, va), Self::Map(kb, vb)) => Self::map(ka.same(kb)?, va.same(vb)?),
            (a, b) if a == b => a.clone(),
            _ => return None,
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn | Self::Free => f.write_str("dyn"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Null => f.write_str("null"),
            Self::Duration => f.write_str("google.protobuf.Duration"),
            Self::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Self::Meta => f.write_str("type"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Optional(value) => write!(f, "optional_type({value})"),
        }
    }
}
