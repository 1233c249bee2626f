//! What becomes of a folded block (`>`) that kustomize writes and reads once more, as it does with every object: its writer puts too many
//! line breaks around indented lines and at the end. It deliberately changes nothing else.

/// The text of a folded block after it was written and read again.
pub(crate) fn refold(text: &str) -> String {
    // The writer has other forms for these, which change nothing.
    if text.contains(" \n")
        || text.ends_with(' ')
        || text.contains(|letter: char| letter.is_control() && letter != '\n')
    {
        return text.to_owned();
    }
    read(&written(text), text)
}

/// The lines of the block as the writer leaves them, each with its line break.
fn written(text: &str) -> String {
    // The writer means to look at what follows the break but looks at the start of the text.
    let extra = text.trim_start_matches('\n').starts_with(|first| first != ' ' && first != '\t');
    let mut out = String::with_capacity(text.len() + 8);
    let (mut after_break, mut indented) = (true, true);
    for letter in text.chars() {
        if letter == '\n' {
            if extra && !after_break && !indented {
                out.push('\n');
            }
            out.push('\n');
            after_break = true;
        } else {
            if after_break {
                indented = letter == ' ' || letter == '\t';
            }
            out.push(letter);
            after_break = false;
        }
    }
    out
}

/// Reads the block's lines with the chomping that the writer chooses for the text.
fn read(block: &str, text: &str) -> String {
    let mut out = String::with_capacity(block.len());
    let (mut breaks, mut was_indented, mut first) = (0_usize, false, true);
    for line in block.split('\n') {
        if line.is_empty() {
            breaks += 1;
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        if first {
            (0..breaks).for_each(|_| out.push('\n'));
        } else if !was_indented && !indented {
            if breaks == 0 {
                out.push(' ');
            }
            (0..breaks).for_each(|_| out.push('\n'));
        } else {
            (0..=breaks).for_each(|_| out.push('\n'));
        }
        out.push_str(line);
        (breaks, was_indented, first) = (0, indented, false);
    }
    // The last piece after a final break is empty and was counted.
    let ending = breaks;
    let stated = text.len() - text.trim_end_matches('\n').len();
    match stated {
        0 => {}
        1 if !first => out.push('\n'),
        _ => (0..ending).for_each(|_| out.push('\n')),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_get_a_break_before_them_and_kept_endings_one_more() {
        for (text, expected) in [
            ("one two", "one two"),
            ("one\ntwo\n", "one\ntwo\n"),
            ("one\n\ntwo", "one\n\ntwo"),
            ("one\n  deep\nend", "one\n\n  deep\nend"),
            ("  deep\nend", "  deep\nend"),
            ("one \n  deep", "one \n  deep"),
            ("one\n\n", "one\n\n\n"),
        ] {
            assert_eq!(refold(text), expected, "{text:?}");
        }
    }
}
