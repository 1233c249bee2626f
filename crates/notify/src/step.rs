//! A conversation with a provider as data: the next request, and what to do with its answer.
//!
//! An exchange that reads before it writes is a chain of functions from an answer to the next [`Step`]. They are pure, so
//! a test walks the chain with a table of answers and no server. Nothing here sends.

use std::fmt;

use thiserror::Error;

use crate::request::{Answer, OutboundRequest};

/// Why an answer, though accepted, leads nowhere. Texts may quote the other side; they are masked before they leave.
#[derive(Debug, Error)]
pub enum StepError {
    /// The answer is not the JSON that it should be.
    #[error("failed to decode the answer to the {what}")]
    Decode {
        /// The request, for example "list of statuses".
        what: &'static str,
        /// What the decoder says.
        #[source]
        source: serde_json::Error,
    },
    /// The answer says no in its own words, or lacks what is needed.
    #[error("{0}")]
    Refused(String),
}

/// From an accepted answer to what comes next.
pub type Continuation = Box<dyn FnOnce(Answer) -> Result<Step, StepError> + Send>;

/// What to do next in a conversation.
pub enum Step {
    /// Nothing (more).
    Done,
    /// Send this; it is the last one, and its answer is judged only.
    Last(Box<OutboundRequest>),
    /// Send this, judge the answer, and go on with what the continuation makes of it.
    Ask(Box<OutboundRequest>, Continuation),
}

impl Step {
    /// One request and no more.
    pub fn last(request: OutboundRequest) -> Self {
        Self::Last(Box::new(request))
    }

    /// A request, and what to make of its answer.
    pub fn ask(
        request: OutboundRequest,
        then: impl FnOnce(Answer) -> Result<Self, StepError> + Send + 'static,
    ) -> Self {
        Self::Ask(Box::new(request), Box::new(then))
    }

    /// Requests one after the other; the first that fails ends it.
    pub fn in_order(requests: Vec<OutboundRequest>) -> Self {
        requests.into_iter().rev().fold(Self::Done, |rest, request| match rest {
            Self::Done => Self::last(request),
            rest => Self::ask(request, |_| Ok(rest)),
        })
    }

    /// The request, if there is one.
    pub fn request(&self) -> Option<&OutboundRequest> {
        match self {
            Self::Done => None,
            Self::Last(request) | Self::Ask(request, _) => Some(request),
        }
    }

    /// What follows this answer. After a last request that is [`Step::Done`], whatever the answer.
    ///
    /// # Errors
    /// What the continuation says of the answer.
    pub fn answered(self, answer: Answer) -> Result<Self, StepError> {
        match self {
            Self::Done | Self::Last(_) => Ok(Self::Done),
            Self::Ask(_, then) => then(answer),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Last(request) => write!(f, "Last({request:?})"),
            Self::Ask(request, _) => write!(f, "Ask({request:?}, ..)"),
        }
    }
}

/// Reads an answer's body as JSON.
///
/// # Errors
/// [`StepError::Decode`], naming the request by `what`.
pub fn decode<T: serde::de::DeserializeOwned>(what: &'static str, answer: &Answer) -> Result<T, StepError> {
    serde_json::from_slice(&answer.body).map_err(|source| StepError::Decode { what, source })
}

#[cfg(test)]
mod tests {
    use sluice_http_client::{HeaderMap, Method, StatusCode};

    use super::*;

    fn request(path: &str) -> OutboundRequest {
        OutboundRequest::new(Method::GET, format!("https://forge.example/{path}").parse().unwrap())
    }

    fn answer(body: &str) -> Answer {
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn requests_in_order_are_asked_one_after_the_other() {
        let mut step = Step::in_order(vec![request("a"), request("b")]);
        let mut paths = Vec::new();
        while let Some(request) = step.request() {
            paths.push(request.url.path().to_owned());
            step = step.answered(answer("")).unwrap();
        }
        assert_eq!(paths, ["/a", "/b"]);
        assert!(Step::in_order(Vec::new()).request().is_none());
    }

    #[test]
    fn a_continuation_decides_by_the_answer() {
        let exchange = || {
            Step::ask(request("list"), |answer| {
                let found: Vec<String> = decode("list", &answer)?;
                Ok(if found.is_empty() { Step::last(request("create")) } else { Step::Done })
            })
        };
        let next = exchange().answered(answer("[]")).unwrap();
        assert_eq!(next.request(), Some(&request("create")));
        assert!(exchange().answered(answer(r#"["x"]"#)).unwrap().request().is_none());
        let error = exchange().answered(answer("secret <html>")).unwrap_err();
        assert_eq!(error.to_string(), "failed to decode the answer to the list");
    }
}
