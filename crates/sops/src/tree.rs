//! A document as a tree, and the walk that decrypts its values where they stand.
//!
//! Comments are part of the tree: some are encrypted, and some decide whether what follows them is. Deliberately no MAC.

use std::fmt;

use crate::cipher::{Cipher, CipherError};
use crate::rules::Rule;

/// Mappings and lists within one another. Every function that walks a tree recurses so deep.
pub(crate) const MAX_DEPTH: usize = 128;

/// Bytes of the keys on the way to a value: each value is authenticated together with them.
const MAX_PATH_BYTES: usize = 4 << 10;

/// A comment, without its mark.
#[derive(Clone, PartialEq)]
pub(crate) struct Comment {
    pub(crate) text: String,
    /// Behind a value on its line, rather than on a line of its own.
    pub(crate) inline: bool,
}

/// A value.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that no signed integer holds, which SOPS does not walk.
    Unsigned(u64),
    Float(f64),
    /// A time in RFC 3339.
    Time(String),
    /// Text, which need not be UTF-8 once it is decrypted.
    Text(Vec<u8>),
    /// Bytes, as the oldest documents have them.
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Branch),
    /// In a list only.
    Comment(Comment),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes())
    }

    /// The text, if it is one and UTF-8.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// What messages call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Unsigned(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Time(_) => "time",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "mapping",
            Self::Comment(_) => "comment",
        }
    }
}

// A tree holds secrets once it is decrypted: it has no form for logs.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(***)", self.kind())
    }
}

/// What stands where a mapping has keys.
#[derive(Clone, PartialEq)]
pub(crate) enum Key {
    Text(String),
    Comment(Comment),
    /// A key that is no text, by its type; SOPS refuses it when it is walked.
    Other(&'static str),
}

/// One entry of a mapping, or a comment between two.
#[derive(Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) key: Key,
    pub(crate) value: Value,
}

impl Item {
    pub(crate) fn new(key: impl Into<String>, value: Value) -> Self {
        Self { key: Key::Text(key.into()), value }
    }

    pub(crate) fn comment(text: impl Into<String>, inline: bool) -> Self {
        Self { key: Key::Comment(Comment { text: text.into(), inline }), value: Value::Null }
    }

    /// The key, unless this is a comment or the key is no text.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.key {
            Key::Text(name) => Some(name),
            Key::Comment(_) | Key::Other(_) => None,
        }
    }
}

/// A mapping in the order of its text.
pub(crate) type Branch = Vec<Item>;

