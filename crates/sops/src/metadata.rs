//! What SOPS writes beside the values: the key groups, how many of them it takes, and the rule of encryption.
//!
//! Deliberately not kept: the MAC, the version and the dates; the dates are checked, since SOPS refuses a document without them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::flatten::{FlattenError, unflatten};
use crate::keys::{AgeKey, AwsKmsKey, AzureKeyVaultKey, GcpKmsKey, HuaweiKmsKey, MasterKey, OpenPgpKey, VaultKey};
use crate::rules::{Pattern, Rule};
use crate::tree::{Branch, Item, Key, Value};

/// The key under which metadata stands.
const SOPS: &str = "sops";
/// What its names begin with where everything stands on one level.
const PREFIX: &str = "sops_";

/// The most master keys of a document: for each of them somebody may be asked over the network.
pub(crate) const MAX_KEYS: usize = 128;

/// Metadata that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// There is none.
    #[error("sops metadata not found")]
    NotFound,
    /// Twice.
    #[error("Found duplicate sops entry")]
    Duplicate,
    /// It is not a mapping.
    #[error("Found sops entry that is not a mapping")]
    NotAMapping,
    /// Its flat names do not make a tree.
    #[error("Error while unflattening")]
    Flat(#[source] FlattenError),
    /// A field has another type.
    #[error("'{0}' of the sops metadata has a wrong type")]
    Field(&'static str),
    /// A date is missing or none.
    #[error("'{0}' of the sops metadata is not a time")]
    Time(&'static str),
    /// Nobody could decrypt it.
    #[error("No keys found in file")]
    NoKeys,
    /// More than are tried.
    #[error("more than {MAX_KEYS} master keys")]
    TooManyKeys,
    /// Two rules.
    #[error(
        "Cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, unencrypted_regex, \
         encrypted_comment_regex, or unencrypted_comment_regex in the same file"
    )]
    Rules,
}

/// How metadata stands in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Below one key, as it is.
    Nested,
    /// Below one key, with flat names and escaped line breaks.
    Section,
    /// Beside the values, with flat names and a prefix.
    Flat,
}

/// The metadata.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) groups: Vec<Vec<MasterKey>>,
    /// How many groups it takes, if there are several.
    pub(crate) threshold: usize,
    pub(crate) rule: Rule,
}

/// Takes the metadata out of a document.
pub(crate) fn extract(branches: &mut [Branch], layout: Layout) -> Result<Metadata, MetadataError> {
    let tree = match layout {
        Layout::Flat => flat(branches),
        Layout::Nested | Layout::Section => nested(branches)?,
    };
    let mut tree = tree.ok_or(MetadataError::NotFound)?;
    if layout == Layout::Section {
        for item in &mut tree {
            if let Some(text) = item.value.as_str().map(|text| text.replace("\\n", "\n")) {
                item.value = Value::text(text);
            }
        }
    }
    if layout != Layout::Nested {
        tree = unflatten(tree).map_err(MetadataError::Flat)?;
    }
    read(&Fields(&tree))
}

fn nested(branches: &mut [Branch]) -> Result<Option<Branch>, MetadataError> {
    let mut found = None;
    for (index, branch) in branches.iter_mut().enumerate() {
        let (own, rest): (Vec<Item>, Vec<Item>) =
            std::mem::take(branch).into_iter().partition(|item| item.name() == Some(SOPS));
        *branch = rest;
        // Every further document has a copy of it.
        for item in own.into_iter().filter(|_| index == 0) {
            let Value::Map(tree) = item.value else { return Err(MetadataError::NotAMapping) };
            if found.replace(tree).is_some() {
                return Err(MetadataError::Duplicate);
            }
        }
    }
    Ok(found)
}

fn flat(branches: &mut [Branch]) -> Option<Branch> {
    let branch = branches.first_mut()?;
    let mut found = Vec::new();
    for mut item in std::mem::take(branch) {
        let name = item.name().and_then(|name| name.strip_prefix(PREFIX)).map(str::to_owned);
        if let Some(name) = name {
            item.key = Key::Text(name);
            found.push(item);
        } else {
            branch.push(item);
        }
    }
    (!found.is_empty()).then_some(found)
}

fn read(fields: &Fields<'_>) -> Result<Metadata, MetadataError> {
    fields.time("lastmodified")?;
    let own = group(fields)?;
    let groups = if own.is_empty() {
        fields.list("key_groups")?.iter().map(group).collect::<Result<Vec<_>, _>>()?
    } else {
        vec![own]
    };
    let keys: usize = groups.iter().map(Vec::len).sum();
    if groups.is_empty() {
        return Err(MetadataError::NoKeys);
    }
    if keys > MAX_KEYS || groups.len() > MAX_KEYS {
        return Err(MetadataError::TooManyKeys);
    }
    let threshold = fields.text("shamir_threshold")?;
    let threshold = if threshold.is_empty() { Some(0) } else { threshold.parse().ok() };
    let threshold = threshold.ok_or(MetadataError::Field("shamir_threshold"))?;
    Ok(Metadata { groups, threshold, rule: rule(fields)? })
}

