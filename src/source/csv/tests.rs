//! Tables as they come from spreadsheets and other programs, and files that change. No test waits: a look is a call.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::source::Network;

const JANE: &str = "+905321234567";

/// A directory with one table, `t.csv`.
fn place(bytes: impl AsRef<[u8]>) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("t.csv"), bytes).unwrap();
    place
}

fn compiled(place: &Path, definition: &Value) -> Result<(Csv, Vec<Fault>), Vec<Fault>> {
    // An error means that another test has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network::new().unwrap();
    let reach = Reach {
        root: place,
        directory: place,
        expand: &|text, _| Ok(text.to_owned()),
        network: &network,
        accounts: &[],
        region: Region::default(),
        answer_within: std::time::Duration::from_secs(1),
    };
    compile(definition, &reach).map(|made| match made.kind {
        Kind::Csv(csv) => (csv, made.faults),
        other => panic!("{other:?}"),
    })
}

/// The table `t.csv`, written in this way.
fn table(place: &TempDir, layout: Value) -> Csv {
    let mut definition = json!({"file": "t.csv", "numbers": ["phone"]});
    definition.as_object_mut().unwrap().extend(layout.as_object().unwrap().clone());
    compiled(place.path(), &definition).unwrap().0
}

/// What is wrong with such a table: the pointer, the message and the help.
fn refused(bytes: impl AsRef<[u8]>, layout: Value) -> (String, String, String) {
    let place = place(bytes);
    let mut definition = json!({"file": "t.csv", "numbers": ["phone"]});
    definition.as_object_mut().unwrap().extend(layout.as_object().unwrap().clone());
    let [fault] = compiled(place.path(), &definition).unwrap_err().try_into().unwrap();
    (fault.pointer, fault.message, fault.help.unwrap_or_default())
}

/// The records of a number.
fn found(csv: &Csv, number: &str) -> Value {
    let records = csv.ask(&CustomerNumber::parse(Some(number), Region::default())).records;
    records.into_iter().map(Value::Object).collect()
}

fn names(csv: &Csv, number: &str) -> Vec<String> {
    let found = found(csv, number);
    found.as_array().unwrap().iter().map(|record| record["name"].as_str().unwrap().to_owned()).collect()
}

/// Two looks: the first one sees that the file has changed, the second one that it is steady.
fn two_looks(csv: &Csv) -> Option<Refreshed> {
    assert_eq!(csv.refresh(), None, "a file that has just changed may still be being written");
    csv.refresh()
}

fn swapped(rows: usize) -> Option<Refreshed> {
    Some(Refreshed { path: "t.csv".to_owned(), rows: Ok(rows), warning: None })
}

fn kept(why: &str) -> Option<Refreshed> {
    Some(Refreshed { path: "t.csv".to_owned(), rows: Err(why.to_owned()), warning: None })
}

#[test]
fn turkish_letters_come_out_of_every_encoding_that_a_spreadsheet_writes() {
    let text = "phone;name\r\n0532 123 45 67;Ayşe Yılmaz İĞÜ\r\n";
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let windows = encoding_rs::WINDOWS_1254.encode(text).0.into_owned();
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), "utf-8"),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "utf-8"),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "windows-1254"),
        (windows, "windows-1254"),
        ([vec![0xff, 0xfe], utf_16(u16::to_le_bytes)].concat(), "utf-16"),
        ([vec![0xfe, 0xff], utf_16(u16::to_be_bytes)].concat(), "utf-16"),
        (utf_16(u16::to_le_bytes), "utf-16"),
    ] {
        let place = place(bytes);
        let csv = table(&place, json!({"delimiter": ";", "encoding": encoding}));
        assert_eq!(names(&csv, JANE), ["Ayşe Yılmaz İĞÜ"], "{encoding}");
        assert_eq!(csv.columns(), ["phone", "name"], "{encoding}");
    }
}

#[test]
fn a_long_file_is_decoded_across_the_ends_of_its_chunks() {
    let rows: String = (0..4_000).map(|row| format!("0532 {row:07},Şule {row}\n")).collect();
    let text = format!("phone,name\n{rows}");
    let utf_16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (bytes, encoding) in
        [(encoding_rs::WINDOWS_1254.encode(&text).0.into_owned(), "windows-1254"), (utf_16, "utf-16")]
    {
        let csv = table(&place(bytes), json!({"encoding": encoding}));
        for row in [0, 1_999, 3_999] {
            assert_eq!(names(&csv, &format!("+90532{row:07}")), [format!("Şule {row}")], "{encoding}");
        }
    }
}

