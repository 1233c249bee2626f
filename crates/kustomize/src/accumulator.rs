//! One layer of a build: resources, generators, components, then the transformers of a kustomization in kustomize's fixed order.

use std::rc::Rc;

use crate::absorb::absorb;
use crate::build::{Engine, Target};
use crate::config::Config;
use crate::crds::crd_config;
use crate::documents::parse_resources;
use crate::error::{BuildError, Cause, ComponentStep, describe};
use crate::fieldspec::{FieldSpec, merge_specs};
use crate::generator::generate;
use crate::id::Gvk;
use crate::kustomization::{GeneratorArgs, Var};
use crate::origin::Origin;
use crate::plugins::{
    Generator, Host, PluginRole, check_plugin, configure, configure_generator, json_step, list_config, patch_config,
    patch_step, replacements, replacements_config, strategic_step,
};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::is_built_in;
use crate::transform::{AddEntries, Affix, Affixes, ImageTag, ReplicaCount, SetNamespace, SubjectMode, Transform};
use crate::vars::{add_vars, merge_vars};

/// What a layer has collected.
pub(crate) struct Accumulator {
    pub(crate) resources: ResMap,
    /// Tables: shared by all layers unless one has `configurations`.
    pub(crate) config: Rc<Config>,
    pub(crate) vars: Vec<Var>,
}

impl Accumulator {
    pub(crate) fn new(config: Rc<Config>) -> Self {
        Self { resources: ResMap::default(), config, vars: Vec::new() }
    }

