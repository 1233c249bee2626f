//! Rules about Rust files: a module says what it is for, nothing is left open, no test is switched off.

use super::File;

/// A file longer than this, without its tests, is worth a look.
const LONG_FILE_LINES: usize = 500;

/// Text that must not stand in any Rust file, and why. Written in two parts so that this file is no hit itself.
const BANNED: [(&str, &str, &str); 3] = [
    ("#[", "ignore", "a test that does not run proves nothing"),
    ("todo", "!(", "finish it or leave it out"),
    ("unimplemented", "!(", "finish it or leave it out"),
];

pub(super) fn complaints(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in rust(files) {
        if !is_test(&file.path) && !file.text.starts_with("//!") {
            complaints.push(format!("{}: does not start with //!, saying what it is for", file.path));
        }
        for (start, end, why) in BANNED {
            let banned = format!("{start}{end}");
            for (number, line) in file.text.lines().enumerate().filter(|(_, line)| line.contains(&banned)) {
                if !line.trim_start().starts_with("//") {
                    complaints.push(format!("{}:{}: has {banned}: {why}", file.path, number + 1));
                }
            }
        }
    }
    complaints
}

/// Files with many lines before their tests, longest first.
pub(super) fn long_files(files: &[File]) -> Vec<(usize, String)> {
    let mut long: Vec<_> = rust(files)
        .filter(|file| !is_test(&file.path))
        .map(|file| (file.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count(), file.path.clone()))
        .filter(|(lines, _)| *lines > LONG_FILE_LINES)
        .collect();
    long.sort_by(|a, b| b.cmp(a));
    long
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.is_rust())
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/")
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    #[test]
    fn a_module_without_a_first_word_is_a_complaint_except_in_tests() {
        let text = "use std::fs;\n";
        let files = [
            file("src/a.rs", text),
            file("src/a/tests.rs", text),
            file("tests/b/tests/c.rs", text),
            file("a.txt", text),
        ];
        assert_eq!(complaints(&files), ["src/a.rs: does not start with //!, saying what it is for"]);
        assert_eq!(complaints(&[file("src/a.rs", "//! What.\n")]), Vec::<String>::new());
    }

    #[test]
    fn every_leftover_is_a_complaint_with_its_line_even_in_tests() {
        for (start, end, why) in BANNED {
            let text = format!("//! Doc.\n{start}{end}\n// {start}{end}\n");
            assert_eq!(
                complaints(&[file("x/tests/a.rs", &text)]),
                [format!("x/tests/a.rs:2: has {start}{end}: {why}")]
            );
        }
    }

    #[test]
    fn the_length_of_a_file_is_counted_without_its_tests() {
        let code = "x\n".repeat(LONG_FILE_LINES);
        let files = [
            file("ok.rs", &format!("{code}#[cfg(test)]\n{code}")),
            file("long.rs", &format!("{code}x\n")),
            file("x/tests.rs", &format!("{code}{code}")),
        ];
        assert_eq!(long_files(&files), [(LONG_FILE_LINES + 1, "long.rs".to_owned())]);
    }
}
