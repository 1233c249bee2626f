//! The trust policy document, version 1.0: which registries' artifacts must be signed by whom, and how strictly that is checked.
//!
//! A statement of level "skip" that still names trust stores or identities is accepted and they are ignored, as in Flux; notation's own
//! command line refuses it. Blob policies are not read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::Requirement;
use super::distinguished_name::{DistinguishedName, DistinguishedNameError};
use super::level::{Level, LevelError};

/// The largest document that is read; a Secret holds 1 MiB.
const MAX_BYTES: usize = 1024 * 1024;

/// How many statements, and how many entries of one list, are read.
const MAX_ITEMS: usize = 1024;

static DOMAIN: LazyLock<Regex> = LazyLock::new(|| {
    const LABEL: &str = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    Regex::new(&format!(r"\A{LABEL}(?:\.{LABEL})*(?::[0-9]+)?\z")).expect("a constant expression")
});

static REPOSITORY: LazyLock<Regex> = LazyLock::new(|| {
    const PART: &str = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    Regex::new(&format!(r"\A{PART}(?:/{PART})*\z")).expect("a constant expression")
});

/// Why a trust policy is not usable, or not for an artifact.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Larger than a Secret can be, or with too many entries.
    #[error("trust policy too large")]
    TooLarge,
    /// No such JSON.
    #[error("malformed trust policy")]
    Json(#[source] serde_json::Error),
    /// Another version than 1.0.
    #[error("unsupported trust policy version {0:?}")]
    Version(String),
    /// No statements.
    #[error("trust policy without statements")]
    Empty,
    /// A statement without name.
    #[error("trust policy statement without name")]
    NoName,
    /// Two statements of one name.
    #[error("two trust policy statements with the name {0:?}")]
    DuplicateName(String),
    /// The level is none.
    #[error("trust policy statement {statement:?}")]
    Level {
        /// Its name.
        statement: String,
        /// What is wrong.
        #[source]
        source: LevelError,
    },
    /// `verifyTimestamp` is neither `always` nor `afterCertExpiry`.
    #[error("trust policy statement {statement:?} has the invalid verifyTimestamp {value:?}")]
    VerifyTimestamp {
        /// Its name.
        statement: String,
        /// What it has.
        value: String,
    },
    /// No trust stores or no identities.
    #[error("trust policy statement {0:?} must have trust stores and trusted identities")]
    NoTrust(String),
    /// A trust store that is no `<type>:<name>`.
    #[error("trust policy statement {statement:?} has the invalid trust store {store:?}")]
    TrustStore {
        /// Its name.
        statement: String,
        /// The store.
        store: String,
    },
    /// A trusted identity that is none.
    #[error("trust policy statement {statement:?} has the invalid trusted identity {identity:?}")]
    TrustedIdentity {
        /// Its name.
        statement: String,
        /// The identity.
        identity: String,
        /// What is wrong, where it is a distinguished name.
        #[source]
        source: Option<DistinguishedNameError>,
    },
    /// An identity of which another one is a special case.
    #[error("trust policy statement {statement:?} has overlapping trusted identities")]
    Overlap {
        /// Its name.
        statement: String,
    },
    /// A statement without scopes.
    #[error("trust policy statement {0:?} has no registry scopes")]
    NoScopes(String),
    /// "*" beside others.
    #[error("trust policy statement {0:?} has the registry scope \"*\" beside others")]
    WildcardScope(String),
    /// A scope that is no `registry/repository`.
    #[error("invalid registry scope {0:?}")]
    Scope(String),
    /// A scope in two statements.
    #[error("registry scope {0:?} is in several trust policy statements")]
    DuplicateScope(String),
    /// No statement is for the artifact.
    #[error("artifact {0:?} has no applicable trust policy statement")]
    NotApplicable(String),
}

/// A trust policy that was found valid.
#[derive(Clone, Debug)]
pub struct TrustPolicy {
    statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) level: Level,
    pub(super) when_timestamped: TimestampRule,
    pub(super) stores: Vec<StoreKind>,
    pub(super) identities: TrustedIdentities,
    scopes: Vec<String>,
}

/// When a timestamp is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimestampRule {
    Always,
    AfterCertExpiry,
}

/// What the certificates of a store are trusted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    Ca,
    SigningAuthority,
    Tsa,
}

