//! Tables of templates and what they give. Results that look wrong are the contract's.

use super::*;

/// The variables of all tables. `x`, `y` and `A` are not set; `e` is set and empty.
fn value(name: &str) -> Option<&'static [u8]> {
    let value: &[u8] = match name {
        "v" => b"abcdef",
        "e" => b"",
        "p" => b"a/b/c",
        "u" => "héllo".as_bytes(),
        "n" => b"123456",
        "d" => b"foo.bar.baz",
        "m" => b"-3",
        "up" => b"ABC",
        "url" => b"https://example.com/team/app.git",
        "file" => b"archive.tar.gz",
        "sharp" => "straße ŉ".as_bytes(),
        "greek" => "ᾳ ῳ ǆ".as_bytes(),
        "dotted" => "İĐ".as_bytes(),
        "kana" => "かな".as_bytes(),
        "raw" => b"\xffok",
        "stars" => b"a*b*c",
        "aaa" => b"aaaa",
        _ => return None,
    };
    Some(value)
}

fn with(template: &str, unset: Unset) -> Result<String, ExpandError> {
    expand(template, &value, unset, &Limits::default())
}

fn lenient(template: &str) -> String {
    with(template, Unset::Empty).unwrap_or_else(|error| format!("error: {error}"))
}

fn strict(template: &str) -> String {
    with(template, Unset::Fail).unwrap_or_else(|error| format!("error: {error}"))
}

/// Rows of template and result, the same in strict mode.
fn check(rows: &[(&str, &str)]) {
    for (template, expected) in rows {
        assert_eq!(&lenient(template), expected, "{template}");
        assert_eq!(&strict(template), expected, "{template} in strict mode");
    }
}

/// Rows of template and result without strict mode; with it, the named variable is missing.
fn check_missing(rows: &[(&str, &str, &str)]) {
    for (template, expected, missing) in rows {
        assert_eq!(&lenient(template), expected, "{template}");
        let error = format!("error: variable not set (strict mode): \"{missing}\"");
        assert_eq!(strict(template), error, "{template} in strict mode");
    }
}

#[test]
fn text_without_an_expression_stays_as_it_is() {
    check(&[
        ("", ""),
        ("plain\n  text: 1\n", "plain\n  text: 1\n"),
        ("$v $(v) $ {v} }{ \\", "$v $(v) $ {v} }{ \\"),
        ("#${v}", "#abcdef"),
        ("\\${v}", "\\abcdef"),
        ("'${v}' \"${v}\"", "'abcdef' \"abcdef\""),
        ("ünïcödé ${v} ✓", "ünïcödé abcdef ✓"),
        ("${v}${n}", "abcdef123456"),
        ("{${v}}", "{abcdef}"),
    ]);
}

#[test]
fn two_dollars_are_one_in_plain_text() {
    check(&[
        ("$", "$"),
        ("$$", "$"),
        ("$$$", "$$"),
        ("$$v", "$v"),
        ("$${v}", "${v}"),
        ("$$${v}", "$abcdef"),
        ("$$$${v}", "$${v}"),
    ]);
    // Behind an escaped opening the inner expression is an expression again.
    check(&[("a$${v:-${v}}b", "a${v:-abcdef}b")]);
}

#[test]
fn lengths_and_cases() {
    check(&[
        ("${v}", "abcdef"),
        ("${e}", ""),
        ("${#v}", "6"),
        ("${#e}", "0"),
        ("${#u}", "6"),
        ("${v^}", "Abcdef"),
        ("${v^^}", "ABCDEF"),
        ("${up,}", "aBC"),
        ("${up,,}", "abc"),
        ("${e^}${e,,}", ""),
        ("${u^^}", "HÉLLO"),
        ("${sharp^^}", "STRAßE ŉ"),
        ("${greek^^}", "ᾼ ῼ Ǆ"),
        ("${dotted,,}", "iđ"),
        ("${kana^}", "かな"),
        ("${v^,}", "abcdef"),
        ("${v,^}", "abcdef"),
        ("${raw^}", "\u{fffd}ok"),
        ("${raw,,}", "\u{fffd}ok"),
    ]);
}

