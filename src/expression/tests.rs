//! Expressions: their answers, what is refused, and that nothing they are given aborts or runs on.

use serde_json::{Value, json};

use super::{Expression, Scope};
use crate::problem::{Code, Fault};

/// Knows `crm`, `call` and `event`; of `table` that all its fields are texts, and that `table.nmae` is none of them.
#[derive(Debug)]
struct Known;

impl Scope for Known {
    fn fault(&self, name: &str, field: Option<&str>) -> Option<Fault> {
        let wrong = !["crm", "call", "event", "table"].contains(&name) || (name, field) == ("table", Some("nmae"));
        wrong.then(|| Fault::new(Code::TemplateName, "", name))
    }

    fn is_text(&self, name: &str, field: &str) -> bool {
        name == "table" && field != "count"
    }
}

fn compile(text: &str) -> Expression {
    Expression::compile(text, &Known).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn fault(text: &str) -> Fault {
    Expression::test(text, &Known).expect_err(text).remove(0)
}

fn values() -> Value {
    json!({
        "call": {"direction": "inbound", "user_id": null},
        "crm": {
            "name": "Ayşe", "balance": 12.5, "text": "12.5", "id": 1234, "vip": true, "none": null, "empty": "",
            "open": [], "tags": ["a", "b"], "ids": [1, 2, 3], "address": {"city": "İzmir"}, "large": i64::MAX,
            "all": [{"n": 1, "items": [1, 2]}, {"n": 2, "items": [3]}, {"items": []}],
        },
        "event": {"data": {"list": (0..800).collect::<Vec<_>>(), "text": "ş".repeat(100_000)}},
    })
}

#[test]
fn answers_are_those_of_cel() {
    for (text, expected) in [
        ("crm.balance > 0", true),
        ("crm.balance <= 12", false),
        ("crm.id == 1234 && crm.id == 1234.0", true),
        ("crm.balance * 2 == 25", true),
        ("7 / 2 == 3 && -7 % 2 == -1 && 7 / 2.0 == 3.5", true),
        ("crm.name == 'Ayşe' || false", true),
        ("crm.name != \"Ayşe\"", false),
        ("'a' < 'b' && 'b' >= 'b' && !('b' < 'a')", true),
        ("crm.vip", true),
        ("!crm.vip ? crm.id > 1 : crm.id > 5000", false),
        ("'a' in crm.tags && !('c' in crm.tags) && 2 in crm.ids && crm.name in ['Ali', 'Ayşe']", true),
        ("'city' in crm.address", true),
        ("crm.tags == ['a', 'b'] && crm.tags + ['c'] == ['a', 'b', 'c'] && crm.tags != ['b', 'a']", true),
        ("crm.all[0].n == 1 && crm['id'] == 1234 && crm.tags[1] == 'b'", true),
        ("size(crm.tags) == 2 && crm.name.size() == 4 && size(crm.address) == 1", true),
        ("double(crm.text) > 12 && int('42') == 42 && int(crm.balance) == 12 && string(crm.id) == '1234'", true),
        ("crm.name.startsWith('Ay') && crm.name.endsWith('şe') && crm.name.contains('y')", true),
        ("crm.all.exists(one, one.n == 2)", true),
        ("crm.ids.all(id, id > 0) && !crm.ids.all(id, id > 1)", true),
        ("crm.ids.exists_one(id, id > 2) && !crm.ids.exists_one(id, id > 1)", true),
        ("crm.ids.map(id, id * 2) == [2, 4, 6] && crm.ids.filter(id, id > 1) == [2, 3]", true),
        ("crm.ids.map(id, id > 1, id * 2) == [4, 6]", true),
        ("crm.all.exists(one, one.items.exists(item, item == crm.ids[2]))", true),
        ("crm.open.all(one, false) && !crm.open.exists(one, true)", true),
        ("crm.all.exists(crm, crm.n == 2)", true),
        ("'İ' + 'x' == 'İx'", true),
    ] {
        assert_eq!(compile(text).holds(&values()), Ok(expected), "{text}");
    }
}

#[test]
fn a_test_of_something_absent_is_false_and_says_what_is_absent() {
    for text in [
        "crm.blance > 0",
        "crm.none > 0",
        "crm.none == 5",
        "crm.none != 5",
        "!(crm.blance > 0)",
        "crm.blance",
        "!crm.blance",
        "crm.blance + 1 == 1",
        "-crm.blance < 1",
        "crm.blance in [1]",
        "1 in crm.blance",
        "size(crm.blance) == 0",
        "double(crm.blance) > 0",
        "crm.blance.startsWith('a')",
        "crm.name.startsWith(crm.blance)",
        "crm.blance.exists(one, true)",
        "crm.blance ? true : true",
        "crm.tags[5] == 'a'",
        "crm.tags[-1] == 'a'",
        "crm.name.first == 'A'",
        "crm.all.all(one, one.n > 0)",
        "crm.blance > 0 && crm.vip",
        "crm.vip && crm.blance > 0",
        "call.user_id > 5",
    ] {
        let why = compile(text).holds(&values()).unwrap_err();
        assert!(why.contains("absent"), "{text}: {why}");
        assert!(!text.contains("blance > 0") || why == "`crm.blance` is absent", "{text}: {why}");
    }
}

#[test]
fn whether_something_is_there_can_be_asked() {
    for (text, expected) in [
        ("has(crm.balance)", true),
        ("has(crm.blance)", false),
        ("has(crm.none)", false),
        ("has(crm.blance.amount)", false),
        ("crm.none == null && crm.blance == null && null == crm.blance", true),
        ("crm.balance != null && crm.blance != null", false),
        ("has(crm.blance) && crm.blance > 0", false),
        ("!has(crm.blance) || crm.blance > 0", true),
        ("crm.blance > 0 || crm.vip", true),
        ("crm.vip || crm.blance > 0", true),
        ("crm.blance > 0 && false", false),
        ("crm.all.exists(one, one.n > 1)", true),
    ] {
        assert_eq!(compile(text).holds(&values()), Ok(expected), "{text}");
    }
}

#[test]
fn values_of_kinds_that_do_not_fit_are_told_and_never_converted() {
    for (text, expected) in [
        ("crm.text > 0", "`>` compares a text with a number: double(crm.text) reads a text as a number"),
        ("0 == crm.text", "`==` compares a number with a text: double(crm.text) reads a text as a number"),
        ("crm.text != 0", "`!=` compares a text with a number: double(crm.text) reads a text as a number"),
        ("crm.id in ['1', '2']", "`in` joins a number with a text: double(…) reads a text as a number"),
        ("crm.text + 1 == 13.5", "`+` joins a text with a number: double(crm.text) reads a text as a number"),
        ("crm.vip > 0", "`>` compares true or false with a number"),
        ("crm.tags < crm.tags", "`<` compares a list with a list"),
        ("crm.name && true", "`crm.name` is a text, not true or false"),
        ("crm.id", "it is a number, not true or false"),
        ("crm.name.exists(one, true)", "`crm.name` is a text, not a list"),
        ("crm.id.contains('1')", "`crm.id` is a number, not a text"),
        ("double(crm.name) > 0", "double(crm.name) can't read the text as a number"),
        ("double('inf') > 0 || double('nan') > 0", "double(…) can't read the text as a number"),
        ("int(crm.text) > 0", "int(crm.text) can't read the text as a number"),
        ("int(crm.balance * 1e300) > 0", "a number is too large"),
        ("crm.large + 1 > 0", "a number is too large"),
        ("-(-crm.large - 1) > 0", "a number is too large"),
        ("(-crm.large - 1) / -1 > 0", "a number is too large"),
        ("(-crm.large - 1) % -1 == 0", "a number is too large"),
        ("crm.id / 0 > 1", "a number is divided by 0"),
        ("crm.id % 0 > 1", "a number is divided by 0"),
        ("crm.balance / 0 > 1", "a number is too large"),
        ("crm.tags[crm.vip] == 'a'", "what stands in `[…]` is true or false"),
    ] {
        assert_eq!(compile(text).holds(&values()), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn a_value_that_is_not_empty_is_there() {
    for (text, expected) in [
        ("crm.all[0].n", true),
        ("crm.ids.filter(id, id > 2)", true),
        ("crm.ids.filter(id, id > 3)", false),
        ("crm.vip ? crm.name : ''", true),
        ("crm.vip ? crm.empty : 'a'", false),
        ("crm['blance']", false),
        ("crm.id > 5000", false),
    ] {
        assert_eq!(compile(text).is_there(&values()), Ok(expected), "{text}");
    }
}

#[test]
fn a_text_that_is_no_expression_says_where() {
    for (text, expected, help) in [
        ("crm.a = 1", "not allowed at character 7", "`==`"),
        ("crm.a > 1 and crm.b", "not allowed at character 11", "`&&`"),
        ("crm.a or crm.b", "not allowed at character 7", "`||`"),
        ("not crm.a", "not allowed at character 5", "`!`"),
        ("crm.a >", "something is missing at its end", "for example"),
        ("(crm.a > 1", "something is missing at its end", "double quotes"),
        ("crm.name == 'ş' &| crm.a", "character 17", "`&&`"),
        ("crm.name == 'open", "character 13", "for example"),
        ("crm.name == ‘open’", "character 13", "straight quotes"),
        ("crm.a\n  >> 1", "character 10", "for example"),
        ("has(crm)", "not allowed at character", "for example"),
        ("", "something is missing at its end", "for example"),
        ("99999999999999999999 > 1", "character 1", "for example"),
    ] {
        let fault = fault(text);
        assert_eq!(fault.code, Code::Expression, "{text}");
        let help_found = fault.help.clone().unwrap_or_default();
        assert!(fault.message.contains(expected) && help_found.contains(help), "{text}: {fault:?}");
    }
}

#[test]
fn names_functions_and_kinds_are_checked_before_any_call_comes() {
    for (text, code, expected) in [
        ("cmr.a > 1", Code::TemplateName, "cmr"),
        ("table.nmae == 'a'", Code::TemplateName, "table"),
        ("has(table.nmae)", Code::TemplateName, "table"),
        ("table['nmae'] == 'a'", Code::TemplateName, "table"),
        ("crm.all.exists(one, one.a == two)", Code::TemplateName, "two"),
        ("crm.all.exists(one, true) && one.a", Code::TemplateName, "one"),
        (".crm.a == 1", Code::TemplateName, "crm"),
        ("crm.name.matches('a+')", Code::Expression, "no function `matches`"),
        ("timestamp(crm.at) > 1", Code::Expression, "no function `timestamp`"),
        ("len(crm.all) > 1", Code::Expression, "no function `len`"),
        ("startsWith(crm.a, 'a')", Code::Expression, "`startsWith` is not called in this way"),
        ("crm.a.double() > 1", Code::Expression, "`double` is not called in this way"),
        ("size(crm.a, 1) > 1", Code::Expression, "`size` is not called in this way"),
        ("crm.all.exists(true)", Code::Expression, "`exists` is not written in this way"),
        ("{'a': 1}['a'] == 1", Code::Expression, "can't be written"),
        ("Msg{a: 1} == 1", Code::Expression, "can't be written"),
        ("b'a' == crm.a", Code::Expression, "bytes"),
        ("crm.id + 1", Code::Expression, "this is a number"),
        ("crm.a - crm.b", Code::Expression, "this is a number"),
        ("1 + 1", Code::Expression, "this is a number"),
        ("'true'", Code::Expression, "this is a text"),
        ("[true]", Code::Expression, "this is a list"),
        ("crm.ids.map(id, id > 1)", Code::Expression, "this is a list"),
        ("table.balance > 0", Code::Expression, "`>` compares a text with a number"),
        ("table.balance * 2 > 0", Code::Expression, "`*` joins a text with a number"),
        ("crm.a && crm.b == (1 == '1')", Code::Expression, "`==` compares a number with a text"),
    ] {
        let fault = fault(text);
        assert!(fault.code == code && fault.message.contains(expected), "{text}: {fault:?}");
        assert!(code == Code::TemplateName || fault.help.is_some(), "{text}");
    }
    let mentioned = compile("crm.all.exists(one, one.a == event.data.b) || has(call.user_id)").mentions().clone();
    assert_eq!(mentioned.into_iter().collect::<Vec<_>>(), ["call", "crm", "event"]);
}

#[test]
fn what_is_nested_too_deep_is_refused_before_it_exhausts_the_stack() {
    for text in [
        format!("{}true{}", "(".repeat(400), ")".repeat(400)),
        "(".repeat(1000),
        "[".repeat(1000),
        "crm.a[".repeat(150),
        "!".repeat(1000),
        format!("1{} > 1", "+1".repeat(400)),
        format!("crm{} == 1", ".a".repeat(400)),
        format!("crm.a{} == 1", "[0]".repeat(300)),
        format!("{}true", "true?true:".repeat(95)),
        format!("{}true{}", "crm.a?(".repeat(100), "):true".repeat(40)),
        format!("crm.a{} == 1", ".size()".repeat(130)),
        format!("crm.a == {}", "'".repeat(900)),
        format!("{}1{}", "crm.all.map(a,".repeat(60), ")".repeat(60)),
        "crm.a.all(a, crm.a.all(b, crm.a.all(c, true)))".to_owned(),
        "crm.a.all(a, crm.a.all(b, true).map(c, c))".replace("true)", "b.map(d, d) == [])"),
        format!("'{}' == crm.a", "x".repeat(1000)),
        "\"[{`\\'".repeat(140),
        "?:".repeat(500),
    ] {
        assert_eq!(fault(&text).code, Code::Expression, "{text}");
    }
    // The parser drops two of them at a time.
    assert!(compile(&format!("{}true", "!".repeat(900))).holds(&values()).is_ok());
    assert!(compile(&format!("{}1 < 2", "-".repeat(900))).holds(&values()).is_ok());
    let most = format!("crm.a == 1{}", " || crm.a == 2".repeat(60));
    assert_eq!(compile(&most).holds(&values()).unwrap_err(), "`crm.a` is absent");
}

#[test]
fn an_answer_that_takes_too_long_ends_at_a_limit() {
    for text in [
        "event.data.list.all(a, event.data.list.all(b, a + b >= 0))",
        "event.data.list.map(a, event.data.list.map(b, b)).size() > 0",
        "event.data.list.all(a, (event.data.list + event.data.list + event.data.list) == [] || true)",
        "event.data.list.all(a, event.data.text.contains('a') || true)",
        "event.data.list.all(a, event.data.text == event.data.text)",
        "event.data.list.all(a, size(event.data.text) > 0)",
        "event.data.list.all(a, a in event.data.list)",
        "event.data.list.all(a, event.data == event.data)",
        "event.data.list.all(a, event.data.list.exists(b, false) || true)",
    ] {
        assert_eq!(compile(text).holds(&values()).unwrap_err(), "it took more than 250000 steps", "{text}");
    }
    let doubled = "['x'].map(a, a + a + a + a + a + a + a + a).map(a, a + a + a + a + a + a + a + a)".to_owned();
    let doubled = format!("{doubled}{}.size() > 0", ".map(a, a + a + a + a + a + a + a + a)".repeat(8));
    assert!(compile(&doubled).holds(&values()).unwrap_err().contains("grew beyond"));
    let hundred = json!({"crm": {"all": (0..100).collect::<Vec<_>>()}});
    assert_eq!(compile("crm.all.all(a, crm.all.all(b, a == b || a != b))").holds(&hundred), Ok(true));
}

/// Texts from pieces of the language, the same ones in each run.
fn random_texts(count: usize) -> impl Iterator<Item = String> {
    const PIECES: [&str; 52] = [
        "crm",
        ".all",
        ".name",
        ".balance",
        ".id",
        ".none",
        ".tags",
        ".address",
        "event",
        ".data",
        ".list",
        "[0]",
        "['a']",
        "(",
        ")",
        "[",
        "]",
        "'a'",
        "'ş'",
        "1",
        "0",
        "-1",
        "2.5",
        "9223372036854775807",
        "null",
        "true",
        "false",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " == ",
        " != ",
        " < ",
        " >= ",
        " in ",
        " && ",
        " || ",
        "!",
        " ? ",
        " : ",
        "size(",
        "double(",
        "int(",
        "string(",
        ".exists(a, ",
        ".map(a, ",
        ".filter(a, ",
        "a",
        "has(crm",
        ".contains('a')",
    ];
    let mut random = fastrand::Rng::with_seed(20_260_302);
    (0..count).map(move |_| {
        let pieces = 1 + random.usize(..12);
        let text: String = (0..pieces).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
        // Brackets are closed, so that more of the texts can be read.
        let open = text.matches('(').count().saturating_sub(text.matches(')').count());
        text + &")".repeat(open)
    })
}

#[test]
fn no_text_aborts_whether_it_can_be_read_or_not() {
    let values = values();
    let (mut readable, mut answered) = (0, 0);
    for text in random_texts(60_000) {
        let Ok(expression) = Expression::compile(&text, &Known) else { continue };
        readable += 1;
        answered += usize::from(expression.holds(&values).is_ok());
        assert_eq!(expression.holds(&values), expression.holds(&values), "{text}");
        _ = expression.is_there(&json!({}));
    }
    assert!(readable > 1000 && answered > 50, "{readable} readable, {answered} answered");
}
