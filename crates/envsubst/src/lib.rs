//! Variable substitution in texts.
