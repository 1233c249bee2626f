use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const LIMITS: Limits = Limits {
    entries: 20,
    total_bytes: 8 << 20,
    file_bytes: 4 << 20,
    path_depth: 5,
    path_bytes: 300,
    compression_ratio: 1000,
};

/// A tar in the making. Nothing is checked, so that everything wrong can be made.
#[derive(Default)]
struct Raw(Vec<u8>);

impl Raw {
    fn entry(mut self, name: &str, kind: u8, mode: &str, content: &[u8]) -> Self {
        self.header(name.as_bytes(), kind, mode, &format!("{:011o}", content.len()));
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, b'0', "0000644", content)
    }

    fn directory(self, name: &str) -> Self {
        self.entry(name, b'5', "0000755", b"")
    }

    /// An extended header that gives the next entry another name.
    fn pax_path(self, name: &str) -> Self {
        let rest = format!(" path={name}\n");
        let length =
            (1..=4).map(|digits| rest.len() + digits).find(|length| length.to_string().len() + rest.len() == *length);
        self.entry("x", b'x', "0000644", format!("{}{rest}", length.unwrap()).as_bytes())
    }

    fn header(&mut self, name: &[u8], kind: u8, mode: &str, size: &str) {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name);
        block[100..100 + mode.len()].copy_from_slice(mode.as_bytes());
        block[124..124 + size.len()].copy_from_slice(size.as_bytes());
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(block);
    }

    fn gzip(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        gzip(&self.0)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Path, permission bits, content.
type Found = (String, u32, String);

/// Unpacks into a fresh directory and lists what is there.
fn unpacked(archive: &[u8]) -> Result<(Summary, Vec<Found>), String> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let result = unpack(archive, &root, &LIMITS);
    let beside: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["root"], "nothing is written outside the destination");
    let summary = result.map_err(|error| chain(&error))?;
    let entries = crate::walk_directory(&root, 20).map(|entry| {
        let path = String::from_utf8(entry.unwrap().path).unwrap();
        let metadata = fs::symlink_metadata(root.join(&path)).unwrap();
        let content = if metadata.is_dir() { String::new() } else { read_lossy(&root.join(&path)) };
        (path, metadata.permissions().mode() & 0o7777, content)
    });
    Ok((summary, entries.collect()))
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn at(entry: &str, fault: &str) -> String {
    format!("failed to unpack archive at '{entry}': {fault}")
}

#[test]
fn an_ordinary_archive_is_unpacked_with_its_permission_bits() {
    let archive = Raw::default()
        .directory("./")
        .entry("./d/", b'5', "0000500", b"")
        .file("d/a", b"1")
        .entry("d/set-uid", b'0', "0006755", b"2")
        .entry("unreadable", b'0', "0000000", b"3")
        .entry("old", 0, "0000600", b"4")
        .entry("old-dir/", 0, "0000700", b"")
        .file("implied/deep/b", b"5");
    let entry = |path: &str, mode: u32, content: &str| (path.to_owned(), mode, content.to_owned());
    let expected = vec![
        entry("d", 0o700, ""),
        entry("d/a", 0o644, "1"),
        entry("d/set-uid", 0o755, "2"),
        entry("implied", 0o750, ""),
        entry("implied/deep", 0o750, ""),
        entry("implied/deep/b", 0o644, "5"),
        entry("old", 0o600, "4"),
        entry("old-dir", 0o700, ""),
        entry("unreadable", 0o600, "3"),
    ];
    let summary = Summary { files: 5, directories: 4, content_bytes: 5, skipped_links: 0 };
    assert_eq!(unpacked(&archive.gzip()), Ok((summary, expected)));
}

#[test]
fn what_the_packer_writes_is_read_back() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(150));
    let mut packer = crate::TarGzBuilder::new(Vec::new(), crate::PackLimits::default()).unwrap();
    packer.file(&long, crate::FileMode::Plain, crate::Content::from_bytes("1")).unwrap();
    packer.file("run", crate::FileMode::Executable, crate::Content::from_bytes("2")).unwrap();
    packer.directory("tür").unwrap();
    let (archive, _) = packer.finish().unwrap();
    let expected = vec![
        ("d".repeat(120), 0o750, String::new()),
        (long, 0o600, "1".to_owned()),
        ("run".to_owned(), 0o700, "2".to_owned()),
        ("tür".to_owned(), 0o750, String::new()),
    ];
    let summary = Summary { files: 2, directories: 2, content_bytes: 2, skipped_links: 0 };
    assert_eq!(unpacked(&archive), Ok((summary, expected)));
}