#[test]
fn substrings_are_of_bytes() {
    check(&[
        ("${v:1}", "bcdef"),
        ("${v:1:2}", "bc"),
        ("${v:0:0}", ""),
        ("${v:3:0}", ""),
        ("${v:1::2}", "bc"),
        ("${v:1:::2}", "bc"),
        ("${v:10}", ""),
        ("${v:6}", ""),
        ("${v:10:2}", ""),
        ("${v:4:20}", "ef"),
        ("${v:+1}", "abcdef"),
        ("${v:x}", "abcdef"),
        ("${v:1:x}", "abcdef"),
        ("${v: -3}", "abcdef"),
        ("${v:99999999999999999999}", "abcdef"),
        ("${v:${m}}", "def"),
        ("${v:${m}:2}", "de"),
        ("${v:${m}:${e}}", "abcdef"),
        ("${v:${e}}", "abcdef"),
        ("${u:3}", "llo"),
        ("${u:0:3}", "hé"),
        ("${u:2}", "error: the result is not valid UTF-8"),
        ("${v:10:-2}", ""),
    ]);
}

#[test]
fn a_negative_length_is_an_error_that_ends_nothing_but_the_text() {
    for template in ["${v:0:-1}", "${v:3:-1}", "${v:1:9223372036854775807}", "${v:10:-9}"] {
        let expected = ExpandError::SubstringRange("v".to_owned());
        assert_eq!(with(template, Unset::Empty), Err(expected), "{template}");
    }
}

#[test]
fn the_five_default_operators_are_one() {
    for operator in ["=", ":=", ":-", ":?", ":+"] {
        check(&[
            (format!("${{x{operator}def}}").as_str(), "def"),
            (format!("${{e{operator}def}}").as_str(), "def"),
            (format!("${{v{operator}def}}").as_str(), "abcdef"),
            (format!("${{x{operator}}}").as_str(), ""),
        ]);
    }
    check(&[
        ("${v:-3}", "abcdef"),
        ("${x:=a:b}", "a:b"),
        ("${x:=a b}", "a b"),
        ("${x:=\"q\"}", "\"q\""),
        ("${x:=a{b}}", "a{b}"),
        ("${x:=a}b}", "ab}"),
        ("${x:=$v}", "$v"),
        ("${x:=$$v}", "$$v"),
        ("${x:=$${v}}", "$abcdef"),
        ("${x:=a${v}b${n}c}", "aabcdefb123456c"),
        ("${x:=${y:=z}}", "z"),
        ("${x:-:-}", ":-"),
        ("${x:=\\}}", "\\}"),
        ("${x:=line\nbreak}", "line\nbreak"),
        ("${x==}", "="),
    ]);
}

#[test]
fn prefixes_and_suffixes_are_cut_by_globs() {
    check(&[
        ("${v#abc}", "def"),
        ("${v#x}", "abcdef"),
        ("${v#abcdef}", ""),
        ("${v##*}", ""),
        ("${v#*}", "bcdef"),
        ("${v#?}", "bcdef"),
        ("${v#[ab]}", "bcdef"),
        ("${v#[^ab]}", "abcdef"),
        ("${v#[^x]}", "bcdef"),
        ("${v##[a-c]?[a-c]}", "def"),
        ("${v###}", "abcdef"),
        ("${d#*.}", "bar.baz"),
        ("${d##*.}", "baz"),
        ("${d%.*}", "foo.bar"),
        ("${d%%.*}", "foo"),
        ("${p##*/}", "c"),
        ("${p%/*}", "a/b"),
        ("${url#https://}", "example.com/team/app.git"),
        ("${url##*/}", "app.git"),
        ("${url%.git}", "https://example.com/team/app"),
        ("${file%.*.gz}", "archive"),
        ("${file%%.*}", "archive"),
        ("${file##*.t*.}", "gz"),
        ("${v%[a-f]}", "abcdef"),
        ("${v%f}", "abcde"),
        ("${v%?}", "abcde"),
        ("${e#*}", ""),
        ("${v#${e}}", "abcdef"),
        ("${stars#a\\*}", "b*c"),
        ("${v#\\a}", "bcdef"),
        ("${kana#?}", "error: the result is not valid UTF-8"),
        // A single byte is taken for a character, and what is left of it is two stray ones.
        ("${kana%?}", "か\u{fffd}\u{fffd}"),
        ("${raw%k}", "\u{fffd}o"),
    ]);
}

