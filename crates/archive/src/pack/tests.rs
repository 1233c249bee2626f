use std::io::Cursor;

use super::*;

const NO_LIMIT: PackLimits = PackLimits { entries: u64::MAX, content_bytes: u64::MAX };

fn directory(path: &str) -> Entry<'static> {
    Entry { path: path.into(), node: Node::Directory }
}

fn file(path: &str, mode: FileMode, content: &'static str) -> Entry<'static> {
    Entry { path: path.into(), node: Node::file(mode, move || Ok(Content::from_bytes(content))) }
}

fn plain(path: &str, content: &'static str) -> Entry<'static> {
    file(path, FileMode::Plain, content)
}

fn packed(entries: Vec<Entry<'_>>) -> Vec<u8> {
    pack_tree(Vec::new(), NO_LIMIT, entries.into_iter().map(Ok), |_, _| true).unwrap().0
}

/// Bytes that never change and compress somewhat.
fn sample() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    (0..300_000).map(|_| next()).collect()
}

fn inflated(archive: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    tar
}

/// A second writer, made independently of the first: each field is put where the POSIX description has it.
struct Expected(Vec<u8>);

impl Expected {
    fn header(&mut self, prefix: &str, name: &str, mode: &str, size: usize, kind: char) -> &mut Self {
        let text = |text: &str, width: usize| [text.as_bytes(), &vec![0; width - text.len()]].concat();
        let device = if kind == 'x' { "" } else { "0000000" };
        let parts = |sum: &[u8]| {
            [
                text(name, 100),
                text(mode, 8),
                text("0000000", 8),
                text("0000000", 8),
                text(&format!("{size:011o}"), 12),
                text("00000000000", 12),
                sum.to_vec(),
                vec![kind as u8],
                text("", 100),
                text("ustar", 6),
                b"00".to_vec(),
                text("", 32),
                text("", 32),
                text(device, 8),
                text(device, 8),
                text(prefix, 155),
                text("", 12),
            ]
            .concat()
        };
        let sum: u64 = parts(b"        ").iter().map(|byte| u64::from(*byte)).sum();
        let block = parts(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(block.len(), 512);
        self.0.extend(block);
        self
    }

    fn content(&mut self, content: &str) -> &mut Self {
        self.0.extend(content.as_bytes());
        while !self.0.len().is_multiple_of(512) {
            self.0.push(0);
        }
        self
    }

    fn end(&mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        std::mem::take(&mut self.0)
    }
}

#[test]
fn the_tar_bytes_are_those_of_an_independent_writer() {
    let split = format!("{}/{}", "p".repeat(155), "n".repeat(100));
    let (prefix, name) = ("p".repeat(155), "n".repeat(100));
    let long = "l".repeat(101);
    let tar = inflated(&packed(vec![
        directory("d"),
        file("d/run.sh", FileMode::Executable, "#!/bin/sh\n"),
        directory("d/sub"),
        plain("d/sub/empty", ""),
        plain("d.txt", &"x".repeat(512).leak()[..]),
        Entry { path: b"link".to_vec(), node: Node::Other },
        plain(&long, "long"),
        plain(&split, "split"),
        plain("tür/ä", "umlaut"),
    ]));
    let mut expected = Expected(Vec::new());
    expected
        .header("", ".", "0000750", 0, '5')
        .header("", "d", "0000750", 0, '5')
        .header("", "d/run.sh", "0000700", 10, '0')
        .content("#!/bin/sh\n")
        .header("", "d/sub", "0000750", 0, '5')
        .header("", "d/sub/empty", "0000600", 0, '0')
        .header("", "d.txt", "0000600", 512, '0')
        .content(&"x".repeat(512))
        .header("", &format!("PaxHeaders.0/{}", "l".repeat(87)), "0000000", 111, 'x')
        .content(&format!("111 path={long}\n"))
        .header("", &"l".repeat(100), "0000600", 4, '0')
        .content("long")
        .header(&prefix, &name, "0000600", 5, '0')
        .content("split")
        .header("", "tr/PaxHeaders.0", "0000000", 16, 'x')
        .content("16 path=tür/ä\n")
        .header("", "tr/", "0000600", 6, '0')
        .content("umlaut");
    let expected = expected.end();
    assert_eq!(tar.len(), expected.len());
    for (at, (ours, theirs)) in tar.chunks(512).zip(expected.chunks(512)).enumerate() {
        assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "block {at}");
    }
}

#[test]
fn the_gzip_header_tells_neither_name_nor_time_nor_system_and_the_bytes_do_not_move() {
    let content = sample();
    let open = move || Ok(Content::from_bytes(content));
    let archive = packed(vec![
        directory("d"),
        plain("d/a", "hello\n"),
        Entry { path: b"d/b".to_vec(), node: Node::file(FileMode::Plain, open) },
    ]);
    assert_eq!(archive[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    // A change here means a new digest for every artifact of every user, once. It may only come with a new version of
    // the deflate library, and then belongs into the change log.
    let checksum = archive.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    assert_eq!((archive.len(), checksum), EXPECTED_ARCHIVE);
}

const EXPECTED_ARCHIVE: (usize, u64) = (162_670, 9_620_517_776_456_457_698);

#[test]
fn the_archive_does_not_depend_on_how_content_is_read() {
    struct Slow<'a>(&'a [u8], usize);
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut buffer[..self.1])
        }
    }
    let content = sample();
    let archive = |chunk: usize| {
        let open = || Ok(Content::from_reader(content.len() as u64, Slow(&content, chunk)));
        packed(vec![Entry { path: b"a".to_vec(), node: Node::file(FileMode::Plain, open) }])
    };
    let whole = archive(COPY_BUFFER_BYTES);
    for chunk in [1, 7, 511, 4096] {
        assert!(archive(chunk) == whole, "read {chunk} at a time");
    }
}

