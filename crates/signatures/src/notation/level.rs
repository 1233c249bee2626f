//! Verification levels: what to do about each kind of check that fails.

use std::collections::BTreeMap;

/// The kinds of check. Integrity is not among them: it is always enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The signer is one of those trusted.
    Authenticity,
    /// The signing certificate was valid when the signature was made.
    AuthenticTimestamp,
    /// The signature's own expiry has not passed.
    Expiry,
    /// No certificate of the chain was revoked.
    Revocation,
}

impl Check {
    /// Its name in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authenticity => "authenticity",
            Self::AuthenticTimestamp => "authenticTimestamp",
            Self::Expiry => "expiry",
            Self::Revocation => "revocation",
        }
    }
}

/// What happens when a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The signature is not good.
    Enforce,
    /// It is told and goes on.
    Log,
    /// The check is not made.
    Skip,
}

/// One action per check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    authenticity: Action,
    authentic_timestamp: Action,
    expiry: Action,
    revocation: Action,
}

/// Why a level is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// No such level.
    #[error("invalid signature verification level {0:?}")]
    Unknown(String),
    /// "skip" with overrides.
    #[error("signature verification level \"skip\" cannot be customized")]
    SkipOverridden,
    /// No such check.
    #[error("unsupported verification type {0:?}")]
    Check(String),
    /// No such action.
    #[error("unsupported verification action {0:?}")]
    Action(String),
    /// Integrity overridden, or another check than revocation skipped.
    #[error("verification type {check:?} cannot have the action {action:?}")]
    Forbidden {
        /// The check.
        check: String,
        /// The action.
        action: String,
    },
}

impl Level {
    /// Every check is enforced.
    pub const STRICT: Self = Self::with(Action::Enforce, Action::Enforce);
    /// Authenticity is enforced.
    pub const PERMISSIVE: Self = Self::with(Action::Enforce, Action::Log);
    /// Nothing but integrity is enforced.
    pub const AUDIT: Self = Self::with(Action::Log, Action::Log);
    /// No signature is looked at.
    pub const SKIP: Self = Self::with(Action::Skip, Action::Skip);

    const fn with(authenticity: Action, rest: Action) -> Self {
        Self { authenticity, authentic_timestamp: rest, expiry: rest, revocation: rest }
    }

    /// Reads a level by name and applies its overrides.
    pub(super) fn parse(name: &str, overrides: &BTreeMap<String, String>) -> Result<Self, LevelError> {
        let mut level = match name {
            "strict" => Self::STRICT,
            "permissive" => Self::PERMISSIVE,
            "audit" => Self::AUDIT,
            "skip" if overrides.is_empty() => Self::SKIP,
            "skip" => return Err(LevelError::SkipOverridden),
            other => return Err(LevelError::Unknown(other.to_owned())),
        };
        for (check, action) in overrides {
            level.apply(check, action)?;
        }
        Ok(level)
    }

    fn apply(&mut self, check: &str, action: &str) -> Result<(), LevelError> {
        let parsed = match action {
            "enforce" => Action::Enforce,
            "log" => Action::Log,
            "skip" => Action::Skip,
            other => return Err(LevelError::Action(other.to_owned())),
        };
        let place = match check {
            "authenticity" => &mut self.authenticity,
            "authenticTimestamp" => &mut self.authentic_timestamp,
            "expiry" => &mut self.expiry,
            "revocation" => &mut self.revocation,
            "integrity" => return Err(LevelError::Forbidden { check: check.to_owned(), action: action.to_owned() }),
            other => return Err(LevelError::Check(other.to_owned())),
        };
        // Only revocation may be left out: a signature nobody is asked to vouch for would look verified.
        if parsed == Action::Skip && check != "revocation" {
            return Err(LevelError::Forbidden { check: check.to_owned(), action: action.to_owned() });
        }
        *place = parsed;
        Ok(())
    }

    /// What to do when `check` fails.
    pub fn action(&self, check: Check) -> Action {
        match check {
            Check::Authenticity => self.authenticity,
            Check::AuthenticTimestamp => self.authentic_timestamp,
            Check::Expiry => self.expiry,
            Check::Revocation => self.revocation,
        }
    }
}