#[test]
fn a_malformed_glob_cuts_nothing() {
    check(&[
        ("${v#[}", "abcdef"),
        ("${v#a[}", "abcdef"),
        ("${v#a[]}", "abcdef"),
        ("${v#[a-]}", "abcdef"),
        ("${v#[-a]}", "abcdef"),
        ("${v#[a}", "abcdef"),
        ("${v#\\}", "abcdef"),
        // Not reached, so not noticed.
        ("${v#x[}", "abcdef"),
        ("${v##*[}", "abcdef"),
    ]);
}

#[test]
fn replacements_are_literal() {
    check(&[
        ("${v/b/X}", "aXcdef"),
        ("${p/a/}", "/b/c"),
        ("${p//b/}", "a//c"),
        ("${d//./-}", "foo-bar-baz"),
        ("${d/./-}", "foo-bar.baz"),
        ("${v/#abc/X}", "Xdef"),
        ("${v/#bc/X}", "abcdef"),
        ("${v/%def/X}", "abcX"),
        ("${v/%de/X}", "abcdef"),
        ("${p/#a/}", "a/b/c"),
        ("${p/%c/}", "a/b/c"),
        ("${p/*/X}", "a/b/c"),
        ("${v/[bc]/X}", "abcdef"),
        ("${v//${e}/-}", "-a-b-c-d-e-f-"),
        ("${v/${e}/-}", "-abcdef"),
        ("${u//${e}/-}", "-h-é-l-l-o-"),
        ("${v/#${e}/-}", "-abcdef"),
        ("${v/%${e}/-}", "abcdef-"),
        ("${v/b/X/Y}", "aX/Ycdef"),
        ("${v/b//X}", "aXcdef"),
        ("${v/a/$$}", "$bcdef"),
        ("${v/a/$${v}", "${vbcdef"),
        ("${v/a/\\}}", "\\bcdef}"),
        ("${p/\\//-}", "a-b/c"),
        ("${p//\\//-}", "a-b-c"),
        ("${v/a/\\/}", "/bcdef"),
        ("${v/a/\\\\}", "\\bcdef"),
        ("${v/a/\\n}", "\\nbcdef"),
        ("${v/c/${n}}", "ab123456def"),
        ("${aaa//aa/b}", "bb"),
        ("${v/x/y}", "abcdef"),
        // The search text runs over braces to the next slash.
        ("${p/x} and a/b}", "a/b/c"),
        ("${v/b} ${n/}", "error: bad substitution"),
    ]);
}