    fn merge_config(&mut self, other: &Rc<Config>) -> Result<(), Cause> {
        if !Rc::ptr_eq(&self.config, other) && self.config != *other {
            Rc::make_mut(&mut self.config).merge(other)?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<(), Cause> {
        self.resources.append_all(other.resources)?;
        self.merge_config(&other.config)?;
        merge_vars(&mut self.vars, other.vars)?;
        Ok(())
    }
}

/// A configured transformer and how it is recorded.
pub(crate) struct Step {
    pub(crate) kind: String,
    pub(crate) transform: Box<dyn Transform>,
    origin: Option<Origin>,
}

impl Engine<'_> {
    /// Runs one kustomization on what its parent has collected (a component) or on nothing.
    pub(crate) fn accumulate(&self, target: &Target<'_>, mut all: Accumulator) -> Result<Accumulator, BuildError> {
        all.resources.set_growth(&self.growth);
        let resources = &target.kustomization.resources;
        let mut all = self
            .add_resources(target, all, resources)
            .map_err(|source| BuildError::Resources { source: Box::new(source) })?;
        self.add_configurations(target, &mut all)?;
        self.add_crds(target, &mut all)?;
        self.run_generators(target, &mut all)?;
        for component in &target.kustomization.components {
            all = self
                .add_component(target, all, component)
                .map_err(|(step, cause)| BuildError::Components { step, cause: Box::new(cause) })?;
        }
        self.run_transformers(target, &mut all)?;
        self.run_validators(target, &mut all)?;
        let vars = &target.kustomization.vars;
        add_vars(&mut all.vars, vars, &mut all.resources)
            .map_err(|problem| BuildError::Vars { problem: format!("merging vars {}: {problem}", vars_text(vars)) })?;
        Ok(all)
    }

    fn add_resources(
        &self,
        target: &Target<'_>,
        mut all: Accumulator,
        entries: &[String],
    ) -> Result<Accumulator, BuildError> {
        for entry in entries {
            if let Err(file_error) = self.add_file(target, &mut all, entry) {
                if matches!(file_error, BuildError::Remote { .. } | BuildError::TooLarge { .. }) {
                    return Err(file_error);
                }
                let malformed = describe(&file_error).contains("MalformedYAMLError");
                let directory = match self.directory(target, entry) {
                    // What is no directory was meant as a file, whose fault is the interesting one.
                    Err(_) if malformed => return Err(file_error),
                    other => other.and_then(|dir| self.add_base(target, &mut all, (entry, dir))),
                };
                directory.map_err(|source| match source {
                    BuildError::TooLarge { .. } => source,
                    source => BuildError::Entry { file: describe(&file_error), source: Box::new(source) },
                })?;
            }
            self.check_size(all.resources.len())?;
        }
        Ok(all)
    }

    fn add_file(&self, target: &Target<'_>, all: &mut Accumulator, entry: &str) -> Result<(), BuildError> {
        let fail = |source: Cause| BuildError::ResourceFile { path: entry.to_owned(), source };
        let clash = |source: Cause| BuildError::MergeFile { path: entry.to_owned(), source };
        let content = self.read(target, entry).map_err(|error| match error {
            BuildError::TooLarge { .. } | BuildError::Remote { .. } => error,
            error => fail(Box::new(error)),
        })?;
        let resources = parse_resources(&content, entry, &self.options.limits.yaml).map_err(|error| {
            if let Some((problem, line)) = error.duplicate(&content) {
                let file = self.file_at(&target.dir, entry);
                *self.duplicate.borrow_mut() = Some(BuildError::DuplicateKey { problem, file, line });
            }
            fail(error.into())
        })?;
        if !resources.iter().all(|resource| is_built_in(&resource.id.gvk.api_version(), &resource.id.gvk.kind)) {
            self.schema_used.set(true);
        }
        // All or nothing: a clash leaves none of the file's resources behind.
        let mut fresh = ResMap::default();
        for mut resource in resources {
            resource.origin = target.origin.as_ref().map(|origin| origin.join(entry));
            if all.resources.count(&resource.id) > 0 {
                let id = Box::new(resource.id);
                return Err(clash(crate::resmap::IdError::Registered { id }.into()));
            }
            fresh.append(resource).map_err(|error| fail(error.into()))?;
        }
        all.resources.append_all(fresh).map_err(|error| clash(error.into()))
    }

    fn add_base(
        &self,
        target: &Target<'_>,
        all: &mut Accumulator,
        (entry, dir): (&str, crate::path::RelPath),
    ) -> Result<(), BuildError> {
        let base = self.enter(target, entry, dir)?;
        self.check_kind(&base, false)?;
        let shown = self.shown(&base.dir);
        let below = self
            .accumulate(&base, Accumulator::new(Rc::clone(&self.config)))
            .map_err(|source| BuildError::Base { dir: shown.clone(), source: Box::new(source) })?;
        all.merge(below).map_err(|source| BuildError::Merge { dir: shown, source })
    }

    fn add_component(
        &self,
        target: &Target<'_>,
        all: Accumulator,
        entry: &str,
    ) -> Result<Accumulator, (ComponentStep, BuildError)> {
        let dir = self.directory(target, entry).map_err(|error| (ComponentStep::Find, error))?;
        let failed = |error| (ComponentStep::Build, error);
        let component = self.enter(target, entry, dir).map_err(failed)?;
        self.check_kind(&component, true).map_err(failed)?;
        let dir = self.shown(&component.dir);
        let all = self
            .accumulate(&component, all)
            .map_err(|source| failed(BuildError::Base { dir: dir.clone(), source: Box::new(source) }))?;
        all.resources.check_distinct().map_err(|source| failed(BuildError::Merge { dir, source: source.into() }))?;
        Ok(all)
    }

    fn enter<'p>(
        &self,
        target: &'p Target<'p>,
        entry: &str,
        dir: crate::path::RelPath,
    ) -> Result<Target<'p>, BuildError> {
        let shown = self.shown(&dir);
        let mut below = self
            .load(dir, Some(target))
            .map_err(|source| BuildError::Target { dir: shown, source: Box::new(source) })?;
        self.choose_schema(&below)?;
        below.origin = target.origin.as_ref().map(|origin| origin.join(entry));
        Ok(below)
    }

    fn add_configurations(&self, target: &Target<'_>, all: &mut Accumulator) -> Result<(), BuildError> {
        all.merge_config(&self.config).map_err(|cause| BuildError::Configuration { file: target.file(), cause })?;
        for entry in &target.kustomization.configurations {
            let fail = |cause: Cause| BuildError::Configuration { file: entry.clone(), cause };
            let content = self.read(target, entry)?;
            let node = sluice_yaml::read_config(&content, &self.options.limits.yaml)
                .map_err(|error| fail(format!("error converting YAML to JSON: {error}").into()))?
                .unwrap_or_default();
            let mut config = Config::decode(&node)
                .map_err(|error| fail(format!("error unmarshaling JSON: while decoding JSON: {error}").into()))?;
            config.sort();
            all.merge_config(&Rc::new(config)).map_err(fail)?;
        }
        Ok(())
    }

    fn add_crds(&self, target: &Target<'_>, all: &mut Accumulator) -> Result<(), BuildError> {
        let files = &target.kustomization.crds;
        let fail = |source: Cause| BuildError::Crds { files: files.clone(), source };
        for file in files {
            let content = self.read(target, file).map_err(|error| fail(error.into()))?;
            let config = crd_config(&content, file, &self.options.limits.yaml).map_err(fail)?;
            all.merge_config(&Rc::new(config)).map_err(fail)?;
        }
        Ok(())
    }

    fn run_generators(&self, target: &Target<'_>, all: &mut Accumulator) -> Result<(), BuildError> {
        let kustomization = &target.kustomization;
        let generators = [("ConfigMap", &kustomization.config_maps), ("Secret", &kustomization.secrets)];
        let mut generated = Vec::new();
        for (kind, args) in generators.into_iter().flat_map(|(kind, list)| list.iter().map(move |args| (kind, args))) {
            generated.push(self.generate_one(target, kind, args)?);
        }
        generated.extend(
            self.plugin_generators(target).map_err(|source| BuildError::Generators { source: Box::new(source) })?,
        );
        for resource in generated {
            absorb(&mut all.resources, resource)?;
            self.check_size(all.resources.len())?;
        }
        Ok(())
    }

    fn generate_one(
        &self,
        target: &Target<'_>,
        kind: &'static str,
        args: &GeneratorArgs,
    ) -> Result<Resource, BuildError> {
        let mut resource = generate(kind, args, |path| self.read(target, path)).map_err(|error| {
            let cause = describe(&error).into();
            BuildError::Generate { file: target.file(), kind, name: args.name.clone(), cause }
        })?;
        resource.origin =
            target.origin.as_ref().map(|origin| origin.builtin(target.file_name, &format!("{kind}Generator")));
        Ok(resource)
    }

    fn run_transformers(&self, target: &Target<'_>, all: &mut Accumulator) -> Result<(), BuildError> {
        let mut steps = self.builtin_steps(target, &all.config)?;
        steps.extend(self.plugin_steps(target, &target.kustomization.transformers)?);
        for mut step in steps {
            if let Some(Some(schema)) = self.schema.get() {
                step.transform.use_schema(schema);
            }
            self.schema_used.set(self.schema_used.get() || step.transform.merges());
            step.transform.apply(&mut all.resources).map_err(|error| BuildError::Transform {
                file: target.file(),
                kind: step.kind.clone(),
                cause: error.into(),
            })?;
            all.resources.settle_shared();
            if let Some(origin) = &step.origin {
                record(&mut all.resources, origin);
            }
            all.resources.drop_empty();
        }
        all.resources.compact();
        Ok(())
    }

    /// The transformers that fields of the kustomization configure, in the order in which they run.
    fn builtin_steps(&self, target: &Target<'_>, config: &Config) -> Result<Vec<Step>, BuildError> {
        let kustomization = &target.kustomization;
        let limits = &self.options.limits.yaml;
        let read = |path: &str| self.read_text(target, path);
        let mut steps = Vec::new();
        let mut add = |kind: &'static str, transform: Result<Box<dyn Transform>, (String, Cause)>| {
            let transform = transform.map_err(|(config, source)| BuildError::Configure {
                file: target.file(),
                kind,
                config,
                source,
            })?;
            let origin = target.origin.as_ref().map(|origin| origin.builtin(target.file_name, kind));
            steps.push(Step { kind: kind.to_owned(), transform, origin });
            Ok::<(), BuildError>(())
        };
        if !kustomization.patches_strategic_merge.is_empty() {
            let step = strategic_step((&kustomization.patches_strategic_merge, ""), &read, limits);
            let config = || list_config("paths", &kustomization.patches_strategic_merge);
            add("PatchStrategicMergeTransformer", step.map(boxed).map_err(|cause| (config(), cause)))?;
        }
        for patch in &kustomization.patches {
            let step = patch_step(patch, &read, limits).map(boxed);
            add("PatchTransformer", step.map_err(|cause| (patch_config(patch, "patch"), cause)))?;
        }
        if !kustomization.namespace.is_empty() {
            add(
                "NamespaceTransformer",
                Ok(boxed(SetNamespace {
                    namespace: kustomization.namespace.clone(),
                    specs: config.namespace.clone(),
                    unset_only: false,
                    subjects: SubjectMode::default(),
                })),
            )?;
        }
        for (kind, affix, text, specs) in [
            ("PrefixTransformer", Affix::Prefix, &kustomization.name_prefix, &config.name_prefix),
            ("SuffixTransformer", Affix::Suffix, &kustomization.name_suffix, &config.name_suffix),
        ] {
            if !text.is_empty() {
                add(kind, Ok(boxed(Affixes { affix, text: text.clone(), specs: specs.clone() })))?;
            }
        }
        for step in label_steps(kustomization, config) {
            // Clashing rows are found while the tables are put together, before there is a configuration.
            let step = step.map_err(|cause| BuildError::Transform {
                file: target.file(),
                kind: "LabelTransformer".to_owned(),
                cause: format!("failed to merge labels: {cause}").into(),
            })?;
            add("LabelTransformer", Ok(boxed(step)))?;
        }
        if !kustomization.common_annotations.is_empty() {
            let (pairs, specs) = (kustomization.common_annotations.clone(), config.common_annotations.clone());
            add("AnnotationsTransformer", Ok(boxed(AddEntries { pairs, specs })))?;
        }
        for patch in &kustomization.patches_json6902 {
            let step = json_step(patch, &read, limits).map(boxed);
            add("PatchJson6902Transformer", step.map_err(|cause| (patch_config(patch, "jsonOp"), cause)))?;
        }
        for replica in &kustomization.replicas {
            let (replica, specs) = (replica.clone(), config.replicas.clone());
            add("ReplicaCountTransformer", Ok(boxed(ReplicaCount { replica, specs })))?;
        }
        for image in &kustomization.images {
            add("ImageTagTransformer", Ok(boxed(ImageTag::new(image.clone(), config.images.clone()))))?;
        }
        if !kustomization.replacements.is_empty() {
            let step = replacements(kustomization.replacements.clone(), &read, limits);
            let config = || replacements_config(&kustomization.replacements_source);
            add("ReplacementTransformer", step.map(boxed).map_err(|cause| (config(), cause)))?;
        }
        Ok(steps)
    }

    /// The objects that `transformers` or `generators` name: inline, in files or in whole kustomizations.
    fn plugins(&self, target: &Target<'_>, role: &str, entries: &[String]) -> Result<ResMap, BuildError> {
        let limits = &self.options.limits.yaml;
        let mut all = Accumulator::new(Rc::clone(&self.config));
        let mut paths = Vec::new();
        for entry in entries {
            let Ok(resources) = parse_resources(entry.as_bytes(), "", limits) else {
                paths.push(entry.clone());
                continue;
            };
            self.schema_used.set(true);
            for mut resource in resources {
                resource.origin = target.origin.as_ref().map(|origin| origin.join(target.file_name));
                all.resources
                    .append(resource)
                    .map_err(|error| BuildError::Plugin { problem: format!("configuring external {role}: {error}") })?;
            }
        }
        let all = self.add_resources(target, all, &paths)?;
        Ok(all.resources)
    }

    fn plugin_generators(&self, target: &Target<'_>) -> Result<Vec<Resource>, BuildError> {
        let mut generated = Vec::new();
        for resource in self.plugins(target, "generator", &target.kustomization.generators)?.iter() {
            check_plugin(resource, PluginRole::Generator).map_err(|problem| BuildError::Plugin { problem })?;
            let mut made = match configure_generator(resource).map_err(|source| plugin_failure(resource, source))? {
                Generator::Made(made) => *made,
                Generator::Args(kind, args) => self.generate_one(target, kind, &args)?,
            };
            made.origin = plugin_origin(resource);
            generated.push(made);
        }
        Ok(generated)
    }

    pub(crate) fn plugin_steps(&self, target: &Target<'_>, entries: &[String]) -> Result<Vec<Step>, BuildError> {
        let shown = self.shown(&target.dir);
        let host =
            Host { read: &|path| self.read_text(target, path), dir_name: shown.rsplit('/').next().unwrap_or_default() };
        let mut steps = Vec::new();
        for resource in self.plugins(target, "transformer", entries)?.iter() {
            check_plugin(resource, PluginRole::Transformer).map_err(|problem| BuildError::Plugin { problem })?;
            let transforms = configure(resource, &host, &self.options.limits.yaml)
                .map_err(|source| plugin_failure(resource, source))?;
            // What one object configures is recorded once.
            let last = transforms.len();
            for (index, transform) in (1..).zip(transforms) {
                let origin = if index == last { plugin_origin(resource) } else { None };
                steps.push(Step { kind: resource.id.gvk.kind.clone(), transform, origin });
            }
        }
        Ok(steps)
    }
}