#[test]
fn names_that_could_leave_the_destination_are_refused() {
    let names = [
        ("/etc/passwd", "unsafe name: absolute"),
        ("//etc", "unsafe name: absolute"),
        ("../x", "unsafe name: contains a '..' component"),
        ("a/../../x", "unsafe name: contains a '..' component"),
        ("a/..", "unsafe name: contains a '..' component"),
        ("..", "unsafe name: contains a '..' component"),
        ("..\\x", "unsafe name: contains a backslash"),
        ("a\\b", "unsafe name: contains a backslash"),
        ("", "unsafe name: empty"),
    ];
    for (name, fault) in names {
        for kind in *b"0512" {
            let archive = Raw::default().file("before", b"").entry(name, kind, "0000644", b"").gzip();
            assert_eq!(unpacked(&archive), Err(at(&name.escape_default().to_string(), fault)), "{name:?}");
        }
        let in_pax = Raw::default().pax_path(name).file("innocent", b"").gzip();
        assert_eq!(unpacked(&in_pax), Err(at(&name.escape_default().to_string(), fault)), "{name:?} in PAX");
    }
    for name in [".", "./", "a/./b/..c/...", "a//b"] {
        assert!(unpacked(&Raw::default().directory(name).gzip()).is_ok(), "{name}");
    }
    let root_file = Raw::default().file(".", b"x").gzip();
    assert_eq!(unpacked(&root_file), Err(at(".", "unsafe name: names the root")));
    let nul = Raw::default().entry("x", b'x', "0000644", b"12 path=a\0b\n").file("a", b"").gzip();
    assert_eq!(unpacked(&nul), Err(at("a\\x00b", "unsafe name: contains a NUL")));
}

#[test]
fn links_are_skipped_so_that_nothing_is_written_through_them() {
    let archive = Raw::default()
        .entry("link", b'2', "0000777", b"")
        .entry("hard", b'1', "0000644", b"")
        .file("link/through", b"1")
        .file("hard", b"2");
    let entry = |path: &str, mode: u32, content: &str| (path.to_owned(), mode, content.to_owned());
    let expected = vec![entry("hard", 0o644, "2"), entry("link", 0o750, ""), entry("link/through", 0o644, "1")];
    let summary = Summary { files: 2, directories: 1, content_bytes: 2, skipped_links: 2 };
    assert_eq!(unpacked(&archive.gzip()), Ok((summary, expected)));
}

#[test]
fn special_and_unknown_types_are_refused() {
    for kind in *b"3467SDMVZ" {
        let archive = Raw::default().entry("special", kind, "0000644", b"").gzip();
        let fault = format!("unsupported entry type '{}'", char::from(kind));
        assert_eq!(unpacked(&archive), Err(at("special", &fault)));
    }
    let sparse = Raw::default().entry("x", b'x', "0000644", b"22 GNU.sparse.major=1\n").file("a", b"").gzip();
    assert_eq!(unpacked(&sparse), Err(at("", "unsupported entry type 'S'")));
}

#[test]
fn the_last_of_several_files_of_one_name_wins_and_a_name_has_one_kind() {
    let twice = Raw::default().file("a/b", b"first, longer").file("a/b", b"second").directory("a").directory("a");
    let (summary, entries) = unpacked(&twice.gzip()).unwrap();
    assert_eq!((summary.files, summary.directories), (2, 1));
    assert_eq!(entries[1], ("a/b".to_owned(), 0o644, "second".to_owned()));
    let conflicts = [
        Raw::default().file("a", b"").directory("a"),
        Raw::default().directory("a").file("a", b""),
        Raw::default().file("a", b"").file("a/b", b""),
        Raw::default().file("a/b", b"").file("a", b""),
    ];
    for archive in conflicts {
        let error = unpacked(&archive.gzip()).unwrap_err();
        assert!(error.ends_with("': name is both a file and a directory"), "{error}");
    }
}