/// Who may sign.
#[derive(Clone, Debug)]
pub(super) enum TrustedIdentities {
    Anyone,
    Subjects(Vec<DistinguishedName>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    version: String,
    #[serde(default)]
    trust_policies: Vec<RawStatement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct RawStatement {
    name: String,
    signature_verification: RawVerification,
    trust_stores: Vec<String>,
    trusted_identities: Vec<String>,
    registry_scopes: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawVerification {
    level: String,
    #[serde(rename = "override")]
    overrides: BTreeMap<String, String>,
    verify_timestamp: String,
}

impl TrustPolicy {
    /// Reads and validates a document.
    ///
    /// # Errors
    ///
    /// One [`PolicyError`] per rule of the Notary Project's trust policy specification.
    pub fn from_json(json: &[u8]) -> Result<Self, PolicyError> {
        if json.len() > MAX_BYTES {
            return Err(PolicyError::TooLarge);
        }
        let document: Document = serde_json::from_slice(json).map_err(PolicyError::Json)?;
        if document.version != "1.0" {
            return Err(PolicyError::Version(document.version));
        }
        let count = document.trust_policies.len();
        if count == 0 {
            return Err(PolicyError::Empty);
        }
        if count > MAX_ITEMS {
            return Err(PolicyError::TooLarge);
        }
        let (mut names, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        let mut statements = Vec::with_capacity(count);
        for raw in document.trust_policies {
            if !names.insert(raw.name.clone()) {
                return Err(PolicyError::DuplicateName(raw.name));
            }
            check_scopes(&raw, &mut scopes)?;
            statements.push(statement(raw)?);
        }
        Ok(Self { statements })
    }

    /// Whether signatures of the artifact with this reference (`host/name@digest`) need to be fetched at all.
    ///
    /// # Errors
    ///
    /// The reference has no digest, or no statement applies to it.
    pub fn requirement(&self, reference: &str) -> Result<Requirement, PolicyError> {
        let level = self.statement_for(reference)?.level;
        Ok(if level == Level::SKIP { Requirement::Skip } else { Requirement::Verify })
    }

    /// The statement whose scope is the artifact's repository, else the one for everything.
    pub(super) fn statement_for(&self, reference: &str) -> Result<&Statement, PolicyError> {
        let not_applicable = || PolicyError::NotApplicable(reference.to_owned());
        let (repository, _digest) = reference.rsplit_once('@').ok_or_else(not_applicable)?;
        check_scope(repository)?;
        let with =
            |scope: &str| self.statements.iter().find(|statement| statement.scopes.iter().any(|known| known == scope));
        with(repository).or_else(|| with("*")).ok_or_else(not_applicable)
    }
}

fn statement(raw: RawStatement) -> Result<Statement, PolicyError> {
    let name = raw.name;
    if name.is_empty() {
        return Err(PolicyError::NoName);
    }
    let verification = raw.signature_verification;
    let level = Level::parse(&verification.level, &verification.overrides)
        .map_err(|source| PolicyError::Level { statement: name.clone(), source })?;
    let when_timestamped = match verification.verify_timestamp.as_str() {
        "" | "always" => TimestampRule::Always,
        "afterCertExpiry" => TimestampRule::AfterCertExpiry,
        other => return Err(PolicyError::VerifyTimestamp { statement: name, value: other.to_owned() }),
    };
    if level == Level::SKIP {
        let identities = TrustedIdentities::Subjects(Vec::new());
        return Ok(Statement { level, when_timestamped, stores: Vec::new(), identities, scopes: raw.registry_scopes });
    }
    if raw.trust_stores.is_empty() || raw.trusted_identities.is_empty() {
        return Err(PolicyError::NoTrust(name));
    }
    if raw.trust_stores.len() > MAX_ITEMS || raw.trusted_identities.len() > MAX_ITEMS {
        return Err(PolicyError::TooLarge);
    }
    let stores = raw.trust_stores.iter().map(|store| store_kind(store, &name)).collect::<Result<_, _>>()?;
    let identities = trusted_identities(&raw.trusted_identities, &name)?;
    Ok(Statement { level, when_timestamped, stores, identities, scopes: raw.registry_scopes })
}

fn store_kind(store: &str, statement: &str) -> Result<StoreKind, PolicyError> {
    let invalid = || PolicyError::TrustStore { statement: statement.to_owned(), store: store.to_owned() };
    let (kind, name) = store.split_once(':').ok_or_else(invalid)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(invalid());
    }
    match kind {
        "ca" => Ok(StoreKind::Ca),
        "signingAuthority" => Ok(StoreKind::SigningAuthority),
        "tsa" => Ok(StoreKind::Tsa),
        _ => Err(invalid()),
    }
}

fn trusted_identities(raw: &[String], statement: &str) -> Result<TrustedIdentities, PolicyError> {
    let invalid = |identity: &str, source| PolicyError::TrustedIdentity {
        statement: statement.to_owned(),
        identity: identity.to_owned(),
        source,
    };
    if raw.iter().any(|identity| identity == "*") {
        return if raw.len() == 1 { Ok(TrustedIdentities::Anyone) } else { Err(invalid("*", None)) };
    }
    let mut subjects: Vec<DistinguishedName> = Vec::new();
    for identity in raw {
        let (kind, value) = identity.split_once(':').ok_or_else(|| invalid(identity, None))?;
        // Other kinds are for plugins, which there are none of: they match nobody.
        if kind == "x509.subject" {
            subjects.push(DistinguishedName::parse(value.trim()).map_err(|source| invalid(identity, Some(source)))?);
        }
    }
    for (index, one) in subjects.iter().enumerate() {
        if subjects.iter().enumerate().any(|(other, subject)| other != index && one.is_part_of(subject)) {
            return Err(PolicyError::Overlap { statement: statement.to_owned() });
        }
    }
    Ok(TrustedIdentities::Subjects(subjects))
}

fn check_scopes(raw: &RawStatement, seen: &mut BTreeSet<String>) -> Result<(), PolicyError> {
    let scopes = &raw.registry_scopes;
    if scopes.is_empty() {
        return Err(PolicyError::NoScopes(raw.name.clone()));
    }
    if scopes.len() > MAX_ITEMS {
        return Err(PolicyError::TooLarge);
    }
    if scopes.len() > 1 && scopes.iter().any(|scope| scope == "*") {
        return Err(PolicyError::WildcardScope(raw.name.clone()));
    }
    for scope in scopes {
        if scope != "*" {
            check_scope(scope)?;
        }
        if !seen.insert(scope.clone()) {
            return Err(PolicyError::DuplicateScope(scope.clone()));
        }
    }
    Ok(())
}

fn check_scope(scope: &str) -> Result<(), PolicyError> {
    let valid =
        scope.split_once('/').is_some_and(|(domain, name)| DOMAIN.is_match(domain) && REPOSITORY.is_match(name));
    if valid { Ok(()) } else { Err(PolicyError::Scope(scope.to_owned())) }
}