/// A tree that cannot be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A value is not what it should be.
    #[error("Could not decrypt value")]
    Value(#[source] CipherError),
    /// Something stands in the clear where the metadata says that everything is encrypted.
    #[error("Expected encrypted value as string, but got {0}")]
    NotText(&'static str),
    /// A number, usually.
    #[error("Tree contains a non-string key (type {0}). Only string keys are supported")]
    Key(&'static str),
    /// A value that SOPS has no type for.
    #[error("Cannot walk value, unknown type: {0}")]
    Type(&'static str),
    /// Longer keys than are walked.
    #[error("the keys on the way to a value have more than {MAX_PATH_BYTES} bytes")]
    Path,
    /// More levels than are walked.
    #[error("the document has more than {MAX_DEPTH} levels")]
    Depth,
}

/// Decrypts what is encrypted, in place.
pub(crate) fn decrypt(branches: &mut [Branch], rule: &Rule, cipher: &Cipher) -> Result<(), TreeError> {
    for branch in branches {
        Walk { rule, cipher, path: Vec::new(), path_bytes: 0, comments: Vec::new() }.branch(branch)?;
    }
    Ok(())
}

/// A key on the way to a value, and whether the rule speaks of it. That is found out once: an expression run over a long key for each
/// value below it would take hours.
struct Step {
    key: String,
    spoken_of: bool,
}

/// The comments directly before a value on one level, as far as they matter: whether the rule speaks of one.
#[derive(Clone, Copy, Default)]
struct Before {
    earlier: bool,
    last: bool,
}

struct Walk<'w> {
    rule: &'w Rule,
    cipher: &'w Cipher,
    /// The keys on the way here. Lists add nothing.
    path: Vec<Step>,
    path_bytes: usize,
    /// One for each level.
    comments: Vec<Before>,
}

impl Walk<'_> {
    fn enter(&mut self) -> Result<(), TreeError> {
        // The readers keep to the bound too; aliases and other ways to a tree do not.
        if self.comments.len() >= MAX_DEPTH {
            return Err(TreeError::Depth);
        }
        self.comments.push(Before::default());
        Ok(())
    }

    fn note(&mut self, comment: &Comment) {
        let spoken_of = self.rule.is_about_comments() && self.rule.speaks_of(&comment.text);
        if let Some(level) = self.comments.last_mut() {
            *level = Before { earlier: level.earlier || level.last, last: spoken_of };
        }
    }

    fn forget(&mut self) {
        if let Some(level) = self.comments.last_mut() {
            *level = Before::default();
        }
    }

    fn encrypts(&self, is_comment: bool) -> bool {
        let spoken_of = if self.rule.is_about_comments() {
            let spared = is_comment && self.rule.spares_its_comment();
            let own = self.comments.len().saturating_sub(1);
            let levels = self.comments.iter().enumerate();
            levels.into_iter().any(|(index, level)| level.earlier || (level.last && !(spared && index == own)))
        } else {
            self.path.iter().any(|step| step.spoken_of)
        };
        self.rule.encrypts(spoken_of)
    }

    fn branch(&mut self, branch: &mut Branch) -> Result<(), TreeError> {
        self.enter()?;
        for item in branch {
            match &mut item.key {
                Key::Comment(comment) => {
                    self.note(comment);
                    self.comment(comment);
                }
                Key::Other(kind) => return Err(TreeError::Key(kind)),
                Key::Text(name) => {
                    self.path_bytes += name.len();
                    if self.path_bytes > MAX_PATH_BYTES {
                        return Err(TreeError::Path);
                    }
                    let spoken_of = !self.rule.is_about_comments() && self.rule.speaks_of(name);
                    self.path.push(Step { key: name.clone(), spoken_of });
                    self.value(&mut item.value)?;
                    self.path.pop();
                    self.path_bytes -= name.len();
                    self.forget();
                }
            }
        }
        self.comments.pop();
        Ok(())
    }

    fn list(&mut self, list: &mut [Value]) -> Result<(), TreeError> {
        self.enter()?;
        for value in list {
            if let Value::Comment(comment) = value {
                self.note(comment);
                self.comment(comment);
            } else {
                self.value(value)?;
                self.forget();
            }
        }
        self.comments.pop();
        Ok(())
    }

    fn value(&mut self, value: &mut Value) -> Result<(), TreeError> {
        match value {
            // There is nothing to encrypt in it, so that it never is.
            Value::Null => Ok(()),
            Value::Map(branch) => self.branch(branch),
            Value::List(list) => self.list(list),
            Value::Unsigned(_) => Err(TreeError::Type("uint64")),
            Value::Comment(comment) => {
                self.comment(comment);
                Ok(())
            }
            _ if !self.encrypts(false) => Ok(()),
            Value::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| TreeError::Value(CipherError::Form))?;
                *value = self.cipher.decrypt(text, &self.additional_data()).map_err(TreeError::Value)?;
                Ok(())
            }
            other => Err(TreeError::NotText(other.kind())),
        }
    }

    /// A comment that does not decrypt was not encrypted in the first place, as in files of an older SOPS.
    fn comment(&self, comment: &mut Comment) {
        if !self.encrypts(true) {
            return;
        }
        match self.cipher.decrypt(&comment.text, &self.additional_data()) {
            Ok(Value::Comment(decrypted)) => comment.text = decrypted.text,
            Ok(Value::Text(text)) => comment.text = String::from_utf8_lossy(&text).into_owned(),
            Ok(_) | Err(_) => {}
        }
    }

    /// The keys with a colon between each two and one behind them, which is all that there is at the top.
    fn additional_data(&self) -> String {
        let mut data = String::with_capacity(self.path_bytes + self.path.len() + 1);
        for (index, step) in self.path.iter().enumerate() {
            if index > 0 {
                data.push(':');
            }
            data.push_str(&step.key);
        }
        data.push(':');
        data
    }
}
