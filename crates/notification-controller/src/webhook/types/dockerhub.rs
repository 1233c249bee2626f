//! Docker Hub: signs nothing; the body must be of its form.

use std::borrow::Cow;

use super::{Call, Checked};
use crate::webhook::go_json::{Shape, Trailing, decode};

/// Wants a body of Docker Hub's.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    let shape = Shape::Object(vec![
        ("push_data", Shape::Object(vec![("tag", Shape::Text)])),
        ("repository", Shape::Object(vec![("repo_url", Shape::Text)])),
    ]);
    decode(call.body, &shape, Trailing::Ignored)?;
    Ok(Cow::Borrowed(call.body))
}