#[test]
fn a_filtered_directory_is_not_pruned_and_a_filtered_file_is_not_opened() {
    let never = || -> io::Result<Content<'static>> { panic!("opened a filtered file") };
    let entries = vec![
        directory("d"),
        plain("d/kept", "1"),
        Entry { path: b"d/left".to_vec(), node: Node::file(FileMode::Plain, never) },
    ];
    let mut asked = Vec::new();
    let (archive, summary) = pack_tree(Vec::new(), NO_LIMIT, entries.into_iter().map(Ok), |path, kind| {
        asked.push((String::from_utf8_lossy(path).into_owned(), kind));
        path == b"d/kept"
    })
    .unwrap();
    let expected = [("d", EntryType::Directory), ("d/kept", EntryType::File), ("d/left", EntryType::File)];
    assert_eq!(asked, expected.map(|(path, kind)| (path.to_owned(), kind)));
    assert_eq!(names(&archive), [".", "d/kept"]);
    assert_eq!(summary, PackSummary { entries: 2, files: 1, content_bytes: 1 });
}

/// The names as the `tar` crate reads them.
fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(Cursor::new(inflated(archive)));
    let names = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        String::from_utf8(entry.path_bytes().into_owned()).unwrap()
    });
    names.collect()
}

#[test]
fn another_reader_finds_every_name_whatever_its_length_or_script() {
    let mut paths: Vec<String> = (95..110).chain(250..265).map(|length| "x".repeat(length)).collect();
    paths.extend((95..110).map(|length| format!("{}/{}", "y".repeat(length), "z".repeat(length))));
    paths.extend((150..160).map(|length| format!("{}/w", "y".repeat(length))));
    paths.extend(["日本語".to_owned(), "a\nb".to_owned(), "日/本".repeat(60)]);
    paths.sort_by(|a, b| a.split('/').cmp(b.split('/')));
    let archive = packed(paths.iter().map(|path| plain(path, "content")).collect());
    let expected: Vec<String> = std::iter::once(".".to_owned()).chain(paths).collect();
    assert_eq!(names(&archive), expected);
}

#[test]
fn a_path_that_is_wrong_or_out_of_order_is_refused() {
    for bad in ["", ".", "..", "/a", "a/", "a//b", "./a", "a/../b", "a\0"] {
        let mut archive = TarGzBuilder::new(Vec::new(), NO_LIMIT).unwrap();
        assert!(matches!(archive.directory(bad), Err(PackError::Path(_))), "{bad:?}");
    }
    for (first, second) in [("b", "a"), ("a", "a"), ("a.txt", "a/b"), ("a/b/c", "a/b")] {
        let mut archive = TarGzBuilder::new(Vec::new(), NO_LIMIT).unwrap();
        archive.directory(first).unwrap();
        assert!(matches!(archive.directory(second), Err(PackError::Order(_))), "{first} then {second}");
    }
}

#[test]
fn content_of_another_size_than_stated_is_refused() {
    for stated in [0, 2, 4, 512] {
        let mut archive = TarGzBuilder::new(Vec::new(), NO_LIMIT).unwrap();
        let content = Content::from_reader(stated, &b"abc"[..]);
        let error = archive.file("a", FileMode::Plain, content).unwrap_err();
        assert!(matches!(error, PackError::Size(_)), "{stated}: {error}");
    }
}

#[test]
fn limits_and_failures_end_the_packing() {
    let limits = PackLimits { entries: 2, content_bytes: 3 };
    let pack = |entries: Vec<io::Result<Entry<'static>>>| {
        pack_tree(Vec::new(), limits, entries, |_, _| true)
            .map(|(_, summary)| summary)
            .map_err(|error| error.to_string())
    };
    let failing = Node::file(FileMode::Plain, || Err(io::Error::other("gone")));
    let cases = [
        (vec![Ok(plain("a", "123"))], Ok(PackSummary { entries: 2, files: 1, content_bytes: 3 })),
        (vec![Ok(plain("a", "1234"))], Err("content exceeds 3 bytes")),
        (vec![Ok(plain("a", "1")), Ok(plain("b", "1"))], Err("more than 2 entries")),
        (vec![Err(io::Error::other("gone"))], Err("failed to list entries")),
        (vec![Ok(Entry { path: b"a\n".to_vec(), node: failing })], Err("failed to read 'a\\n'")),
    ];
    for (entries, expected) in cases {
        assert_eq!(pack(entries), expected.map_err(str::to_owned));
    }
}
