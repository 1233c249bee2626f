use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::metadata::Dependency;

const YAML: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

fn message(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", message(source)))
}

/// A tar.gz with any names and types, which no honest writer would make. Not compressed, so that it can be written down here.
fn tgz(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, kind, data) in entries {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        block[136..147].copy_from_slice(b"00000000144");
        block[148..156].fill(b' ');
        block[156] = *kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&block);
        tar.extend_from_slice(data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let mut chunks = content.chunks(0xffff).peekable();
    while let Some(chunk) = chunks.next() {
        let length = u16::try_from(chunk.len()).unwrap();
        out.push(u8::from(chunks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    let checksum = content.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    });
    out.extend_from_slice(&(!checksum).to_le_bytes());
    out.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
    out
}

fn load(entries: &[(&str, &str)]) -> Result<Chart, LoadError> {
    let entries: Vec<_> = entries.iter().map(|(name, data)| (*name, b'0', data.as_bytes())).collect();
    Chart::from_archive(tgz(&entries).as_slice(), &ChartLimits::DEFAULT)
}

fn names(files: &[ChartFile]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn files_of_an_archive_go_where_they_belong() {
    let chart = load(&[
        ("web/templates/a.yaml", "a"),
        ("web/values.yaml", "\u{feff}x: 1\n"),
        ("web/Chart.yaml", YAML),
        ("web/values.schema.json", "{}"),
        ("web/README.md", "readme"),
        ("web/requirements.yaml", "dependencies: []\n"),
        ("web/charts/db/Chart.yaml", "apiVersion: v1\nname: db\nversion: 2.0.0\n"),
        ("web/charts/db/requirements.yaml", "dependencies: [{name: x, repository: r}]\n"),
        ("web/charts/db/requirements.lock", "digest: d\n"),
        ("web/charts/db/charts/deep/Chart.yaml", "name: deep\nversion: 3.0.0\n"),
        ("web/charts/README.md", "not a chart"),
        ("web/charts/_off/Chart.yaml", "broken"),
        ("web/charts/db-2.0.0.tgz.prov", "signature"),
    ]);
    // A file directly below `charts` is taken for a directory with no files, as in Helm.
    assert_eq!(message(&chart.unwrap_err()), "error unpacking subchart README.md in web: Chart.yaml file is missing");
    let chart = load(&[
        ("web/templates/a.yaml", "a"),
        ("web/values.yaml", "\u{feff}x: 1\n"),
        ("web/Chart.yaml", YAML),
        ("web/values.schema.json", "{}"),
        ("web/README.md", "readme"),
        ("web/requirements.yaml", "dependencies: []\n"),
        ("web/charts/db/Chart.yaml", "apiVersion: v1\nname: db\nversion: 2.0.0\n"),
        ("web/charts/db/requirements.yaml", "dependencies: [{name: x, repository: r}]\n"),
        ("web/charts/db/requirements.lock", "digest: d\n"),
        ("web/charts/db/charts/deep/Chart.yaml", "name: deep\nversion: 3.0.0\n"),
        ("web/charts/_off/Chart.yaml", "broken"),
        ("web/charts/db-2.0.0.tgz.prov", "signature"),
    ])
    .unwrap();
    assert_eq!(
        (names(&chart.templates), names(&chart.files)),
        (vec!["templates/a.yaml"], vec!["README.md", "charts/db-2.0.0.tgz.prov"])
    );
    assert_eq!(chart.values_file.unwrap().data, b"x: 1\n");
    assert_eq!(chart.modified, Some(100));
    assert!(chart.schema.is_some() && chart.lock.is_none());
    let [db] = &chart.dependencies[..] else { panic!("one dependency") };
    assert_eq!(names(&db.files), ["requirements.yaml", "requirements.lock"]);
    assert_eq!((db.metadata.dependencies[0].name.as_str(), db.lock.as_ref().unwrap().digest.as_str()), ("x", "d"));
    assert_eq!((db.dependencies[0].name(), db.dependencies[0].metadata.api_version.as_str()), ("deep", "v1"));
}

#[test]
fn archives_inside_are_charts_too() {
    let inner = tgz(&[("db/Chart.yaml", b'0', b"apiVersion: v2\nname: db\nversion: 2.0.0\n")]);
    let outer = tgz(&[("web/Chart.yaml", b'0', YAML.as_bytes()), ("web/charts/db-2.0.0.tgz", b'0', &inner)]);
    let chart = Chart::from_archive(outer.as_slice(), &ChartLimits::DEFAULT).unwrap();
    assert_eq!(chart.dependencies[0].name(), "db");
    let wrong = tgz(&[("web/Chart.yaml", b'0', YAML.as_bytes()), ("web/charts/db.tgz/x", b'0', &inner)]);
    let error = Chart::from_archive(wrong.as_slice(), &ChartLimits::DEFAULT).unwrap_err();
    assert_eq!(error.to_string(), "error unpacking subchart tar in web: expected db.tgz, got db.tgz/x");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (name, expected) in [
        ("web//etc/passwd", "chart illegally contains absolute paths"),
        ("/etc/passwd", ""),
        ("passwd", "chart illegally contains content outside the base directory: \"passwd\""),
        ("web/a/..", "chart illegally contains content outside the base directory: \"web/a/..\""),
        ("web/../passwd", "chart illegally references parent directory"),
        ("web/a/../../../passwd", "chart illegally references parent directory"),
        ("web\\..\\passwd", "chart illegally references parent directory"),
        ("web/..hidden", "chart illegally references parent directory"),
        ("web/c:/passwd", "chart contains illegally named files"),
        ("Chart.yaml/a", "chart yaml not in base directory"),
        ("web/\u{ff}", ""),
    ] {
        let loaded = load(&[("web/Chart.yaml", YAML), (name, "x")]);
        match expected {
            "" => assert!(loaded.is_ok(), "{name}"),
            expected => {
                assert_eq!(loaded.unwrap_err().to_string(), expected, "{name}");
                let archive = tgz(&[("web/Chart.yaml", b'0', YAML.as_bytes()), (name, b'0', b"x")]);
                let quick = Metadata::from_archive(archive.as_slice(), &ChartLimits::DEFAULT);
                assert!(quick.is_err() || name.starts_with("Chart"), "{name}");
            }
        }
    }
    let mut bytes = tgz(&[("web/Chart.yaml", b'0', YAML.as_bytes()), ("web/\u{e9}", b'0', b"x")]);
    let at = bytes.windows(2).position(|pair| pair == "\u{e9}".as_bytes()).unwrap();
    bytes[at] = 0xff;
    assert!(Chart::from_archive(bytes.as_slice(), &ChartLimits::DEFAULT).is_err());
    // From Windows, and a link, which is an empty file and never followed.
    let archive = tgz(&[("web\\Chart.yaml", b'0', YAML.as_bytes()), ("web\\templates\\l", b'2', b"")]);
    let chart = Chart::from_archive(archive.as_slice(), &ChartLimits::DEFAULT).unwrap();
    assert_eq!(names(&chart.templates), ["templates/l"]);
    let device = tgz(&[("web/Chart.yaml", b'0', YAML.as_bytes()), ("web/dev", b'3', b"")]);
    assert!(
        message(&Chart::from_archive(device.as_slice(), &ChartLimits::DEFAULT).unwrap_err()).contains("unsupported")
    );
}

#[test]
fn what_is_no_chart_is_refused_in_helms_words() {
    let deep = format!("a: {}{}", "[".repeat(300), "]".repeat(300));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    for (name, data, expected) in [
        ("web/README.md", "x", "Chart.yaml file is missing"),
        ("web/Chart.yaml", "a: [", "cannot load Chart.yaml: error converting YAML to JSON: yaml"),
        (
            "web/Chart.yaml",
            "name: {}",
            "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot",
        ),
        ("web/Chart.yaml", "name: web", "validation: chart.metadata.version is required"),
        ("web/Chart.yaml", &deep, "cannot load Chart.yaml: error converting YAML to JSON: yaml"),
        ("web/Chart.yaml", bomb, "cannot load Chart.yaml: error converting YAML to JSON: yaml"),
    ] {
        let found = message(&load(&[(name, data)]).unwrap_err());
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
    for (name, data, expected) in [
        ("web/values.yaml", "[1]", "cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON"),
        ("web/values.yaml", bomb, "cannot load values.yaml: cannot unmarshal yaml document: error converting"),
        ("web/Chart.lock", "[1]", "cannot load Chart.lock: error unmarshaling JSON"),
        ("web/requirements.yaml", "dependencies: 1", "cannot load requirements.yaml: error unmarshaling JSON"),
        ("web/requirements.lock", "a: [", "cannot load requirements.lock: error converting"),
        ("web/charts/db/x", "x", "error unpacking subchart db in web: Chart.yaml file is missing"),
        ("web/charts/db.tgz", "x", "error unpacking subchart db.tgz in web: failed to read chart archive"),
    ] {
        let found = message(&load(&[("web/Chart.yaml", YAML), (name, data)]).unwrap_err());
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
    assert_eq!(load(&[]).unwrap_err().to_string(), "no files in chart archive");
    assert!(matches!(Chart::from_archive(&b"text"[..], &ChartLimits::DEFAULT), Err(LoadError::Archive(_))));
}

#[test]
fn every_limit_holds_for_archives_and_what_is_inside_them() {
    let zeros = vec![0; 3000];
    let inner = tgz(&[("db/Chart.yaml", b'0', b"apiVersion: v2\nname: db\nversion: 2.0.0\n"), ("db/z", b'0', &zeros)]);
    let outer = tgz(&[
        ("web/Chart.yaml", b'0', YAML.as_bytes()),
        ("web/z", b'0', &zeros),
        ("web/charts/db-2.0.0.tgz", b'0', &inner),
    ]);
    let load = |limits: ChartLimits| Chart::from_archive(outer.as_slice(), &limits).map_err(|error| message(&error));
    let inside = "error unpacking subchart db-2.0.0.tgz in web: ";
    let total = (3000 + 3000 + inner.len()) as u64;
    for (limits, expected) in [
        (
            ChartLimits { file_bytes: 2999, ..ChartLimits::DEFAULT },
            "decompressed chart file \"web/z\" is larger than the maximum file size 2999".to_owned(),
        ),
        (
            ChartLimits { total_bytes: 2999, ..ChartLimits::DEFAULT },
            "decompressed chart is larger than the maximum size 2999".to_owned(),
        ),
        (
            ChartLimits { total_bytes: total, ..ChartLimits::DEFAULT },
            format!("{inside}decompressed chart is larger than the maximum size {total}"),
        ),
        (ChartLimits { files: 4, ..ChartLimits::DEFAULT }, format!("{inside}chart exceeds the limit of 4 files")),
        (
            ChartLimits { depth: 0, ..ChartLimits::DEFAULT },
            format!("{inside}chart exceeds the limit of 0 levels of charts"),
        ),
    ] {
        assert_eq!(load(limits).unwrap_err(), expected);
    }
    let error = load(ChartLimits { archive_bytes: 5000, ..ChartLimits::DEFAULT }).unwrap_err();
    assert!(error.ends_with("size of chart exceeds '5000' bytes limit"), "{error}");
    assert!(load(ChartLimits { total_bytes: total + 3000, files: 5, depth: 1, ..ChartLimits::DEFAULT }).is_ok());
}

#[test]
fn metadata_is_read_without_the_rest() {
    let archive = tgz(&[
        ("web/Chart.yaml", b'0', b"name: web\nversion: 1.0.0\n"),
        ("web/charts/db/Chart.yaml", b'0', b"name: db\n"),
        ("web/requirements.yaml", b'0', b"dependencies: [{name: db, repository: r}]\n"),
        ("web/big", b'0', &[0; 5000]),
    ]);
    let limits = ChartLimits { file_bytes: 100, ..ChartLimits::DEFAULT };
    let metadata = Metadata::from_archive(archive.as_slice(), &limits).unwrap();
    assert_eq!((metadata.name.as_str(), metadata.api_version.as_str(), metadata.dependencies.len()), ("web", "v1", 1));
    // Cut off behind the first entry, which is all that is read.
    let start = Metadata::from_archive_start(&archive[..1300], &limits).unwrap();
    assert_eq!((start.name.as_str(), start.dependencies.len()), ("web", 0));
    let error = Metadata::from_archive(archive.as_slice(), &ChartLimits { file_bytes: 10, ..limits }).unwrap_err();
    assert_eq!(error.to_string(), "size of 'web/Chart.yaml' exceeds '10' bytes limit");
    let error = Metadata::from_archive(tgz(&[("web/x", b'0', b"")]).as_slice(), &limits).unwrap_err();
    assert_eq!(error.to_string(), "no 'Chart.yaml' found");
}

fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, SourceRoot) {
    let outer = tempfile::tempdir().unwrap();
    let inside = outer.path().join("root");
    for (path, content) in files {
        let path = inside.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let root = SourceRoot::new(&inside).unwrap();
    (outer, root)
}

#[test]
fn a_directory_is_loaded_without_what_its_ignore_file_names() {
    let (_guard, root) = directory(&[
        ("web/Chart.yaml", "\u{feff}apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("web/.helmignore", "*.md\ndocs/\n"),
        ("web/README.md", "x"),
        ("web/docs/a", "x"),
        ("web/templates/.hidden", "x"),
        ("web/templates/b.yaml", "b"),
        ("web/templates/a.yaml", "a"),
        ("web/z", "x"),
        ("web/charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
    ]);
    let chart = Chart::from_path(&root, Path::new("../web/"), &ChartLimits::DEFAULT).unwrap();
    assert_eq!(names(&chart.templates), ["templates/a.yaml", "templates/b.yaml"]);
    assert_eq!(names(&chart.files), [".helmignore", "z"]);
    assert_eq!((chart.dependencies.len(), chart.modified), (1, None));
    let metadata = Metadata::from_path(&root, Path::new("web"), &ChartLimits::DEFAULT).unwrap();
    assert_eq!(metadata, chart.metadata);
}

#[test]
fn links_are_followed_inside_the_root_only() {
    let (outer, root) =
        directory(&[("web/Chart.yaml", YAML), ("shared/values.yaml", "a: 1\n"), ("shared/templates/a.yaml", "a")]);
    fs::write(outer.path().join("secret"), "s").unwrap();
    let web = root.path().join("web");
    symlink("../shared/values.yaml", web.join("values.yaml")).unwrap();
    symlink(root.path().join("shared/templates"), web.join("templates")).unwrap();
    let load = || Chart::from_path(&root, Path::new("web"), &ChartLimits::DEFAULT).map_err(|error| message(&error));
    let chart = load().unwrap();
    assert_eq!((chart.values.len(), names(&chart.templates)), (1, vec!["templates/a.yaml"]));
    for (target, expected) in [
        ("../../secret", "cannot load 'link' file: absolute path traverses outside root boundary"),
        ("/etc/passwd", "cannot load 'link' file: absolute path traverses outside root boundary"),
        ("../..", "cannot load 'link' directory: absolute path traverses outside root boundary"),
        ("nowhere", "error evaluating symlink link: no such file or directory"),
        (".", "levels"),
    ] {
        symlink(target, web.join("link")).unwrap();
        let found = load().unwrap_err();
        assert!(
            found.starts_with("failed to load files from /web/: ") && found.contains(expected),
            "{target}: {found}"
        );
        fs::write(web.join(".helmignore"), "link\nlink/\n").unwrap();
        assert_eq!(load().is_ok(), target != "nowhere", "{target}");
        fs::remove_file(web.join(".helmignore")).unwrap();
        fs::remove_file(web.join("link")).unwrap();
    }
}

#[test]
fn irregular_and_large_files_and_missing_paths_are_refused() {
    let (_guard, root) = directory(&[("web/Chart.yaml", YAML), ("web/large", &"x".repeat(100)), ("plain.tgz", "text")]);
    let limits = ChartLimits { file_bytes: 99, ..ChartLimits::DEFAULT };
    let load = |path: &str, limits: &ChartLimits| {
        Chart::from_path(&root, Path::new(path), limits).map_err(|error| message(&error))
    };
    let large = "failed to load files from /web/: cannot load file large as file size (100) exceeds limit (99)";
    assert_eq!(load("web", &limits).unwrap_err(), large);
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("web/a-socket")).unwrap();
    let irregular =
        "failed to load files from /web/: cannot load irregular file a-socket as it has file mode type bits set";
    assert_eq!(load("web", &ChartLimits::DEFAULT).unwrap_err(), irregular);
    assert_eq!(load("none", &limits).unwrap_err(), "/none: no such file or directory");
    assert_eq!(load("plain.tgz", &limits).unwrap_err(), "file '/plain.tgz' does not appear to be a gzipped archive");
    let small = ChartLimits { archive_bytes: 3, ..limits };
    assert_eq!(load("plain.tgz", &small).unwrap_err(), "size of chart 'plain.tgz' exceeds '3' bytes limit");
    fs::remove_file(root.path().join("web/Chart.yaml")).unwrap();
    let error = Metadata::from_path(&root, Path::new("web"), &limits).unwrap_err();
    assert_eq!(error.to_string(), "/web/Chart.yaml: no such file or directory");
    fs::create_dir(root.path().join("web/Chart.yaml")).unwrap();
    let error = Metadata::from_path(&root, Path::new("web"), &limits).unwrap_err();
    assert_eq!(error.to_string(), "'Chart.yaml' is a directory");
}

#[test]
fn a_package_has_helms_mark_order_modes_and_times() {
    let mut chart = load(&[
        ("web/README.md", "r"),
        ("web/templates/a.yaml", "a"),
        ("web/values.schema.json", "{}"),
        ("web/values.yaml", "x: 1\n"),
        ("web/Chart.lock", "generated: 1970-01-01T00:05:00Z\n"),
        ("web/charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
        ("web/Chart.yaml", YAML),
    ])
    .unwrap();
    chart.values_file.as_mut().unwrap().modified = None;
    let bytes = chart.package(Vec::new(), 9000).unwrap();
    assert_eq!(&bytes[..12], b"\x1f\x8b\x08\x14\0\0\0\0\0\xff\x2c\0");
    assert_eq!(&bytes[12..16], b"rr\x28\0");
    assert_eq!(&bytes[56..61], b"Helm\0");
    let mut entries = sluice_archive::Entries::new(bytes.as_slice(), &sluice_archive::Limits::default());
    let mut listed = Vec::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        listed.push((String::from_utf8(entry.name).unwrap(), entry.modified));
    }
    let expected = [
        ("web/Chart.yaml", 100),
        ("web/Chart.lock", 300),
        ("web/values.yaml", 9000),
        ("web/values.schema.json", 100),
        ("web/templates/a.yaml", 100),
        ("web/README.md", 100),
        ("web/charts/db/Chart.yaml", 100),
    ];
    assert_eq!(listed, expected.map(|(name, modified)| (name.to_owned(), modified)));
    assert_eq!(chart.archive_name(), "web-1.0.0.tgz");
}

#[test]
fn charts_that_cannot_be_packaged_say_why() {
    let fresh =
        || load(&[("web/Chart.yaml", YAML), ("web/charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n")]).unwrap();
    let mut chart = fresh();
    "x".clone_into(&mut chart.metadata.version);
    let error = chart.package(Vec::new(), 0).unwrap_err();
    assert_eq!(message(&error), "chart validation: validation: chart.metadata.version \"x\" is invalid");
    let mut chart = fresh();
    "../db".clone_into(&mut chart.dependencies[0].metadata.name);
    assert_eq!(chart.package(Vec::new(), 0).unwrap_err().to_string(), "\"../db\" is not a valid chart name");
    let mut chart = fresh();
    chart.schema = Some(ChartFile { name: SCHEMA_FILE.into(), modified: None, data: b"{".to_vec() });
    assert_eq!(chart.package(Vec::new(), 0).unwrap_err().to_string(), "invalid JSON in values.schema.json");
}

/// A small generator of numbers, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 8] = ["a", "é", " ", ": ", "#", "0", "\u{1f680}", "'\""];
        (0..self.below(6)).map(|_| PARTS[usize::try_from(self.below(8)).unwrap()]).collect()
    }
}

fn random_chart(random: &mut Random, depth: u64) -> Chart {
    let modified = |random: &mut Random| Some(random.below(1 << 32));
    let file = |random: &mut Random, name: String| ChartFile {
        name,
        modified: modified(random),
        data: random.text().into_bytes(),
    };
    let v2 = random.below(2) == 0;
    let mut metadata = Metadata {
        api_version: if v2 { "v2" } else { "v1" }.into(),
        name: format!("c{}", random.below(1000)),
        version: format!("{}.{}.{}-rc.1+b", random.below(9), random.below(9), random.below(9)),
        description: random.text(),
        app_version: random.text(),
        keywords: vec![random.text(), random.text()],
        annotations: [(random.text(), random.text())].into(),
        deprecated: random.below(2) == 0,
        ..Metadata::default()
    };
    if v2 {
        let dependency = Dependency { name: random.text(), tags: vec![random.text()], ..Dependency::default() };
        metadata.dependencies = vec![dependency];
    }
    metadata.validate().unwrap();
    let values = serde_json::json!({"k": random.text(), "n": random.below(99), "l": [random.text(), null, {"x": 1.5}]});
    let mut dependencies: Vec<Chart> = (0..depth).map(|_| random_chart(random, depth - 1)).collect();
    dependencies.sort_by(|one, other| one.name().cmp(other.name()));
    dependencies.dedup_by(|one, other| one.name() == other.name());
    let long = "d".repeat(usize::try_from(random.below(150)).unwrap());
    let mut chart = Chart {
        metadata,
        modified: modified(random),
        lock: None,
        values_file: Some(file(random, VALUES_FILE.into())),
        values: Map::new(),
        schema: None,
        templates: (0..random.below(4)).map(|index| file(random, format!("templates/{index}é.yaml"))).collect(),
        files: vec![file(random, format!("docs/{long}d/file"))],
        dependencies,
    };
    chart.overwrite_values(values.as_object().unwrap()).unwrap();
    chart
}

#[test]
fn what_is_packaged_loads_as_the_same_chart() {
    for seed in 0..60 {
        let mut chart = random_chart(&mut Random(seed), 2);
        let bytes = chart.package(Vec::new(), 1).unwrap();
        let mut loaded = Chart::from_archive(bytes.as_slice(), &ChartLimits::DEFAULT).unwrap();
        assert_eq!(loaded, chart, "seed {seed}");
        assert_eq!(loaded.package(Vec::new(), 2).unwrap(), bytes, "seed {seed}");
    }
}
