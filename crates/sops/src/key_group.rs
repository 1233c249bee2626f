//! The data key of a document: the first master key of each group that opens its part, and the parts together.

use std::error::Error as _;
use std::fmt;

use crate::keys::{DataKey, KeyError, KeyServices, MasterKey};
use crate::metadata::Metadata;
use crate::shamir::{ShamirError, combine};

/// A data key that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DataKeyError {
    /// Too few groups gave their part.
    #[error("Failed to get the data key required to decrypt the SOPS file: {}", failures(.groups, *.required))]
    Groups {
        /// How many groups it takes; 0 for the one that there is.
        required: usize,
        /// The groups in the document's order; `None` for one that gave its part.
        groups: Vec<Option<GroupFailure>>,
    },
    /// The parts do not belong together.
    #[error("could not get data key from shamir parts")]
    Combine(#[source] ShamirError),
}

/// The keys of a group, none of which opened its part.
#[derive(Debug)]
pub struct GroupFailure {
    /// In the order in which they were tried.
    pub keys: Vec<KeyFailure>,
}

/// A master key that did not open its part.
#[derive(Debug)]
pub struct KeyFailure {
    /// [`MasterKey::name`].
    pub key: String,
    /// Why.
    pub error: KeyError,
}

/// The longest name of a key that is shown; recipients after quantum computers have two thousand characters.
const MAX_NAME_CHARS: usize = 120;

fn failures(groups: &[Option<GroupFailure>], required: usize) -> String {
    let mut told = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let Some(group) = group else { continue };
        if group.keys.is_empty() {
            told.push(format!("group {index} has no keys"));
        }
        told.extend(group.keys.iter().map(|failure| format!("group {index}: {failure}")));
    }
    if required > 0 && groups.len() > 1 {
        let got = groups.iter().filter(|group| group.is_none()).count();
        told.push(format!("{required} successful groups required, got {got}"));
    }
    told.join("; ")
}

impl fmt::Display for KeyFailure {
    /// The whole chain: this is where it becomes one text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, error } = self;
        let cut = key.char_indices().nth(MAX_NAME_CHARS).map(|(end, _)| &key[..end]);
        let (name, ellipsis) = cut.map_or((key.as_str(), ""), |cut| (cut, "…"));
        write!(f, "{name}{ellipsis}: {error}")?;
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Asks for the parts, as many as it takes, and puts them together.
pub(crate) async fn data_key(metadata: &Metadata, services: &dyn KeyServices) -> Result<DataKey, DataKeyError> {
    let Metadata { groups, threshold, .. } = metadata;
    let (mut parts, mut failures) = (Vec::new(), Vec::new());
    for group in groups {
        match part(group, services).await {
            Ok(part) => {
                parts.push(part);
                failures.push(None);
            }
            Err(failure) => failures.push(Some(failure)),
        }
    }
    let failed = |required| DataKeyError::Groups { required, groups: failures };
    if groups.len() > 1 {
        if parts.len() < *threshold {
            return Err(failed(*threshold));
        }
        let parts: Vec<&[u8]> = parts.iter().map(DataKey::expose).collect();
        return combine(&parts).map(DataKey::from).map_err(DataKeyError::Combine);
    }
    parts.pop().ok_or_else(|| failed(*threshold))
}

async fn part(group: &[MasterKey], services: &dyn KeyServices) -> Result<DataKey, GroupFailure> {
    let mut order: Vec<&MasterKey> = group.iter().collect();
    order.sort_by_key(|key| key.rank());
    let mut failure = GroupFailure { keys: Vec::new() };
    for key in order {
        match services.decrypt(key).await {
            Ok(part) => return Ok(part),
            Err(error) => failure.keys.push(KeyFailure { key: key.name(), error }),
        }
    }
    Err(failure)
}
