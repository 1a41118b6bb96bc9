//! What is read in one pass is what the YAML parser reads, for every file of the repository and for files with slips of the finger.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::problem::SourceFile;
use crate::rules::yaml::Document;

/// Every YAML file of the repository that is not long.
pub(in crate::rules) fn files() -> Vec<String> {
    fn walk(path: &Path, files: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.extend(std::fs::read_to_string(&path).ok().filter(|text| text.len() < 10_000));
            }
        }
    }
    let mut files = Vec::new();
    for directory in ["rules", "tests/cases"] {
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut files);
    }
    files.sort();
    files
}

/// The same rules as programs write them: JSON, on many lines, on one, and with each of its lists in block YAML.
fn as_json(text: &str) -> Vec<String> {
    // Those that are nested on purpose take the parser's whole stack here.
    if text.contains("[[[[") {
        return Vec::new();
    }
    let Ok(document) = Document::parse_any(&Arc::new(SourceFile { path: "a.yaml".into(), text: text.into() })) else {
        return Vec::new();
    };
    let json = document.root.to_json();
    let mut ways = vec![serde_json::to_string_pretty(&json).unwrap(), json.to_string()];
    for (key, value) in json.as_object().into_iter().flatten() {
        let indented = serde_json::to_string_pretty(value).unwrap().replace('\n', "\n    ");
        ways.push(format!("{key}: {value}\n"));
        ways.push(format!("{key}: {indented}\n"));
        ways.push(format!("a:\n  {key}: {indented}\n  b: 1\nc:\n  - {indented}\n  - 2\n"));
    }
    ways
}

/// Whether it was read; what the parser makes of it must be the same then, without any problem.
fn compared(text: &str) -> bool {
    let Some(root) = read(text) else { return false };
    let parsed = Document::parse_any(&Arc::new(SourceFile { path: "a.yaml".into(), text: text.into() }));
    let document = parsed.unwrap_or_else(|problem| panic!("{text}\nis read, but the parser says {problem:?}"));
    assert_eq!((document.root, document.problems), (root, Vec::new()), "{text}");
    true
}

#[test]
fn what_it_reads_the_parser_reads_just_so() {
    let files = files();
    let read = files.iter().filter(|text| compared(text)).count();
    assert!(read > files.len() / 3, "{read} of {} files were read", files.len());
    let json: Vec<String> = files.iter().flat_map(|text| as_json(text)).collect();
    let read = json.iter().filter(|text| compared(text)).count();
    assert!(read > json.len() / 2, "{read} of {} JSON texts were read", json.len());
}

#[test]
fn what_it_reads_the_parser_reads_just_so_also_after_a_slip_of_the_finger() {
    const TYPED: [&str; 42] = [
        "\",\n", "\":", " ", "  ", "\n", "\n  ", "\n    ", "- ", ": ", ":", ", ", ",", "#", " #", "{", "}", "[", "]",
        "\"", "'", "&a ", "*a", "!", "|", ">", "%", "@", "`", "~", "?", "? ", "<<: ", "\\", "\t", "---\n", "-", "+",
        ".", "0", "a", "é", "null",
    ];
    let (seed, rounds) = (1, 8_000);
    let mut random = fastrand::Rng::with_seed(seed);
    let files = files().into_iter().flat_map(|text| as_json(&text).into_iter().chain([text]));
    let files: Vec<String> = files.filter(|text| text.len() < 1_500 && read(text).is_some()).collect();
    let mut read = 0;
    for _ in 0..rounds {
        let mut text = random.choice(&files).unwrap().clone();
        for _ in 0..random.usize(1..4) {
            let at = text.floor_char_boundary(random.usize(..=text.len()));
            let end = text.floor_char_boundary(at + random.usize(..4));
            match random.u8(..3) {
                0 => text.replace_range(at..end.max(at), ""),
                1 => text.insert_str(at, random.choice(TYPED).unwrap()),
                _ => text.replace_range(at..end.max(at), random.choice(TYPED).unwrap()),
            }
        }
        read += usize::from(compared(&text));
    }
    assert!(read > rounds / 10, "{read} of {rounds} texts were read");
}

#[test]
fn rules_as_most_people_write_them_are_read_and_what_is_odd_is_left_to_the_parser() {
    let long = format!("a: [{}]\n", "\"+90 532\", ".repeat(1_000).trim_end_matches(", "));
    for plain in [
        "# rules\nversion: 1\nrules:\n  - name: a  # first\n    when: {direction: [inbound], customer: \"+90*\"}\n",
        "rules:\n- name: a\n  card:\n  - {type: title, text: 'İş {{x}}'}\n\n  needs: {crm: one}\nlists: {}\n",
        "{\n  \"version\": 1,\n  \"rules\": [\n    {\"name\": \"a\", \"card\": []},\n    {}\n  ]\n}\n",
        "{\"a\":1,\"b\":[true,\"c: d\"]}",
        "card: [\n    {type: title,\n     text: 'a'},  \n    # no\n    {\"type\": \"user\"\n    }\n  ]  # end\nb: 1\n",
        "a: 900ms\nb: +90 532*\nc: 0\nd: 17\ne: true\nf: ${TOKEN}\ng: $.results[*]\nh: https://a.b/c#d\n",
        &long,
    ] {
        assert!(compared(plain), "{plain}");
    }
    for odd in [
        "",
        "- a\n",
        "a:\n",
        "a: &x 1\n",
        "a: *x\n",
        "a: !!str 1\n",
        "a: |\n  b\n",
        "a: b\n  c\n",
        "a: \"b\n  c\"\n",
        "a: \"\\n\"\n",
        "a: 'it''s'\n",
        "a: 1\na: 2\n",
        "a: {b: 1, b: 2}\n",
        "a: 0x10\n",
        "a: 007\n",
        "a: -1\n",
        "a: 1.5\n",
        "a: ~\n",
        "a: null\n",
        "a: [b, ]\n",
        "a: [b: c]\n",
        "a: {b}\n",
        "a: b: c\n",
        "a:\t1\n",
        "a: 1\r\n",
        "\u{feff}a: 1\n",
        "---\na: 1\n",
        "a: 1\n...\n",
        "a: \u{2028}\n",
        "<<: {a: 1}\n",
        "? a\n: b\n",
        "a:\n  - - b\n",
        "a:\n   b: 1\n  c: 2\n",
        " a: 1\n",
        "a: [1\n  ,2]\n",
        "a: [\n1]\n",
        "a: [\"b\",\n]\n",
        "a: [\"b\",  # c\n  1]\n",
        "{\"a\": 1, \"a\": 2}\n",
        "{\"a\": \"\\u0041\"}\n",
        "{\"a\": 1}\nb: 2\n",
        "{\"a\": 1\n",
        "[1]\n",
    ] {
        assert!(read(odd).is_none(), "{odd}");
    }
}
