//! Which functions there are, what they take and what they give.
//!
//! The standard library, optional values, and the extensions Strings, Sets and Encoders. Deliberately not here: operators whose types
//! depend on each other (`==`, `?:`, indexing), which the checker knows by heart.

use crate::types::Type;

/// One overload: how it is called, the arguments' types (a receiver first), and the result's. See [`one`] for the letters.
type Signature = (&'static str, Call, &'static str, char);

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `f(x)`
    Global,
    /// `x.f()`
    Member,
}

use Call::{Global, Member};

/// Sorted by library. Results that depend on the arguments' types are `1`: the element of a list or the value of an optional given
/// first; `O`: an optional of that; `W`: an optional of the first argument itself; `=`: the type of the first argument.
const SIGNATURES: &[Signature] = &[
    // Operators.
    ("!_", Global, "b", 'b'),
    ("_&&_", Global, "bb", 'b'),
    ("_||_", Global, "bb", 'b'),
    ("@not_strictly_false", Global, "b", 'b'),
    ("-_", Global, "i", 'i'),
    ("-_", Global, "d", 'd'),
    ("_+_", Global, "ii", 'i'),
    ("_+_", Global, "uu", 'u'),
    ("_+_", Global, "dd", 'd'),
    ("_+_", Global, "ss", 's'),
    ("_+_", Global, "yy", 'y'),
    ("_+_", Global, "TD", 'T'),
    ("_+_", Global, "DT", 'T'),
    ("_+_", Global, "DD", 'D'),
    ("_-_", Global, "ii", 'i'),
    ("_-_", Global, "uu", 'u'),
    ("_-_", Global, "dd", 'd'),
    ("_-_", Global, "TT", 'D'),
    ("_-_", Global, "TD", 'T'),
    ("_-_", Global, "DD", 'D'),
    ("_*_", Global, "ii", 'i'),
    ("_*_", Global, "uu", 'u'),
    ("_*_", Global, "dd", 'd'),
    ("_/_", Global, "ii", 'i'),
    ("_/_", Global, "uu", 'u'),
    ("_/_", Global, "dd", 'd'),
    ("_%_", Global, "ii", 'i'),
    ("_%_", Global, "uu", 'u'),
    // Standard functions.
    ("size", Global, "s", 'i'),
    ("size", Global, "y", 'i'),
    ("size", Global, "L", 'i'),
    ("size", Global, "M", 'i'),
    ("size", Member, "s", 'i'),
    ("size", Member, "y", 'i'),
    ("size", Member, "L", 'i'),
    ("size", Member, "M", 'i'),
    ("contains", Member, "ss", 'b'),
    ("startsWith", Member, "ss", 'b'),
    ("endsWith", Member, "ss", 'b'),
    ("matches", Member, "ss", 'b'),
    ("matches", Global, "ss", 'b'),
    ("bool", Global, "b", 'b'),
    ("bool", Global, "s", 'b'),
    ("bytes", Global, "y", 'y'),
    ("bytes", Global, "s", 'y'),
    ("double", Global, "d", 'd'),
    ("double", Global, "i", 'd'),
    ("double", Global, "u", 'd'),
    ("double", Global, "s", 'd'),
    ("int", Global, "i", 'i'),
    ("int", Global, "u", 'i'),
    ("int", Global, "d", 'i'),
    ("int", Global, "s", 'i'),
    ("int", Global, "T", 'i'),
    ("uint", Global, "u", 'u'),
    ("uint", Global, "i", 'u'),
    ("uint", Global, "d", 'u'),
    ("uint", Global, "s", 'u'),
    ("string", Global, "s", 's'),
    ("string", Global, "b", 's'),
    ("string", Global, "i", 's'),
    ("string", Global, "u", 's'),
    ("string", Global, "d", 's'),
    ("string", Global, "y", 's'),
    ("string", Global, "T", 's'),
    ("string", Global, "D", 's'),
    ("duration", Global, "s", 'D'),
    ("duration", Global, "D", 'D'),
    ("timestamp", Global, "s", 'T'),
    ("timestamp", Global, "i", 'T'),
    ("timestamp", Global, "T", 'T'),
    ("type", Global, "*", 't'),
    ("dyn", Global, "*", '*'),
    ("getFullYear", Member, "T", 'i'),
    ("getFullYear", Member, "Ts", 'i'),
    ("getMonth", Member, "T", 'i'),
    ("getMonth", Member, "Ts", 'i'),
    ("getDayOfYear", Member, "T", 'i'),
    ("getDayOfYear", Member, "Ts", 'i'),
    ("getDayOfMonth", Member, "T", 'i'),
    ("getDayOfMonth", Member, "Ts", 'i'),
    ("getDate", Member, "T", 'i'),
    ("getDate", Member, "Ts", 'i'),
    ("getDayOfWeek", Member, "T", 'i'),
    ("getDayOfWeek", Member, "Ts", 'i'),
    ("getHours", Member, "T", 'i'),
    ("getHours", Member, "Ts", 'i'),
    ("getHours", Member, "D", 'i'),
    ("getMinutes", Member, "T", 'i'),
    ("getMinutes", Member, "Ts", 'i'),
    ("getMinutes", Member, "D", 'i'),
    ("getSeconds", Member, "T", 'i'),
    ("getSeconds", Member, "Ts", 'i'),
    ("getSeconds", Member, "D", 'i'),
    ("getMilliseconds", Member, "T", 'i'),
    ("getMilliseconds", Member, "Ts", 'i'),
    ("getMilliseconds", Member, "D", 'i'),
    // Optional values.
    ("optional.none", Global, "", 'F'),
    ("optional.of", Global, "*", 'W'),
    ("optional.ofNonZeroValue", Global, "*", 'W'),
    ("optional.unwrap", Global, "L", 'U'),
    ("unwrapOpt", Member, "L", 'U'),
    ("hasValue", Member, "O", 'b'),
    ("value", Member, "O", '1'),
    ("or", Member, "OO", '='),
    ("orValue", Member, "O*", '1'),
    ("first", Member, "L", 'O'),
    ("last", Member, "L", 'O'),
    // Strings.
    ("charAt", Member, "si", 's'),
    ("format", Member, "sL", 's'),
    ("indexOf", Member, "ss", 'i'),
    ("indexOf", Member, "ssi", 'i'),
    ("join", Member, "L", 's'),
    ("join", Member, "Ls", 's'),
    ("lastIndexOf", Member, "ss", 'i'),
    ("lastIndexOf", Member, "ssi", 'i'),
    ("lowerAscii", Member, "s", 's'),
    ("upperAscii", Member, "s", 's'),
    ("replace", Member, "sss", 's'),
    ("replace", Member, "sssi", 's'),
    ("reverse", Member, "s", 's'),
    ("split", Member, "ss", 'S'),
    ("split", Member, "ssi", 'S'),
    ("substring", Member, "si", 's'),
    ("substring", Member, "sii", 's'),
    ("trim", Member, "s", 's'),
    ("strings.quote", Global, "s", 's'),
    // Sets and Encoders.
    ("sets.contains", Global, "LL", 'b'),
    ("sets.equivalent", Global, "LL", 'b'),
    ("sets.intersects", Global, "LL", 'b'),
    ("base64.encode", Global, "y", 's'),
    ("base64.decode", Global, "s", 'y'),
];

