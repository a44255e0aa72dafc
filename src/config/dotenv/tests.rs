use std::path::Path;

use proptest::prelude::*;

use super::*;

fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, DotEnv) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(&path, text).unwrap();
    let inherited = vec!["PATH".into()];
    (folder, DotEnv { path, inherited })
}

/// The value of `PUSHI_APP_SECRET` in a file, or the error without the path.
fn secret(text: impl AsRef<[u8]>) -> Result<Option<String>, String> {
    let (_folder, dotenv) = file(text);
    dotenv.current_value("PUSHI_APP_SECRET").map_err(|error| {
        let text = error.to_string();
        let reason = text.split_once("cannot be read: ").unwrap().1.to_owned();
        assert!(!reason.contains('\n'), "{reason}");
        reason
    })
}

/// The value of the text after `=`.
fn value(text: &str) -> Result<String, String> {
    secret(format!("PUSHI_APP_SECRET={text}\n")).map(Option::unwrap_or_default)
}

#[track_caller]
fn same(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(value(text).as_deref(), Ok(*expected), "{text}");
    }
}

#[test]
fn a_missing_file_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let inherited = Vec::new();
    let dotenv = DotEnv { path, inherited };
    assert_eq!(dotenv.load(), Ok(()));
    assert_eq!(dotenv.current_value("RUST_LOG"), Ok(None));
}

