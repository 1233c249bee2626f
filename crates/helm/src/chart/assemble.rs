//! Makes a chart of its files. It does not read archives except those among the files, nor directories.

use std::collections::BTreeMap;

use super::archive::{self, Budget};
use super::error::LoadError;
use super::{CHART_FILE, Chart, ChartFile, ChartLimits, REQUIREMENTS_FILE, SCHEMA_FILE, VALUES_FILE};
use crate::metadata::{API_VERSION_V1, Lock, Metadata};
use crate::values::parse_values;

const LOCK_FILE: &str = "Chart.lock";
const REQUIREMENTS_LOCK: &str = "requirements.lock";

pub(super) fn assemble(
    files: Vec<ChartFile>,
    limits: &ChartLimits,
    budget: &mut Budget,
    depth: usize,
) -> Result<Chart, LoadError> {
    // Charts in charts in charts, each of which is a level of recursion.
    if depth > limits.depth {
        return Err(LoadError::Limit { what: "levels of charts", limit: limits.depth });
    }
    let mut building = Building::start(&files)?;
    for file in files {
        building.add(file)?;
    }
    let Building { mut chart, subcharts } = building;
    chart.metadata.validate()?;
    for (name, files) in subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let loaded = subchart(&name, files, &chart, |files, archive| match archive {
            Some(data) => {
                let files = archive::read_files(data, limits, budget)?;
                assemble(files, limits, budget, depth + 1)
            }
            None => assemble(files, limits, budget, depth + 1),
        })?;
        chart.dependencies.push(loaded);
    }
    Ok(chart)
}

/// Loads what is below `charts/` under one name: an archive, or a directory's files, whose names begin with that directory.
fn subchart(
    name: &str,
    mut files: Vec<ChartFile>,
    chart: &Chart,
    load: impl FnOnce(Vec<ChartFile>, Option<&[u8]>) -> Result<Chart, LoadError>,
) -> Result<Chart, LoadError> {
    let around = || chart.name().to_owned();
    let loaded = if extension(name) == "tgz" {
        let Some(first) = files.first() else { return Err(LoadError::NoFiles) };
        if first.name != name {
            let (expected, found) = (name.to_owned(), first.name.clone());
            return Err(LoadError::SubchartName { chart: around(), expected, found });
        }
        load(Vec::new(), Some(&first.data))
    } else {
        // A file beside the charts is none.
        files.retain_mut(|file| match file.name.split_once('/') {
            Some((_, below)) => {
                file.name = below.to_owned();
                true
            }
            None => false,
        });
        load(files, None)
    };
    loaded.map_err(|source| LoadError::Subchart { name: name.to_owned(), chart: around(), source: Box::new(source) })
}

/// What is behind the last period. In lower case only, as in Helm.
fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// A chart while its files are put where they belong.
struct Building {
    chart: Chart,
    subcharts: BTreeMap<String, Vec<ChartFile>>,
}

impl Building {
    /// Reads `Chart.yaml` first, wherever it is among the files, since others depend on it.
    fn start(files: &[ChartFile]) -> Result<Self, LoadError> {
        let (mut metadata, mut modified) = (None::<Metadata>, None);
        for file in files.iter().filter(|file| file.name == CHART_FILE) {
            let read = metadata.get_or_insert_default();
            read.merge(&file.data).map_err(|source| LoadError::File { name: CHART_FILE, source })?;
            read.default_api_version();
            modified = file.modified;
        }
        let chart = Chart {
            metadata: metadata.ok_or(LoadError::NoChartFile)?,
            modified,
            lock: None,
            values_file: None,
            values: serde_json::Map::new(),
            schema: None,
            templates: Vec::new(),
            files: Vec::new(),
            dependencies: Vec::new(),
        };
        Ok(Self { chart, subcharts: BTreeMap::new() })
    }

    fn add(&mut self, file: ChartFile) -> Result<(), LoadError> {
        let chart = &mut self.chart;
        match file.name.as_str() {
            CHART_FILE => {}
            LOCK_FILE => chart.lock = lock(LOCK_FILE, &file)?,
            VALUES_FILE => {
                chart.values = parse_values(&file.data).map_err(LoadError::Values)?;
                chart.values_file = Some(file);
            }
            SCHEMA_FILE => chart.schema = Some(file),
            REQUIREMENTS_FILE => {
                let merged = chart.metadata.merge(&file.data);
                merged.map_err(|source| LoadError::File { name: REQUIREMENTS_FILE, source })?;
                self.keep_if_v1(file);
            }
            REQUIREMENTS_LOCK => {
                chart.lock = lock(REQUIREMENTS_LOCK, &file)?;
                self.keep_if_v1(file);
            }
            name if name.starts_with("templates/") => chart.templates.push(file),
            name => match name.strip_prefix("charts/") {
                Some(below) if extension(name) != "prov" => {
                    let (name, owner) = (below.to_owned(), below.split('/').next().unwrap_or_default().to_owned());
                    self.subcharts.entry(owner).or_default().push(ChartFile { name, ..file });
                }
                _ => chart.files.push(file),
            },
        }
        Ok(())
    }

    fn keep_if_v1(&mut self, file: ChartFile) {
        if self.chart.metadata.api_version == API_VERSION_V1 {
            self.chart.files.push(file);
        }
    }
}

fn lock(name: &'static str, file: &ChartFile) -> Result<Option<Lock>, LoadError> {
    Lock::parse(&file.data).map_err(|source| LoadError::File { name, source })
}