/// Names that stand for types.
const TYPE_NAMES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
    "google.protobuf.Timestamp",
];

/// Whether a name stands for a type.
pub(crate) fn is_type_name(name: &str) -> bool {
    TYPE_NAMES.contains(&name)
}

/// Whether there is a function of this name.
pub(crate) fn is_function(name: &str, call: Call) -> bool {
    SIGNATURES.iter().any(|signature| signature.0 == name && signature.1 == call)
}

/// The results of all overloads that accept the arguments: one type if they agree, [`Type::Dyn`] if they do not, `None` if there are none.
pub(crate) fn result(name: &str, call: Call, arguments: &[Type]) -> Option<Type> {
    let mut agreed: Option<Type> = None;
    for (_, _, parameters, result) in SIGNATURES.iter().filter(|signature| signature.0 == name && signature.1 == call) {
        let accepted = parameters.chars().count() == arguments.len()
            && parameters.chars().zip(arguments).all(|(letter, argument)| one(letter).unify(argument).is_some());
        if !accepted {
            continue;
        }
        let result = resulting(*result, arguments);
        match &agreed {
            Some(other) if *other != result => return Some(Type::Dyn),
            _ => agreed = Some(result),
        }
    }
    agreed
}

/// The type a letter stands for.
fn one(letter: char) -> Type {
    match letter {
        'b' => Type::Bool,
        'i' => Type::Int,
        'u' => Type::Uint,
        'd' => Type::Double,
        's' => Type::Text,
        'y' => Type::Bytes,
        't' => Type::Meta,
        'D' => Type::Duration,
        'T' => Type::Timestamp,
        'L' => Type::list(Type::Free),
        'S' => Type::list(Type::Text),
        'M' => Type::map(Type::Free, Type::Free),
        'O' | 'F' => Type::optional(Type::Free),
        _ => Type::Dyn,
    }
}

fn resulting(letter: char, arguments: &[Type]) -> Type {
    let first = arguments.first().cloned().unwrap_or(Type::Dyn);
    let inner = match &first {
        Type::List(inner) | Type::Optional(inner) => (**inner).clone(),
        _ => Type::Dyn,
    };
    match letter {
        '1' => inner,
        'O' => Type::optional(inner),
        'W' => Type::optional(first),
        '=' => first,
        'U' => match inner {
            Type::Optional(value) => Type::list(*value),
            _ => Type::list(Type::Dyn),
        },
        other => one(other),
    }
}