fn rule(fields: &Fields<'_>) -> Result<Rule, MetadataError> {
    type Make = fn(String) -> Rule;
    let makers: [(&'static str, Make); 6] = [
        ("unencrypted_suffix", Rule::UnencryptedSuffix),
        ("encrypted_suffix", Rule::EncryptedSuffix),
        ("unencrypted_regex", |text| Rule::UnencryptedRegex(Pattern::new(&text))),
        ("encrypted_regex", |text| Rule::EncryptedRegex(Pattern::new(&text))),
        ("unencrypted_comment_regex", |text| Rule::UnencryptedComment(Pattern::new(&text))),
        ("encrypted_comment_regex", |text| Rule::EncryptedComment(Pattern::new(&text))),
    ];
    let mut rule = None;
    for (name, make) in makers {
        let text = fields.text(name)?;
        if !text.is_empty() && rule.replace(make(text)).is_some() {
            return Err(MetadataError::Rules);
        }
    }
    Ok(rule.unwrap_or_default())
}

/// The keys of one group, in SOPS' order of their kinds.
fn group(fields: &Fields<'_>) -> Result<Vec<MasterKey>, MetadataError> {
    let mut keys = Vec::new();
    for key in fields.list("kms")? {
        key.time("created_at")?;
        let role = Some(key.text("role")?).filter(|role| !role.is_empty());
        let (arn, context, enc) = (key.text("arn")?, key.context()?, key.text("enc")?);
        keys.push(MasterKey::AwsKms(AwsKmsKey { arn, role, context, enc }));
    }
    for key in fields.list("gcp_kms")? {
        key.time("created_at")?;
        keys.push(MasterKey::GcpKms(GcpKmsKey { resource_id: key.text("resource_id")?, enc: key.text("enc")? }));
    }
    for key in fields.list("hckms")? {
        key.time("created_at")?;
        keys.push(MasterKey::HuaweiKms(HuaweiKmsKey { key_id: key.text("key_id")? }));
    }
    for key in fields.list("azure_kv")? {
        key.time("created_at")?;
        let (vault_url, name) = (key.text("vault_url")?, key.text("name")?);
        let (version, enc) = (key.text("version")?, key.text("enc")?);
        keys.push(MasterKey::AzureKeyVault(AzureKeyVaultKey { vault_url, name, version, enc }));
    }
    for key in fields.list("hc_vault")? {
        key.time("created_at")?;
        let (address, engine_path) = (key.text("vault_address")?, key.text("engine_path")?);
        let (key_name, enc) = (key.text("key_name")?, key.text("enc")?);
        keys.push(MasterKey::Vault(VaultKey { address, engine_path, key_name, enc }));
    }
    for key in fields.list("pgp")? {
        key.time("created_at")?;
        keys.push(MasterKey::OpenPgp(OpenPgpKey { fingerprint: key.text("fp")?, enc: key.text("enc")? }));
    }
    for key in fields.list("age")? {
        keys.push(MasterKey::Age(AgeKey { recipient: key.text("recipient")?, enc: key.text("enc")? }));
    }
    Ok(keys)
}

/// A mapping of the metadata, read as leniently as SOPS does.
struct Fields<'t>(&'t Branch);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|item| item.name() == Some(name)).map(|item| &item.value)
    }

    /// A text; numbers and truth values are taken for theirs, nothing for the empty one.
    fn text(&self, name: &'static str) -> Result<String, MetadataError> {
        scalar(self.get(name)).ok_or(MetadataError::Field(name))
    }

    fn time(&self, name: &'static str) -> Result<(), MetadataError> {
        let text = self.text(name)?;
        text.parse::<Timestamp>().map(drop).map_err(|_| MetadataError::Time(name))
    }

    /// A list of mappings; one alone counts as a list of it.
    fn list(&self, name: &'static str) -> Result<Vec<Fields<'_>>, MetadataError> {
        let value = match self.get(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(value) => value,
        };
        let refused = MetadataError::Field(name);
        let items = match value {
            Value::Map(branch) if branch.is_empty() => return Ok(Vec::new()),
            Value::Map(branch) => return Ok(vec![Fields(branch)]),
            Value::List(items) => items,
            _ if scalar(Some(value)).is_some_and(|text| text.is_empty()) => return Ok(Vec::new()),
            _ => return Err(refused),
        };
        let mut list = Vec::new();
        for item in items {
            match item {
                Value::Comment(_) => {}
                Value::Map(branch) => list.push(Fields(branch)),
                _ => return Err(refused),
            }
        }
        Ok(list)
    }

    fn context(&self) -> Result<BTreeMap<String, String>, MetadataError> {
        const FIELD: &str = "context";
        let mut context = BTreeMap::new();
        match self.get(FIELD) {
            None | Some(Value::Null) => {}
            Some(Value::Map(branch)) => {
                for item in branch {
                    let Some(name) = item.name() else { continue };
                    if item.value != Value::Null {
                        let text = scalar(Some(&item.value)).ok_or(MetadataError::Field(FIELD))?;
                        context.insert(name.to_owned(), text);
                    }
                }
            }
            Some(_) => return Err(MetadataError::Field(FIELD)),
        }
        Ok(context)
    }
}

fn scalar(value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::Bool(truth)) => Some(u8::from(*truth).to_string()),
        Some(Value::Int(number)) => Some(number.to_string()),
        Some(Value::Unsigned(number)) => Some(number.to_string()),
        Some(Value::Float(number)) => Some(number.to_string()),
        Some(Value::Time(text)) => Some(text.clone()),
        Some(text @ Value::Text(_)) => text.as_str().map(str::to_owned),
        Some(Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Comment(_)) => None,
    }
}