#[test]
fn malformed_expressions_have_the_errors_of_flux() {
    let missing =
        ["${v-def}", "${x-def}", "${x+def}", "${x?def}", "${v.x}", "${v }", "${v", "${v[0]}", "${v@Q}", "${A-B}"];
    let name = ["${}", "${", "${ v}", "${.Values.x}", "${{ v }}", "${!v}", "a ${-}", "${%v}"];
    let bad = [
        "${#}",
        "${p/a}",
        "${p//a}",
        "${v//}",
        "${v^^,,}",
        "${#v",
        "${##v}",
        "${#v.x}",
        "${v^",
        "${v:",
        "${v:é}",
        "${v:1",
        "${v#a",
        "${v/a/b",
        "${v/a${n}/X}",
        "${v#a${n}}",
        "${v:1${n}}",
        "${v#${n}a}",
        "${v:1:2${n}}",
    ];
    let argument =
        ["${v:}", "${v::2}", "${d#}", "${p///X}", "${v:1:}", "${v##}", "${x:=", "${x:=a", "${v/a/", "${v:\0}"];
    let cases = [
        (&missing[..], ExpandError::MissingClosingBrace, "missing closing brace"),
        (&name[..], ExpandError::VariableName, "unable to parse variable name"),
        (&bad[..], ExpandError::BadSubstitution, "bad substitution"),
        (&argument[..], ExpandError::Argument, "unable to parse substitution within function"),
    ];
    for (templates, expected, text) in cases {
        assert_eq!(expected.to_string(), text);
        for template in templates {
            assert_eq!(with(template, Unset::Empty).as_ref(), Err(&expected), "{template}");
            assert_eq!(with(template, Unset::Fail).as_ref(), Err(&expected), "{template} in strict mode");
        }
    }
}

#[test]
fn strict_mode_wants_every_variable_but_those_with_a_default() {
    check_missing(&[
        ("${x}", "", "x"),
        ("${1v}", "", "1v"),
        ("${_}", "", "_"),
        ("${é}", "", "é"),
        ("${#x}", "0", "x"),
        ("${x^^}", "", "x"),
        ("${x,^}", "", "x"),
        ("${x:1}", "", "x"),
        ("${x#a}", "", "x"),
        ("${x/a/b}", "", "x"),
        ("${v/${x}/Q}", "Qabcdef", "x"),
        ("${x:=${y}}", "", "y"),
        ("${v:=${y}}", "abcdef", "y"),
        ("${v} ${x} ${y}", "abcdef  ", "x"),
        ("${x/${y}/z}", "z", "y"),
    ]);
}

#[test]
fn names_are_letters_digits_and_underscores_of_any_script() {
    for accepted in ["a", "_", "9", "aé", "名前", "a٣", "ß_1"] {
        assert_eq!(lenient(&format!("${{{accepted}}}")), "", "{accepted}");
    }
    // A combining vowel sign, a Roman numeral, a superscript, a full-width sign.
    for refused in ["\u{93f}", "Ⅷ", "²", "＿"] {
        assert_eq!(lenient(&format!("${{{refused}}}")), "error: unable to parse variable name", "{refused}");
    }
}

#[test]
fn a_mistake_anywhere_wins_over_a_missing_variable() {
    assert_eq!(strict("${x} ${}"), "error: unable to parse variable name");
}

#[test]
fn a_nul_character_ends_the_text() {
    check(&[
        ("a${n}\0${v", "a123456"),
        ("\0${", ""),
        ("${x:=a\0}", "error: unable to parse substitution within function"),
    ]);
}

#[test]
fn expressions_nest_only_so_deep() {
    let nested = |depth: usize| format!("{}{}{}", "${x:=".repeat(depth), "end", "}".repeat(depth));
    assert_eq!(strict(&nested(64)), "end");
    assert_eq!(with(&nested(65), Unset::Fail), Err(ExpandError::Nesting(64)));
    assert_eq!(with(&"${x:=".repeat(1_000_000), Unset::Fail), Err(ExpandError::Nesting(64)));
}

#[test]
fn output_that_multiplies_itself_is_refused_before_it_is_built() {
    let long = "a".repeat(100_000);
    let lookup = |_: &str| Some(long.as_bytes());
    let limits = Limits { output: 1_000_000, ..Limits::default() };
    let over = Err(ExpandError::Output(1_000_000));
    assert_eq!(expand("${a//a/${a}}", &lookup, Unset::Fail, &limits), over);
    assert_eq!(expand(&"${a}".repeat(11), &lookup, Unset::Fail, &limits), over);
    assert_eq!(expand("${a//a/${a//a/${a//a/${a}}}}", &lookup, Unset::Fail, &limits), over);
    assert_eq!(expand(&"${a}".repeat(10), &lookup, Unset::Fail, &limits).map(|text| text.len()), Ok(1_000_000));
}