#[test]
fn what_can_not_be_decoded_is_told_with_its_line() {
    let (pointer, message, help) = refused(b"phone,name\n1,a\n2,Ay\xfee\n", json!({}));
    assert_eq!((pointer.as_str(), message.as_str()), ("/file", "`t.csv` is not UTF-8 (line 3)"));
    assert!(help.contains("`encoding: windows-1254`"), "{help}");
    // Greek has no letter at this place.
    let (_, message, _) = refused(b"phone,name\n1,\xd2\n", json!({"encoding": "windows-1253"}));
    assert_eq!(message, "`t.csv` is not windows-1253 (line 2)");
    let (_, _, help) = refused(b"\xff\xfep\0h\0", json!({}));
    assert!(help.contains("`encoding: utf-16`"), "{help}");
    let (_, message, _) = refused(b"PK\x03\x04\xff\xff", json!({}));
    assert_eq!(message, "`t.csv` is a spreadsheet or an archive, not CSV");
    let (_, message, _) = refused(b"\xff\xfep\0h", json!({"encoding": "utf-16"}));
    assert_eq!(message, "`t.csv` is not UTF-16LE (line 1)", "half a character");
}

#[test]
fn rows_are_what_a_spreadsheet_means_by_them() {
    let text = "\u{feff}phone,name,note\r\n\r\n 05321234567 , Jane ,\"one\r\ntwo, \"\"three\"\"\"\r\n\"+90 532 123 45 67\",\"\",\r\n";
    let csv = table(&place(text), json!({}));
    let rows = json!([
        {"phone": "05321234567", "name": "Jane", "note": "one\r\ntwo, \"three\""},
        {"phone": "+90 532 123 45 67", "name": "", "note": ""},
    ]);
    assert_eq!(found(&csv, JANE), rows);
    // The same without a line break at its end.
    assert_eq!(found(&table(&place(text.trim_end()), json!({})), JANE), rows);
}

#[test]
fn columns_may_be_told_apart_by_another_character() {
    for (delimiter, between) in [(";", ";"), ("\t", "\t"), ("\\t", "\t"), ("tab", "\t"), ("|", "|"), (",", ",")] {
        let text = format!("name{between}phone\nJane{between}{JANE}\n");
        assert_eq!(names(&table(&place(text), json!({ "delimiter": delimiter })), JANE), ["Jane"], "{delimiter:?}");
    }
    for delimiter in [";;", "x", "\"", "'", " ", "\n", "é", "0"] {
        let (pointer, _, help) = refused("phone\n", json!({ "delimiter": delimiter }));
        assert_eq!(pointer, "/delimiter", "{delimiter:?}");
        assert!(help.contains("`tab`"), "{help}");
    }
}

#[test]
fn a_header_that_was_split_elsewhere_says_by_what() {
    for (text, help) in [
        ("name;phone\nJane;1\n", "its first line is `name;phone`: write `delimiter: \";\"`"),
        ("name;phone\nDoe, Jane;1\n", "its first line is `name;phone`: write `delimiter: \";\"`"),
        ("name\tphone\nJane\t1\n", "its first line is `name\\tphone`: write `delimiter: tab`"),
    ] {
        assert_eq!(refused(text, json!({})).2, help);
    }
    let (_, _, help) = refused("name,phone\nJane,1\n", json!({"delimiter": ";"}));
    assert_eq!(help, "its first line is `name,phone`: write `delimiter: \",\"`");
}

