//! Quay: signs nothing; the body must be of its form.

use std::borrow::Cow;

use super::{Call, Checked};
use crate::webhook::go_json::{Shape, Trailing, decode};

/// Wants a body of Quay's.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    let tags = Shape::List(Box::new(Shape::Text));
    let shape = Shape::Object(vec![("docker_url", Shape::Text), ("updated_tags", tags)]);
    decode(call.body, &shape, Trailing::Ignored)?;
    Ok(Cow::Borrowed(call.body))
}
