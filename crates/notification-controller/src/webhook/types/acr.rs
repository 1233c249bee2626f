//! Azure Container Registry: signs nothing; the body must be of its form.

use std::borrow::Cow;

use super::{Call, Checked};
use crate::webhook::go_json::{Shape, Trailing, decode};

/// Wants a body of the registry's.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    let target = Shape::Object(vec![("repository", Shape::Text), ("tag", Shape::Text)]);
    let shape = Shape::Object(vec![("action", Shape::Text), ("target", target)]);
    decode(call.body, &shape, Trailing::Ignored)?;
    Ok(Cow::Borrowed(call.body))
}