#[test]
fn every_limit_holds() {
    let many = || (0..19).fold(Raw::default(), |raw, at| raw.file(&format!("f{at}"), b""));
    let deep = |depth: usize| Raw::default().file(&vec!["d"; depth].join("/"), b"");
    let long = |bytes: usize| {
        let name = format!("{}/{}", "a".repeat(100), "b".repeat(bytes - 101));
        Raw::default().pax_path(&name).file("a", b"")
    };
    let implied = (0..6).fold(Raw::default(), |raw, at| raw.file(&format!("{at}/b/c/d"), b""));
    let cases = [
        (many().file("last", b""), None),
        (many().file("a", b"").file("b", b""), Some("number of entries exceeds the limit of 20")),
        (implied, Some("number of entries exceeds the limit of 20")),
        (deep(5), None),
        (deep(6), Some("depth of name exceeds the limit of 5")),
        (long(300), None),
        (long(301), Some("length of name exceeds the limit of 300")),
        (Raw::default().file("a", &vec![1; (4 << 20) + 1]), Some("file size exceeds the limit of 4194304")),
        (
            Raw::default().entry("x", b'x', "0000644", &vec![b'x'; (1 << 20) + 1]),
            Some("size of extended header exceeds the limit of 1048576"),
        ),
        (
            Raw::default().entry("x", b'L', "0000644", &vec![b'x'; (1 << 20) + 1]),
            Some("size of extended header exceeds the limit of 1048576"),
        ),
    ];
    for (raw, expected) in cases {
        let result = unpacked(&raw.gzip()).map(|_| ());
        match expected {
            None => assert_eq!(result, Ok(())),
            Some(fault) => assert!(result.as_ref().unwrap_err().ends_with(fault), "{result:?}: {fault}"),
        }
    }
}

#[test]
fn a_decompression_bomb_is_stopped_by_its_ratio_or_by_its_size() {
    let bomb = |ratio, total_bytes| {
        let raw = (0..4).fold(Raw::default(), |raw, at| raw.file(&format!("f{at}"), &vec![0; 2 << 20]));
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { compression_ratio: ratio, total_bytes, ..LIMITS };
        unpack(raw.gzip().as_slice(), dir.path(), &limits).map_err(|error| chain(&error))
    };
    assert!(bomb(2000, 16 << 20).is_ok());
    assert!(bomb(100, 16 << 20).unwrap_err().ends_with("compression ratio exceeds the limit of 100"));
    assert!(bomb(2000, 5 << 20).unwrap_err().ends_with("number of unpacked bytes exceeds the limit of 5242880"));
    assert!(bomb(0, 16 << 20).is_err(), "a ratio of zero is no division by zero");
}

#[test]
fn headers_that_are_damaged_or_ambiguous_are_refused() {
    let mut damaged = Raw::default().file("a", b"");
    damaged.0[0] = b'b';
    let mut size = Raw::default();
    size.header(b"a", b'0', "0000644", "9zz");
    let mut mode = Raw::default();
    mode.header(b"a", b'0', "rw-r--r", "00000000000");
    let pax = |record: &str| Raw::default().entry("x", b'x', "0000644", record.as_bytes()).file("a", b"");
    let cases = [
        (damaged, at("", "invalid header: checksum does not match")),
        (size, at("", "invalid header: size is no number")),
        (mode, at("a", "invalid header: mode is no number")),
        (
            Raw::default().entry("a", b'5', "0000755", b"x"),
            at("a", "invalid header: content in an entry that has none"),
        ),
        (
            Raw::default().entry("a", b'2', "0000755", b"x"),
            at("a", "invalid header: content in an entry that has none"),
        ),
        (pax("10 size=1\n"), at("", "invalid header: size in an extended header")),
        (pax("99 path=a\n"), at("", "invalid header: broken extended header")),
        (pax("10 path=aa"), at("", "invalid header: broken extended header")),
        (pax("0 path=a\n"), at("", "invalid header: broken extended header")),
        (pax("path=a\n"), at("", "invalid header: broken extended header")),
        (pax("9 patha\n\n"), at("", "invalid header: broken extended header")),
        (Raw::default().entry("x", b'x', "0000644", b"10 path=a\n"), at("", "archive is truncated")),
    ];
    for (raw, expected) in cases {
        assert_eq!(unpacked(&raw.gzip()), Err(expected));
    }
    let mut hidden = Raw::default().file("a", b"");
    hidden.0.extend([0; 512]);
    let hidden = hidden.file("hidden", b"").gzip();
    assert_eq!(unpacked(&hidden), Err(at("after a", "invalid header: entries after the end")));
}