fn plugin_failure(resource: &Resource, source: Cause) -> BuildError {
    BuildError::PluginConfiguration { id: resource.id.to_string(), source }
}

/// Variables as messages list them: without what their `apiVersion` says.
fn vars_text(vars: &[Var]) -> String {
    let texts: Vec<String> = vars.iter().map(Var::as_written).collect();
    format!("[{}]", texts.join(" "))
}

fn boxed<T: Transform + 'static>(transform: T) -> Box<dyn Transform> {
    Box::new(transform)
}

fn plugin_origin(resource: &Resource) -> Option<Origin> {
    let origin = resource.origin.as_ref()?;
    let id = &resource.id;
    Some(Origin {
        configured_in: origin.path.clone(),
        configured_by: Some([id.gvk.api_version(), id.gvk.kind.clone(), id.name.clone(), id.namespace.clone()]),
        ..Origin::default()
    })
}

/// One step per entry of `labels`, then one for `commonLabels`, which runs (and is recorded) if either is set.
fn label_steps(kustomization: &crate::kustomization::Kustomization, config: &Config) -> Vec<Result<AddEntries, Cause>> {
    if kustomization.labels.is_empty() && kustomization.common_labels.is_empty() {
        return Vec::new();
    }
    let mut steps: Vec<Result<AddEntries, Cause>> = kustomization
        .labels
        .iter()
        .map(|label| {
            let mut specs = label.field_specs.clone();
            merge_specs(&mut specs, &config.labels)?;
            if label.include_selectors {
                merge_specs(&mut specs, &config.common_labels)?;
            } else {
                if label.include_templates {
                    merge_specs(&mut specs, &config.template_labels)?;
                }
                merge_specs(&mut specs, &[FieldSpec::new(Gvk::default(), "metadata/labels", true)])?;
            }
            Ok(AddEntries { pairs: label.pairs.clone(), specs })
        })
        .collect();
    steps.push(Ok(AddEntries { pairs: kustomization.common_labels.clone(), specs: config.common_labels.clone() }));
    steps
}

/// Notes a transformer on every resource; one that has no origin was made by it.
fn record(resources: &mut ResMap, origin: &Origin) {
    let result: Result<(), std::convert::Infallible> = resources.edit_all(|resource| {
        resource.remake_annotations();
        if resource.origin.is_none() {
            resource.origin = Some(origin.clone());
        } else {
            resource.transformations.push(origin.clone());
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
    }
}