#[test]
fn a_file_without_header_line_has_the_columns_that_the_rules_name() {
    let header = json!({"header": ["name", "phone"]});
    let csv = table(&place("Jane,05321234567\nJohn,05321234567\n"), header.clone());
    assert_eq!(names(&csv, JANE), ["Jane", "John"]);
    let (pointer, message, _) = refused("1,Jane,05321234567\n", header.clone());
    assert_eq!(
        (pointer.as_str(), message.as_str()),
        ("/header", "the first row of `t.csv` has 3 fields, and this names 2")
    );
    let (_, _, help) = refused("Jane;05321234567\n", header.clone());
    assert!(help.ends_with("write `delimiter: \";\"`"), "{help}");
    let (pointer, message, _) = refused("name,phone\nJane,05321234567\n", header);
    assert_eq!(
        (pointer.as_str(), message.as_str()),
        ("/header", "the first line of `t.csv` names these columns itself")
    );
    let (pointer, message, _) = refused("1,2\n", json!({"header": ["phone", "phone"]}));
    assert_eq!((pointer.as_str(), message.as_str()), ("/header", "these are two columns named `phone`"));
}

#[test]
fn a_quote_that_is_not_closed_swallows_no_rows() {
    let text = "phone,name\n05321234567,Jane\n05321234568,\"John\n05321234569,Jim\n";
    let (pointer, message, _) = refused(text, json!({}));
    assert_eq!(
        (pointer.as_str(), message.as_str()),
        ("/file", "in `t.csv` a quote in the row of line 3 is not closed")
    );
}

#[test]
fn every_row_of_a_number_is_found_once_in_the_order_of_the_file() {
    let mut text = "name,phone,mobile\n".to_owned();
    // Enough of them that several threads read them.
    for row in 0..2_500 {
        text += &format!("other {row},+90212555{row:04},\n");
    }
    text += "c,0532 123 45 67,+905321234567\nb,,5321234567\na,+90 (532) 123-45-67,0212 555 00 07\n";
    let place = place(text);
    let (csv, faults) = compiled(place.path(), &json!({"file": "t.csv", "numbers": ["phone", "mobile"]})).unwrap();
    assert_eq!(faults, []);
    assert_eq!(names(&csv, JANE), ["c", "b", "a"]);
    assert_eq!(names(&csv, "+902125550007"), ["other 7", "a"]);
    assert_eq!(names(&csv, "+902125552499"), ["other 2499"]);
    for nobody in ["+905321234568", "+902125552500", "", "1001"] {
        assert_eq!(names(&csv, nobody), <[&str; 0]>::default(), "{nobody}");
    }
}

#[test]
fn rows_that_nobody_can_find_are_counted_over_all_threads() {
    let rows: String = (0..2_100).map(|row| if row % 1_000 == 1 { "?,\n" } else { "05321234567,\n" }).collect();
    let place = place(format!("phone,name\n{rows}"));
    let (_, faults) = compiled(place.path(), &json!({"file": "t.csv", "numbers": ["phone"]})).unwrap();
    assert_eq!(faults[0].message, "`t.csv` has 3 rows without a readable number (lines 3, 1003, 2003)");
}

#[test]
fn a_changed_file_takes_effect_as_soon_as_it_is_steady() {
    let place = place("phone,name\n05321234567,one\n");
    let (csv, file) = (table(&place, json!({})), place.path().join("t.csv"));
    let copy = csv.clone();
    assert_eq!((csv.refresh(), csv.refresh()), (None, None), "nothing has changed");
    fs::write(&file, "phone,name\n05321234567,first\n").unwrap();
    assert_eq!(csv.refresh(), None);
    fs::write(&file, "phone,name\n05321234567,second\n").unwrap();
    assert_eq!(csv.refresh(), None, "it changed once more");
    assert_eq!(names(&csv, JANE), ["one"]);
    assert_eq!(csv.refresh(), swapped(1));
    assert_eq!(csv.refresh(), None, "it is told once");
    assert_eq!(names(&csv, JANE), ["second"]);
    assert_eq!(names(&copy, JANE), ["second"], "copies share the table");
}