#[test]
fn a_folder_and_other_encodings_are_refused() {
    let dotenv = |path: &Path| DotEnv {
        path: path.to_owned(),
        inherited: Vec::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let text = dotenv(folder.path()).load().unwrap_err().to_string();
    assert!(text.contains("Is a directory"), "{text}");
    let utf16: Vec<u8> = "\u{feff}PUSHI_APP_SECRET=abc\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(secret(utf16).unwrap_err().contains("save it as UTF-8"));
    let latin = b"# caf\xe9\nNAME=caf\xe9\nPUSHI_APP_SECRET=ab\xe9\n";
    let expected = "line 3: PUSHI_APP_SECRET has a value that is not UTF-8 text";
    assert_eq!(secret(latin), Err(expected.to_owned()));
    let elsewhere = secret(b"# caf\xe9\nNAME=caf\xe9\nPUSHI_APP_SECRET=ab\n");
    assert_eq!(elsewhere, Ok(Some("ab".into())));
    assert!(
        secret("#".repeat(2_000_000))
            .unwrap_err()
            .contains("larger")
    );
}

#[test]
fn a_dollar_without_braces_is_a_character() {
    same(&[
        ("ab$cd12ef", "ab$cd12ef"),
        ("$ab", "$ab"),
        ("ab$", "ab$"),
        ("a$$b", "a$$b"),
        ("a$1$(b)", "a$1$(b)"),
        (r#""ab$cd""#, "ab$cd"),
        (r#""ab\$cd\${ef}""#, "ab$cd${ef}"),
        ("'ab$cd${ef}'", "ab$cd${ef}"),
    ]);
}

#[test]
fn quotes() {
    same(&[
        (r"'a\nb\\ #c'", r"a\nb\\ #c"),
        (r"'ab\'", r"ab\"),
        ("'it\"s'", "it\"s"),
        ("''", ""),
        (r#""""#, ""),
        (r#""a\"b\\c\nd\te""#, "a\"b\\c\nd\te"),
        (r#""it's""#, "it's"),
        (r#""ab\\""#, r"ab\"),
        // A quote within a value that is not in quotes.
        (r#"a"b'c\n"#, r#"a"b'c\n"#),
    ]);
}

#[test]
fn comments_follow_whitespace() {
    same(&[
        ("ab # c", "ab"),
        ("ab\t#c", "ab"),
        (" # c", ""),
        ("ab#cd", "ab#cd"),
        ("#ab", "#ab"),
        ("'a #b' # c", "a #b"),
        ("\"a #b\"#c", "a #b"),
        ("  ab  ", "ab"),
    ]);
}

#[test]
fn the_forms_of_a_line() {
    for text in [
        "PUSHI_APP_SECRET = ab",
        "  export\tPUSHI_APP_SECRET=ab",
        "'PUSHI_APP_SECRET'=ab",
        "\u{feff}PUSHI_APP_SECRET=ab\r\nB=c\r\n",
        "A=b\rPUSHI_APP_SECRET=ab\r",
        "PUSHI_APP_SECRET=x\nPUSHI_APP_SECRET='ab' # the last line applies\n",
        "PUSHI_APP_SECRET=ab\nPUSHI_APP_SECRET\nexport PUSHI_APP_SECRET\n",
        "A=\"1\r\n2=3\r\n\"\r\nPUSHI_APP_SECRET=ab",
    ] {
        assert_eq!(secret(text), Ok(Some("ab".into())), "{text:?}");
    }
    assert_eq!(secret("#PUSHI_APP_SECRET=ab\n"), Ok(None));
    assert_eq!(value("\"a\r\nb=\nc\""), Ok("a\nb=\nc".into()));
    assert_eq!(value("'a\nb'"), Ok("a\nb".into()));
    assert_eq!(value("a=b=="), Ok("a=b==".into()));
}

#[test]
fn references_are_to_the_environment_and_earlier_lines() {
    let of = |text: &str| secret(format!("A=a$b\nE=\n{text}\n")).map(Option::unwrap);
    assert_eq!(of("PUSHI_APP_SECRET=x${A}y"), Ok("xa$by".into()));
    assert_eq!(of("PUSHI_APP_SECRET=\"${A} ${A}\""), Ok("a$b a$b".into()));
    assert_eq!(of("PUSHI_APP_SECRET='${A}'"), Ok("${A}".into()));
    assert_eq!(of("PUSHI_APP_SECRET=${E}"), Ok(String::new()));
    assert_eq!(of("PUSHI_APP_SECRET=${E:-x}${E-y}${N-z}"), Ok("xz".into()));
    let path = std::env::var("PATH").unwrap();
    assert_eq!(of("PATH=no\nPUSHI_APP_SECRET=${PATH}"), Ok(path));
    let unset = of("B=${N}\nPUSHI_APP_SECRET=${B}").unwrap_err();
    assert!(
        unset.starts_with("line 4: PUSHI_APP_SECRET refers to ${B},"),
        "{unset}"
    );
    assert!(of("PUSHI_APP_SECRET=${N}").unwrap_err().contains("${N}"));
    for bad in ["a${", "a${}", "a${b", "${A:?x}", "${A:-${E}}", "${A b}"] {
        let text = of(&format!("PUSHI_APP_SECRET={bad}")).unwrap_err();
        assert!(
            text.starts_with("line 3: PUSHI_APP_SECRET has a ${"),
            "{bad}: {text}"
        );
    }
}

#[test]
fn an_error_names_the_line_and_the_reason_but_not_the_value() {
    for (text, expected) in [
        ("PUSHI_APP_SECRET=hunter2 3", "has a space in its value"),
        ("PUSHI_APP_SECRET='hunter2", "has no closing '"),
        ("PUSHI_APP_SECRET=\"hunter2\\\"", "has no closing \""),
        (
            r"PUSHI_APP_SECRET='it\'s hunter2'",
            "has characters after the closing quote",
        ),
        (
            "PUSHI_APP_SECRET=\"a\" hunter2",
            "has characters after the closing quote",
        ),
        (
            r#"PUSHI_APP_SECRET="hunter2\d""#,
            r"has the unknown escape \d",
        ),
        ("PUSHI_APP_SECRET hunter2", "is not followed by ="),
        ("PUSHI_APP_SECRET: hunter2", "is not followed by ="),
        (
            "PUSHI_APP_SECRET: hunter2=",
            "is followed by other characters than =",
        ),
        (
            "PUSHI_APP_SECRT x=hunter2",
            "is followed by other characters than =",
        ),
    ] {
        let text = secret(format!("# one\nA=\"1\n2\"\n\n{text}\nB=c\n")).unwrap_err();
        assert!(
            text.starts_with("line 5: PUSHI_APP_SEC") && text.contains(expected),
            "{text}"
        );
        assert!(!text.contains("hunter"), "{text}");
    }
}

#[test]
fn lines_of_other_programs_are_skipped() {
    for line in [
        "APP_NAME=My App",
        "APP_NAME='don't",
        "APP_NAME=\"open",
        "A=\"a\\d\"",
        "A=${",
        "A=${N}",
        "A: b",
        "[section]",
        "=",
        "= x",
        "some text",
        "a b=c",
        "ü=1",
        "\"\"=1",
        "<?php",
        "export",
        "set -a",
    ] {
        let around = format!("PUSHI_APP_KEY='k'\n{line}\nPUSHI_APP_SECRET='a\"b' # '\nB=c\n");
        assert_eq!(secret(&around), Ok(Some("a\"b".into())), "{line}");
        assert_eq!(
            secret(format!("{line}\nPUSHI_APP_SECRET=ab")),
            Ok(Some("ab".into())),
            "{line}"
        );
    }
}

#[test]
fn a_changed_file_is_read_again_and_the_environment_takes_precedence() {
    let (_folder, dotenv) = file("RUST_LOG=debug\nPATH=/nowhere\n");
    assert_eq!(dotenv.current_value("RUST_LOG"), Ok(Some("debug".into())));
    assert_eq!(dotenv.current_value("PATH"), Ok(std::env::var("PATH").ok()));
    std::fs::write(&dotenv.path, "RUST_LOG=trace\n").unwrap();
    assert_eq!(dotenv.current_value("RUST_LOG"), Ok(Some("trace".into())));
}

proptest! {
    #[test]
    fn every_text_without_a_quote_is_literal_in_single_quotes(text in "[^'\0\r\u{fffd}]{0,40}") {
        prop_assert_eq!(value(&format!("'{text}'")), Ok(text));
    }

    #[test]
    fn visible_characters_are_themselves(text in "[!#$%&()*+,./0-9:;<=>?@A-Z\\[\\]^_`a-z|~-]{1,40}") {
        prop_assert_eq!(value(&text), Ok(text));
    }

    #[test]
    fn no_file_causes_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = secret(&bytes);
        let _ = secret([b"PUSHI_APP_SECRET=\"${", &bytes[..]].concat());
    }
}
