//! `sluice kustomize build`: from flags to a build, and its objects to where they are wanted.
//!
//! It does not decide anything about the objects. Warnings are written even if the build fails, before the error.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_kustomize::{
    BuildError, LoadRestrictor, Options, PathError, PrintError, RelPath, Remote, Reorder, Resource, attempt, yaml_of,
};
use thiserror::Error;

use crate::flags::BuildFlags;
use crate::host::HostTree;
use sluice_remote_bases::NetworkSource;

/// Why `kustomize build` failed, in kustomize's words.
#[derive(Debug, Error)]
pub enum CommandError {
    /// More than one directory.
    #[error("specify one path to kustomization.yaml")]
    ManyPaths,
    /// A flag has a value that it does not take.
    #[error("illegal flag value --{flag} {value}; legal values: [{}]", legal.join(" "))]
    IllegalValue {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// The values that it takes.
        legal: &'static [&'static str],
    },
    /// A flag for a part that is not here.
    #[error("flag --{flag} is not supported: no plugin, function, container or helm is run")]
    Refused {
        /// The flag.
        flag: &'static str,
    },
    /// The working directory or the root cannot be looked at.
    #[error("finding the directory to build")]
    WorkingDirectory(#[source] std::io::Error),
    /// The directory's path is not UTF-8.
    #[error("path {0:?} is not UTF-8")]
    NotUtf8(PathBuf),
    /// The build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An object cannot be printed.
    #[error(transparent)]
    Print(#[from] PrintError),
    /// The directory's path has a NUL character.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A name would put a file somewhere else than in the output directory.
    #[error("object '{0}' has a name that cannot be a file name")]
    FileName(String),
    /// The result cannot be written.
    #[error("{path}")]
    Write {
        /// Where to.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Builds and writes.
///
/// # Errors
/// Flags that are not understood or not supported, a build that fails, or a result that cannot be written.
pub fn run(flags: &BuildFlags, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), CommandError> {
    let options = options(flags)?;
    let path = match flags.paths.as_slice() {
        [] => ".",
        [one] => one,
        _ => return Err(CommandError::ManyPaths),
    };
    let tree = HostTree::new().map_err(CommandError::WorkingDirectory)?;
    let working = std::env::current_dir().map_err(CommandError::WorkingDirectory)?;
    let dir = absolute(&working, path)?;
    let attempt = attempt(&tree, (path, &dir), &options);
    for warning in &attempt.warnings {
        // A closed error stream must not stop the result.
        let _ = writeln!(err, "{warning}");
    }
    // Never taken apart again: the process ends after this, and with thousands of objects that would take its time.
    let resources = ManuallyDrop::new(attempt.result?);
    match &flags.output {
        Some(path) if path.is_dir() => write_each(path, &resources),
        Some(path) => fs::write(path, text_of(&resources)?).map_err(|source| failure(path, source)),
        None => out.write_all(text_of(&resources)?.as_bytes()).map_err(|source| failure(Path::new("stdout"), source)),
    }
}

fn text_of(resources: &[Resource]) -> Result<String, CommandError> {
    Ok(yaml_of(resources)?)
}

fn failure(path: &Path, source: std::io::Error) -> CommandError {
    CommandError::Write { path: path.display().to_string(), source }
}

fn absolute(working: &Path, path: &str) -> Result<RelPath, CommandError> {
    let full = working.join(path);
    // `..` at the root stays at the root, as in every file system.
    let mut parts: Vec<&str> = Vec::new();
    for part in full.to_str().ok_or_else(|| CommandError::NotUtf8(full.clone()))?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    Ok(RelPath::new(&parts.join("/"))?)
}

fn options(flags: &BuildFlags) -> Result<Options, CommandError> {
    const RESTRICTORS: &[&str] = &["LoadRestrictionsRootOnly", "LoadRestrictionsNone"];
    const ORDERS: &[&str] = &["none", "legacy", "unspecified"];
    if let Some(flag) = flags.refused.first_set() {
        return Err(CommandError::Refused { flag });
    }
    let illegal = |flag, value: &str, legal| CommandError::IllegalValue { flag, value: value.to_owned(), legal };
    let load_restrictor = match flags.load_restrictor.as_str() {
        "LoadRestrictionsRootOnly" | "rootOnly" => LoadRestrictor::RootOnly,
        "LoadRestrictionsNone" | "none" => LoadRestrictor::None,
        other => return Err(illegal("load-restrictor", other, RESTRICTORS)),
    };
    let reorder = match flags.reorder.as_str() {
        "none" => Reorder::None,
        "legacy" | "unspecified" => Reorder::Legacy,
        other => return Err(illegal("reorder", other, ORDERS)),
    };
    let managed_by = flags.enable_managedby_label != "false";
    let remote = Remote::Fetch(Arc::new(NetworkSource::default()));
    Ok(Options { load_restrictor, reorder, managed_by, remote, ..Options::default() })
}

/// One file per object. The namespace is part of the name if there are several.
fn write_each(dir: &Path, resources: &[Resource]) -> Result<(), CommandError> {
    let has_namespace = |resource: &Resource| !resource.id().gvk.is_cluster_scoped();
    let namespaces: HashSet<&str> = resources
        .iter()
        .filter(|resource| has_namespace(resource))
        .map(|resource| resource.id().namespace.as_str())
        .collect();
    for resource in resources {
        let id = resource.id();
        let mut parts = Vec::new();
        if namespaces.len() > 1 && has_namespace(resource) {
            parts.push(if id.namespace.is_empty() { "default" } else { &id.namespace });
        }
        let gvk = [id.gvk.group.as_str(), &id.gvk.version, &id.gvk.kind];
        parts.extend(gvk.into_iter().filter(|part| !part.is_empty()));
        parts.push(&id.name);
        let name = format!("{}.yaml", parts.join("_").to_lowercase());
        // A name such as `../x` would write outside of the directory.
        if name.contains(['/', '\0']) {
            return Err(CommandError::FileName(id.to_string()));
        }
        let path = dir.join(name);
        fs::write(&path, text_of(std::slice::from_ref(resource))?).map_err(|source| failure(&path, source))?;
    }
    Ok(())
}