#[test]
fn a_file_may_be_replaced_in_every_way() {
    let place = place("phone,name\n05321234567,one\n");
    let (csv, file, other) = (table(&place, json!({})), place.path().join("t.csv"), place.path().join("t.new"));
    // By renaming another one of the same size and time.
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&other, "phone,name\n05321234567,two\n").unwrap();
    fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    fs::rename(&other, &file).unwrap();
    assert_eq!((two_looks(&csv), names(&csv, JANE)), (swapped(1), vec!["two".to_owned()]));
    // Deleted, and there again.
    fs::remove_file(&file).unwrap();
    let gone = two_looks(&csv).unwrap();
    assert!(gone.rows.unwrap_err().contains("can't be opened"));
    assert_eq!((csv.refresh(), names(&csv, JANE)), (None, vec!["two".to_owned()]));
    fs::write(&file, "phone,name\n05321234567,three\n").unwrap();
    assert_eq!((two_looks(&csv), names(&csv, JANE)), (swapped(1), vec!["three".to_owned()]));
    // As in Kubernetes: the file is a link through a directory that is a link, and that one is turned.
    for version in ["v1", "v2"] {
        fs::create_dir(place.path().join(version)).unwrap();
        fs::write(place.path().join(version).join("t.csv"), format!("phone,name\n05321234567,{version}\n")).unwrap();
    }
    symlink("v1", place.path().join("data")).unwrap();
    fs::remove_file(&file).unwrap();
    symlink("data/t.csv", &file).unwrap();
    assert_eq!((two_looks(&csv), names(&csv, JANE)), (swapped(1), vec!["v1".to_owned()]));
    symlink("v2", place.path().join("data.new")).unwrap();
    fs::rename(place.path().join("data.new"), place.path().join("data")).unwrap();
    assert_eq!((two_looks(&csv), names(&csv, JANE)), (swapped(1), vec!["v2".to_owned()]));
    // A link out of the rule directory is followed no more than at the start.
    let outside = self::place("phone,name\n05321234567,outside\n");
    fs::remove_file(&file).unwrap();
    symlink(outside.path().join("t.csv"), &file).unwrap();
    assert_eq!(
        (two_looks(&csv), names(&csv, JANE)),
        (kept("`t.csv` lies outside the rule directory"), vec!["v2".to_owned()])
    );
}

#[test]
fn a_broken_file_changes_nothing_until_it_is_mended() {
    let place = place("phone,name\n05321234567,one\n");
    let (csv, file) = (table(&place, json!({})), place.path().join("t.csv"));
    for (bytes, why) in [
        (&b""[..], "`t.csv` is empty"),
        (b"phone,name\n", "`t.csv` has no row with a readable number any more"),
        (b"phone,name\n?,Secret Canary\n", "`t.csv` has no row with a readable number any more"),
        (b"phone,name\n05321234567,Secret Canary\n05321", "`t.csv` line 3 has 1 field, its header has 2"),
        (b"phone,name\n05321234567,\"Secret Canary", "in `t.csv` a quote in the row of line 2 is not closed"),
        (b"phone\n05321234567\n", "`t.csv` has lost its column `name`"),
        (b"05321234567,Secret Canary\n", "`t.csv` has no column `phone`"),
        (b"name\nphone,phone\n", "`t.csv` line 2 has 2 fields, its header has 1"),
        (b"phone,name\n05321234567,Secret Canary\xff\n", "`t.csv` is not UTF-8 (line 2)"),
    ] {
        fs::write(&file, bytes).unwrap();
        assert_eq!(two_looks(&csv), kept(why));
        assert_eq!(csv.refresh(), None, "it is told once: {why}");
        assert_eq!(names(&csv, JANE), ["one"], "{why}");
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(two_looks(&csv).unwrap().rows.is_err());
    fs::remove_dir(&file).unwrap();
    fs::write(&file, "id,name,phone\n1,mended,05321234567\n2,,?\n").unwrap();
    let warning = Some("`t.csv` has a row without a readable number (line 3)".to_owned());
    assert_eq!(two_looks(&csv), Some(Refreshed { path: "t.csv".to_owned(), rows: Ok(2), warning }));
    assert_eq!(found(&csv, JANE), json!([{"id": "1", "name": "mended", "phone": "05321234567"}]), "a new column");
}

#[test]
fn a_question_sees_one_table_while_others_take_its_place() {
    let rows = |name: &str| format!("phone,name\n{}", format!("05321234567,{name}\n").repeat(50));
    let place = place(rows("old"));
    let (csv, file) = (table(&place, json!({})), place.path().join("t.csv"));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            loop {
                let names = names(&csv, JANE);
                assert_eq!(names.len(), 50);
                assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
                if names[0] == "last" {
                    return;
                }
            }
        });
        for name in ["a", "bb", "ccc", "last"] {
            fs::write(&file, rows(name)).unwrap();
            assert_eq!(two_looks(&csv), swapped(50));
        }
        asking.join().unwrap();
    });
}