#[test]
fn a_record_inside_a_value_is_no_record() {
    let record = "28 comment=x\n12 path=../xx\n\n";
    assert_eq!(record.len(), 28);
    let archive = Raw::default().entry("x", b'x', "0000644", record.as_bytes()).file("a", b"").gzip();
    assert_eq!(unpacked(&archive).unwrap().1, [("a".to_owned(), 0o644, String::new())]);
}

#[test]
fn long_names_of_gnu_and_comments_of_git_are_understood() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let archive = Raw::default()
        .entry("pax_global_header", b'g', "0000666", b"16 comment=1234\n")
        .entry("././@LongLink", b'L', "0000644", format!("{long}\0").as_bytes())
        .file(&"d".repeat(100), b"1")
        .file("short", b"2");
    let names: Vec<String> = unpacked(&archive.gzip()).unwrap().1.into_iter().map(|(path, ..)| path).collect();
    assert_eq!(names, ["d".repeat(120), long, "short".to_owned()]);
}

#[test]
fn input_that_is_cut_off_anywhere_or_altered_is_an_error_that_names_the_entry() {
    let content: Vec<u8> = (0..3000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let archive = Raw::default().file("first", b"1").file("second", &content).file("third", b"3").gzip();
    for length in 0..archive.len() {
        let error = unpacked(&archive[..length]).expect_err("cut off");
        assert!(error.starts_with("failed to unpack archive at '"), "{error}");
    }
    let mut altered = archive.clone();
    let checksum_at = altered.len() - 8;
    altered[checksum_at] ^= 1;
    let error = unpacked(&altered).unwrap_err();
    assert!(error.starts_with("failed to unpack archive at 'after third': failed to read archive: "), "{error}");

    let tar = Raw::default().file("first", b"1").file("second", &content).0;
    assert_eq!(unpacked(&gzip(&tar[..1024 + 512 + 100])), Err(at("second", "archive is truncated")));
    assert_eq!(unpacked(&gzip(&tar[..1024 + 100])), Err(at("after first", "archive is truncated")));
    assert_eq!(unpacked(&gzip(&[&tar, [0; 512].as_slice()].concat())).map(|_| ()), Ok(()));
}

#[test]
fn what_is_no_gzip_stream_is_refused() {
    let tar = Raw::default().file("a", b"").0;
    for input in [&tar, b"".as_slice(), b"PK\x03\x04", &[gzip(&tar), b"garbage".to_vec()].concat()] {
        assert!(unpacked(input).unwrap_err().contains("failed to read archive"), "{:?}", &input[..4.min(input.len())]);
    }
}

#[test]
fn a_failing_reader_is_an_error_with_its_cause() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("connection reset"))
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let error = unpack(Failing, dir.path(), &LIMITS).unwrap_err();
    assert_eq!(chain(&error), at("", "failed to read archive: connection reset"));
}

#[test]
fn a_destination_that_is_missing_or_not_empty_is_refused() {
    let archive = Raw::default().file("a", b"").gzip();
    let dir = tempfile::tempdir().unwrap();
    let unpack_into = |path: &Path| unpack(archive.as_slice(), path, &LIMITS).unwrap_err().fault;
    assert!(matches!(unpack_into(&dir.path().join("missing")), Fault::Destination(_)));
    symlink("/tmp", dir.path().join("a")).unwrap();
    assert!(matches!(unpack_into(dir.path()), Fault::DestinationNotEmpty));
}
