//! Variable substitution in texts: the dialect of Flux's `envsubst`, which looks like a shell's and is none.
//!
//! Only `${` starts an expression. A text is parsed whole before anything of it is evaluated, so a mistake in its last line wins over a
//! missing variable in its first. [`expand`] takes any source of variables; [`Substitution`] adds what a Kustomization's `postBuild`
//! says: which names are allowed, what happens to line breaks in values, and when nothing is done at all.
//!
//! Deliberately not here: reading `ConfigMaps` and Secrets, the `substitute: disabled` opt-out of single objects, and YAML on either side
//! of the text. The whole text is the unit: quotes, comments and structure mean nothing to this crate.

mod evaluate;
mod glob;
mod letters;
mod parse;
mod postbuild;
mod text;

use evaluate::Evaluator;

pub use postbuild::{Strategy, Substitution, SubstitutionError, Variables};

/// What one expansion may cost. Every bound is far above what manifests need and far below what hurts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of text that may be produced, the results of nested expressions included. Stops values that multiply themselves, such as
    /// `${a//x/${a}}`.
    pub output: usize,
    /// How many expressions may stand inside each other. Stops a stack that overflows.
    pub nesting: usize,
    /// Comparisons of glob matching (`#`, `##`, `%`, `%%`), the one operation that is not linear in its input.
    pub glob_steps: usize,
}

impl Default for Limits {
    /// 16 MiB of output (an object is at most 1.5 MiB in etcd), 64 levels, 2²⁶ comparisons (a fraction of a second).
    fn default() -> Self {
        Self { output: 16 << 20, nesting: 64, glob_steps: 1 << 26 }
    }
}

/// What an expression over a variable that is not there gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unset {
    /// An error, except for the operators that supply a default: strict mode, which Flux has on since 2.9.
    Fail,
    /// The same as a variable set to the empty string.
    Empty,
}

/// Why a text could not be expanded.
///
/// The texts of the first five and of [`ExpandError::NotSet`] are those of Flux's `envsubst`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// An operator whose arguments do not have its form.
    #[error("bad substitution")]
    BadSubstitution,
    /// Something other than `}` or an operator follows the name.
    #[error("missing closing brace")]
    MissingClosingBrace,
    /// No name follows `${`.
    #[error("unable to parse variable name")]
    VariableName,
    /// An argument that is missing.
    #[error("unable to parse substitution within function")]
    Argument,
    /// A substring with a negative length. Flux panics here, and reports the panic.
    #[error("slice bounds out of range in a substring of {0:?}")]
    SubstringRange(String),
    /// A variable that strict mode wants set.
    #[error("variable not set (strict mode): \"{0}\"")]
    NotSet(String),
    /// Expressions nested deeper than [`Limits::nesting`].
    #[error("expressions are nested more than {0} levels deep")]
    Nesting(usize),
    /// More text than [`Limits::output`].
    #[error("the result is larger than {0} bytes")]
    Output(usize),
    /// Globs that need more than [`Limits::glob_steps`].
    #[error("matching patterns takes more than {0} steps")]
    GlobSteps(usize),
    /// A result that is not UTF-8, which a substring of bytes or a binary value can give.
    #[error("the result is not valid UTF-8")]
    NotUtf8,
}

/// Expands every `${…}` of a text.
///
/// `lookup` gives the value of a variable, or `None` if there is no such variable; values are bytes, since a Secret's are. It is called
/// once for each evaluated expression.
///
/// # Errors
///
/// Text that does not parse, a missing variable with [`Unset::Fail`], a result that is not UTF-8, or a bound of `limits`.
pub fn expand<'v>(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<&'v [u8]>,
    unset: Unset,
    limits: &Limits,
) -> Result<String, ExpandError> {
    let template = parse::parse(text, limits.nesting)?;
    let mut evaluator = Evaluator::new(lookup, unset, limits);
    let bytes = evaluator.concatenate(&template)?;
    String::from_utf8(bytes).map_err(|_| ExpandError::NotUtf8)
}

#[cfg(test)]
mod tests;