#[test]
fn slow_globs_are_refused() {
    let long = format!("{}c", "ab".repeat(50_000));
    let lookup = |_: &str| Some(long.as_bytes());
    let limits = Limits { glob_steps: 1 << 22, ..Limits::default() };
    let over = Err(ExpandError::GlobSteps(1 << 22));
    for pattern in ["*a*a*a*x", "*[a-z]*[a-z]x", "*abababab?x"] {
        assert_eq!(expand(&format!("${{a##{pattern}}}"), &lookup, Unset::Fail, &limits), over, "{pattern}");
    }
    // Without a star, the size of the value does not matter.
    assert_eq!(expand("${a#abab}", &lookup, Unset::Fail, &limits).map(|text| text.len()), Ok(99_997));
    assert_eq!(expand("${a%b?}", &lookup, Unset::Fail, &limits).map(|text| text.len()), Ok(99_999));
}

#[test]
fn a_long_text_takes_linear_time() {
    let text = "key: $$ \\ ${v} ${x:-${n}} $${\n".repeat(50_000);
    let expanded = with(&text, Unset::Fail).expect("the text is well formed");
    assert_eq!(expanded.len(), "key: $ \\ abcdef 123456 ${\n".len() * 50_000);
    let lookup = |_: &str| Some(&b"aaaaaaaaab"[..]);
    let needle = "a".repeat(100_000);
    let replaced = expand(&format!("${{v//{needle}b/x}}"), &lookup, Unset::Fail, &Limits::default());
    assert_eq!(replaced.as_deref(), Ok("aaaaaaaaab"));
}

fn substitution(variables: &[(&str, &str)]) -> Substitution {
    let mut set = Variables::new();
    for (name, value) in variables {
        set.set(*name, value);
    }
    let (strategy, unset) = (Strategy::WithVariables, Unset::Fail);
    Substitution { variables: set, strategy, unset, limits: Limits::default() }
}

#[test]
fn without_variables_only_the_strategy_always_substitutes() {
    let mut substitution = substitution(&[]);
    assert_eq!(substitution.apply("${x:=y} ${z}"), Ok(None));
    substitution.strategy = Strategy::Always;
    assert_eq!(substitution.apply("${x:=y}"), Ok(Some("y".to_owned())));
    let missing = SubstitutionError::Expand(ExpandError::NotSet("z".to_owned()));
    assert_eq!(substitution.apply("${z}"), Err(missing));
}

#[test]
fn line_feeds_are_deleted_from_values_and_nothing_else_is() {
    let substitution = substitution(&[("a", "one\ntwo\r\n three\n"), ("q", "\"")]);
    assert_eq!(substitution.apply("[${a}] ${q}1${q}"), Ok(Some("[onetwo\r three] \"1\"".to_owned())));
}

#[test]
fn an_empty_value_is_a_value() {
    assert_eq!(substitution(&[("a", "")]).apply("key: ${a}"), Ok(Some("key: ".to_owned())));
}

#[test]
fn every_name_must_be_that_of_a_shell_variable() {
    for name in ["values.yaml", "a-b", "1a", "", "é", "a b", "a\n"] {
        let result = substitution(&[("ok", "1"), (name, "2")]).apply("text");
        let error = result.expect_err(name);
        let expected = format!("'{name}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(substitution(&[("_A9_z", "1")]).apply("${_A9_z}"), Ok(Some("1".to_owned())));
}

#[test]
fn the_chain_of_an_error_reads_as_in_conditions() {
    let error = substitution(&[("a", "1")]).apply("${b}").expect_err("b is not set");
    let source = std::error::Error::source(&error).expect("the expansion's error");
    assert_eq!(format!("{error}: {source}"), "variable substitution failed: variable not set (strict mode): \"b\"");
}
