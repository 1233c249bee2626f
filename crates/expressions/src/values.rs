//! JSON as values of the expression language, and how much a value weighs.
//!
//! Texts are borrowed from the JSON, lists and maps are built. Integers stay integers; what does not fit 64 signed bits is a double, as
//! in Go's unstructured objects. The way back is only for what JSON has.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString, CelUInt,
};
use cel::common::value::Val;
use serde_json::Value;

use crate::Numbers;

/// Bytes of text that weigh as much as one value.
const BYTES_PER_UNIT: u64 = 16;

/// A value of the language for a JSON value.
pub(crate) fn from_json(json: &Value, numbers: Numbers) -> Box<dyn Val + '_> {
    match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), numbers) {
            (Some(integer), Numbers::AsWritten) => Box::new(CelInt::from(integer)),
            _ => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => {
            let items: Vec<Box<dyn Val + '_>> = items.iter().map(|item| from_json(item, numbers)).collect();
            Box::new(CelList::from(items))
        }
        Value::Object(fields) => {
            let mut map: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = HashMap::with_capacity(fields.len());
            for (name, value) in fields {
                map.insert(CelMapKey::String(CelString::from(name.as_str())), from_json(value, numbers));
            }
            Box::new(CelMap::from(map))
        }
    }
}

/// The JSON value for a value of the language; `None` for what JSON lacks: bytes, times, types, optional values, keys other than texts.
pub(crate) fn to_json(value: &dyn Val) -> Option<Value> {
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list
            .inner()
            .iter()
            .map(|item| to_json(item.as_ref()))
            .collect::<Option<Vec<Value>>>()
            .map(Value::Array);
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let field = |key: &CelMapKey<'_>, item: &dyn Val| match key {
            CelMapKey::String(name) => Some((name.inner().to_owned(), to_json(item)?)),
            _ => None,
        };
        let fields = map.inner().iter().map(|(key, item)| field(key, item.as_ref()));
        return fields.collect::<Option<serde_json::Map<String, Value>>>().map(Value::Object);
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Some(Value::String(text.inner().to_owned()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return serde_json::Number::from_f64(*number.inner()).map(Value::Number);
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Some(Value::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Some(Value::from(*number.inner()));
    }
    if let Some(truth) = value.downcast_ref::<CelBool>() {
        return Some(Value::Bool(*truth.inner()));
    }
    value.downcast_ref::<CelNull>().map(|_| Value::Null)
}

/// What it costs to look at or copy all of a value, in units of one value.
pub(crate) fn weight(value: &dyn Val) -> u64 {
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.inner().iter().fold(1, |sum, item| sum + weight(item.as_ref()));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return map.inner().iter().fold(1, |sum, (key, item)| sum + weight(key.inner()) + weight(item.as_ref()));
    }
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return 1 + optional.option().map_or(0, weight);
    }
    let bytes = match (value.downcast_ref::<CelString>(), value.downcast_ref::<CelBytes>()) {
        (Some(text), _) => text.inner().len(),
        (_, Some(bytes)) => bytes.inner().len(),
        _ => 0,
    };
    1 + bytes as u64 / BYTES_PER_UNIT
}
