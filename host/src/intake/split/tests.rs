//! What counts as a record, and that nothing else does.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::{BufReader, Write};

const NO_LIMIT: usize = 1024 * 1024;

fn records(text: impl AsRef<[u8]>) -> Vec<String> {
    found(text.as_ref(), NO_LIMIT).into_iter().map(|found| text_of(found.body)).collect()
}

/// Read in pieces of five bytes, so that every pattern meets the end of one.
fn found(text: &[u8], record_bytes_max: usize) -> Vec<Found> {
    let in_pieces = Records::new(BufReader::with_capacity(5, text), record_bytes_max);
    let in_pieces: Vec<_> = in_pieces.collect::<io::Result<_>>().expect("memory can be read");
    let at_once: Vec<_> = Records::new(text, record_bytes_max).collect::<io::Result<_>>().expect("memory can be read");
    assert_eq!(in_pieces, at_once);
    at_once
}

fn text_of(body: Option<Bytes>) -> String {
    body.map_or("too large".to_owned(), |body| String::from_utf8_lossy(&body).into_owned())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

#[test]
fn nothing_holds_no_record() {
    for text in ["", " \r\n\t\n", "\u{feff}", "\u{feff}\n", "[]", "[\n]\n[ ]"] {
        assert_eq!(records(text), [""; 0], "{text:?}");
    }
}

#[test]
fn each_line_is_a_record() {
    assert_eq!(records("{\"a\":1}\r\n\r\n  {\"b\":2} \n{}"), [r#"{"a":1}"#, r#"{"b":2}"#, "{}"]);
    assert_eq!(records("\u{feff}{\"a\":1}\n1\n[2]\nnull\n"), [r#"{"a":1}"#, "1", "[2]", "null"]);
}

#[test]
fn a_broken_line_costs_no_other() {
    assert_eq!(records("{\"a\":1}\n{\"b\":\n{\"c\":3}\n"), [r#"{"a":1}"#, r#"{"b":"#, r#"{"c":3}"#]);
    assert_eq!(records("{\"a\" 1}\n{\"b\":2}\n"), [r#"{"a" 1}"#, r#"{"b":2}"#]);
    assert_eq!(records("not json\n{\"b\":2}\n"), ["not json", r#"{"b":2}"#]);
}

#[test]
fn two_objects_on_one_line_are_one_record() {
    assert_eq!(records("{\"a\":1}{\"b\":2}\n{}\n"), [r#"{"a":1}{"b":2}"#, "{}"]);
}

#[test]
fn a_first_line_that_is_torn_is_told_by_the_lines_after_it() {
    for torn in [r#"{"a":"#, r#"{"a":"x"#, r#"{"a":[{"#, r#"{"a":{"b":1},"#, "\"a", "tru"] {
        assert_eq!(records(format!("{torn}\n{{\"b\":2}}\n{{\"c\":3}}\n")), [torn, r#"{"b":2}"#, r#"{"c":3}"#]);
    }
    assert_eq!(records(r#"{"a":"#), [r#"{"a":"#]);
}

#[test]
fn a_document_over_many_lines_is_one_record() {
    let one = "{\n  \"a\": [\n    {}\n  ],\n\"b\":\n{\"c\":1}\n}";
    assert_eq!(records(one), [one]);
    assert_eq!(records(format!("\u{feff}\n{one}\n{one} {one}\n{{\"b\":2}}\n")), [one, one, one, r#"{"b":2}"#]);
}

/// The sample on the vendor's page lacks a comma. The mapping can say where only if it gets the whole text.
#[test]
fn the_vendors_broken_sample_is_one_record() {
    for indent in ["", "  "] {
        let sample = include_str!("fixtures/vendor_sample.json").trim().replace('\n', &format!("\n{indent}"));
        assert!(!is_json(sample.as_bytes()));
        assert_eq!(records(&sample), [sample.as_str()]);
        assert_eq!(records(format!("{sample}\n{sample}\n")), [sample.as_str(), sample.as_str()]);
    }
}

#[test]
fn each_element_of_an_array_is_a_record() {
    assert_eq!(
        records(r#" [ {"a":[1,"]"]} , 2, "x,y" ,null,[3]] "#),
        [r#"{"a":[1,"]"]}"#, "2", "\"x,y\"", "null", "[3]"]
    );
    assert_eq!(
        records("[{\"a\":1}]\n[{\"b\":2},\n{\"c\":3}]\n{\"d\":4}\n"),
        [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#, r#"{"d":4}"#]
    );
}

#[test]
fn a_broken_element_costs_as_little_as_can_be() {
    assert_eq!(records(r#"[{"a":[1},{"b":2}]"#), [r#"{"a":[1}"#, r#"{"b":2}"#]);
    assert_eq!(records(r#"[{"a":1},{"b":"#), [r#"{"a":1}"#, r#"{"b":"#]);
    assert_eq!(records("[{\"a\":\"x},\n{\"b\":2}]"), ["{\"a\":\"x},\n{\"b\":2}"]);
}

/// Records may be missing where the fault is, so it is one more, which the mapping refuses.
#[test]
fn a_fault_between_the_elements_of_an_array_is_a_record_that_is_not_json() {
    let a = r#"{"a":1}"#;
    let check = |text: &str, expected: &[(u64, u64, &str)]| {
        let found = found(text.as_bytes(), NO_LIMIT).into_iter();
        let found: Vec<_> = found.map(|found| (found.line, found.column, text_of(found.body))).collect();
        let found: Vec<_> = found.iter().map(|(line, column, body)| (*line, *column, body.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    };
    check("[{\"a\":1},\n", &[(1, 2, a), (2, 1, "")]);
    check("[{\"a\":1}", &[(1, 2, a), (1, 9, "")]);
    check("[", &[(1, 2, "")]);
    check("[1 ", &[(1, 2, "1"), (1, 4, "")]);
    check("[{\"a\":1} {\"a\":1}]", &[(1, 2, a), (1, 10, ""), (1, 10, a)]);
    check("[{\"a\":1},,{\"a\":1}]", &[(1, 2, a), (1, 10, ","), (1, 11, a)]);
    check("[{\"a\":1},\n]", &[(1, 2, a), (2, 1, "]")]);
    check("[,]", &[(1, 2, ",")]);
    check("[ , {\"a\":1}]\n{\"a\":1}", &[(1, 3, ","), (1, 5, a), (2, 1, a)]);
    check("[1}]", &[(1, 2, "1}")]);
    check("[{\"a\":1}]]", &[(1, 2, a), (1, 10, "]")]);
}

#[test]
fn an_array_of_many_faults_tells_the_first() {
    assert_eq!(records(format!("[{}]", ",".repeat(1_000))), [","]);
    assert_eq!(records(format!("[{}", "{}".repeat(3))), ["{}", "", "{}", "{}"]);
    assert_eq!(records("[,][,]"), [",", ","]);
}

#[test]
fn a_place_is_counted_from_the_beginning() {
    let places = |text: &str, record_bytes_max| -> Vec<_> {
        found(text.as_bytes(), record_bytes_max).iter().map(|found| (found.index, found.line)).collect()
    };
    assert_eq!(places("\n{\"a\":1}\n\n{\"b\":2}", NO_LIMIT), [(0, 2), (1, 4)]);
    assert_eq!(places("[\n{\"a\":1},\n{\n\"b\":2}\n,3]", NO_LIMIT), [(0, 2), (1, 3), (2, 5)]);
    assert_eq!(places("{\n}\n{\n\"a\":1}", NO_LIMIT), [(0, 1), (1, 3)]);
    assert_eq!(places("{\"a\":\n{\"b\":2}\n{\"c\":3}", NO_LIMIT), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(places("{\"a\":\n{\"b\":2}\n{\"c\":3}", 8), [(0, 1), (1, 2), (2, 3)]);
}

/// The place leads back to the record, whatever was read ahead and put back.
#[test]
fn a_column_is_counted_in_bytes() {
    let places = |text: &str, record_bytes_max| -> Vec<_> {
        found(text.as_bytes(), record_bytes_max).iter().map(|found| (found.line, found.column)).collect()
    };
    assert_eq!(places("\u{feff} {\"\u{e9}\":1}\n\n  {}", NO_LIMIT), [(1, 5), (3, 3)]);
    assert_eq!(places("[{\"\u{e9}\":1}, 2,\n 3]", NO_LIMIT), [(1, 2), (1, 12), (2, 2)]);
    assert_eq!(places(" {\n} {\n}\n  {}", NO_LIMIT), [(1, 2), (2, 3), (4, 3)]);
    assert_eq!(places(" {\"a\":\n{\"b\":2}\n {}", NO_LIMIT), [(1, 2), (2, 1), (3, 2)]);
    assert_eq!(places(" {\"a\":\n{\"b\":2}\n {}", 8), [(1, 2), (2, 1), (3, 2)]);
    assert_eq!(places(" {\n\"a\":12345} {}", 9), [(1, 2), (2, 12)]);
}

#[test]
fn a_record_that_is_too_large_is_passed_over() {
    let (fits, large) = (r#"{"a":12}"#, r#"{"a":123}"#);
    let limit = fits.len();
    for (open, between, close) in [("", "\n", ""), ("", "\r\n", "\r\n"), ("[", ",", "]"), ("[", "\n,\n", "\n]")] {
        let many = vec![large; 50].join(if open.is_empty() { "" } else { "," });
        let text = [fits, large, fits, &many, fits].join(between);
        let mut expected = vec![fits, "too large", fits];
        // In an array each object counts by itself, on a line all of them together.
        expected.extend(vec!["too large"; if open.is_empty() { 1 } else { 50 }]);
        expected.push(fits);
        let bodies: Vec<_> = found(format!("{open}{text}{close}").as_bytes(), limit)
            .into_iter()
            .map(|found| text_of(found.body))
            .collect();
        assert_eq!(bodies, expected, "{text:?}");
    }
}

#[test]
fn a_document_that_is_too_large_is_passed_over() {
    let (fits, large) = ("{\n\"a\":12}", "{\n\"a\":123}");
    let bodies: Vec<_> = found(format!("{fits}\n{large}\n{fits}\n").as_bytes(), fits.len())
        .into_iter()
        .map(|found| text_of(found.body))
        .collect();
    assert_eq!(bodies, [fits, "too large", fits]);
}

#[test]
fn a_torn_first_line_before_more_than_fits_costs_only_itself() {
    let lines = "{\"b\":2}\n".repeat(1_000);
    let found = found(format!("{{\"a\":\n{lines}").as_bytes(), 64);
    assert_eq!(found.len(), 1_001);
    assert!(found.iter().skip(1).all(|found| found.body.as_deref() == Some(br#"{"b":2}"#)));
}

#[test]
fn a_line_without_an_end_takes_no_memory() {
    let endless = io::repeat(b'x').take(4 * 1024 * 1024);
    let found: Vec<_> = Records::new(BufReader::new(endless), 100).collect::<io::Result<_>>().expect("a stream");
    assert_eq!(found, [Found { index: 0, line: 1, column: 1, body: None }]);
}

#[test]
fn what_is_compressed_is_read_like_what_is_not() {
    let lines = b"{\"a\":1}\n{\"b\":2}\n".as_slice();
    for stream in [lines.to_vec(), gzip(lines), [gzip(b"{\"a\":1}\n"), gzip(b"{\"b\":2}\n")].concat()] {
        let records: Vec<_> = Records::new(open(stream.as_slice()).expect("memory"), NO_LIMIT)
            .collect::<io::Result<_>>()
            .expect("memory");
        assert_eq!(
            records.into_iter().map(|found| text_of(found.body)).collect::<Vec<_>>(),
            [r#"{"a":1}"#, r#"{"b":2}"#]
        );
    }
    for short in [b"".as_slice(), b"{", b"\x1f"] {
        assert!(Records::new(open(short).expect("memory"), NO_LIMIT).all(|found| found.is_ok()));
    }
}

#[test]
fn a_stream_that_breaks_off_is_an_error_after_what_was_read() {
    let mut stream = gzip("{\"a\":1}\n".repeat(10_000).as_bytes());
    stream.truncate(stream.len() / 2);
    let mut records = Records::new(open(stream.as_slice()).expect("memory"), NO_LIMIT);
    assert!(records.by_ref().take_while(Result::is_ok).count() > 0);
    assert!(records.next().is_none(), "an error ends it");
}

/// Whoever is told at a glance is told the same as by reading.
fn is_told_rightly(text: &[u8], record_bytes_max: usize) -> bool {
    let whole = whole(&Bytes::copy_from_slice(text), record_bytes_max);
    whole.is_none_or(|whole| found(text, record_bytes_max) == [whole])
}

#[test]
fn one_object_is_told_at_a_glance() {
    let pretty = include_str!("fixtures/vendor_sample.json").replace("Zhang San\"", "Zhang San\",");
    for text in ["{}", " \n\u{feff}\r\n {\"a\":[{}]}\t\r\n\r\n", "{not json}", "{\"a\":\"\\u00", pretty.as_str()] {
        let found = found(text.as_bytes(), NO_LIMIT);
        let whole = whole(&Bytes::copy_from_slice(text.as_bytes()), NO_LIMIT);
        assert_eq!(whole.as_slice(), if text.ends_with("00") { &[] } else { found.as_slice() }, "{text}");
    }
}

#[test]
fn what_is_not_one_object_is_not_taken_for_one() {
    for text in ["", "[]", "[{}]", "{}\n{}", "{\"a\":\n{}", "{\n}{}", "1", "{\"\\u\"}}", "{\"\\u\"}x"] {
        assert_eq!(whole(&Bytes::copy_from_slice(text.as_bytes()), NO_LIMIT), None, "{text}");
        assert!(is_told_rightly(text.as_bytes(), NO_LIMIT));
    }
    assert_eq!(whole(&Bytes::from_static(b"{}   "), 4), None);
    assert!(whole(&Bytes::from_static(b"{}  "), 4).is_some());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into)
    ];
    scalar.prop_recursive(4, 32, 4, |inner| {
        let object = prop::collection::btree_map(any::<String>(), inner.clone(), 0..4)
            .prop_map(|members| members.into_iter().collect());
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Into::into), object]
    })
}

fn objects() -> impl Strategy<Value = Vec<serde_json::Value>> {
    let object = prop::collection::btree_map(any::<String>(), json(), 0..4)
        .prop_map(|members| serde_json::Value::Object(members.into_iter().collect()));
    prop::collection::vec(object, 0..8)
}

fn holds_broken(text: &[u8]) -> bool {
    found(text, NO_LIMIT).into_iter().any(|found| !is_json(&found.body.expect("no limit")))
}

/// Of which texts are made that are nearly JSON.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"{}",
    b"[",
    b"]",
    b"\"",
    b"\"a\":",
    b":",
    b",",
    b"1",
    b"true",
    b"tru",
    b"-",
    b"\\",
    b"\\u",
    b"\\u00",
    b"\\\"",
    b" ",
    b"\n",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x00",
    b"x",
];

proptest! {
    #[test]
    fn lines_give_the_records_back(objects in objects(), line_break in "\r?\n{1,2}") {
        let lines: Vec<_> = objects.iter().map(ToString::to_string).collect();
        prop_assert_eq!(records(lines.join(&line_break)), lines);
    }

    #[test]
    fn an_array_gives_its_elements_back(elements in prop::collection::vec(json(), 0..8)) {
        let compact: Vec<_> = elements.iter().map(ToString::to_string).collect();
        prop_assert_eq!(records(format!("[{}]", compact.join(","))), compact);
        let read: Vec<serde_json::Value> = records(format!("{:#}", serde_json::Value::from(elements.clone()))).iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
        prop_assert_eq!(read, elements);
    }

    #[test]
    fn an_array_that_is_cut_holds_a_record_that_is_not_json(objects in objects(), cut in any::<prop::sample::Index>(), is_pretty in any::<bool>()) {
        let array = serde_json::Value::from(objects);
        let text = if is_pretty { format!("{array:#}") } else { array.to_string() };
        let length = 1 + cut.index(text.len() - 1);
        prop_assert!(holds_broken(&text.as_bytes()[..length]));
    }

    #[test]
    fn an_array_with_a_fault_holds_a_record_that_is_not_json(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..24)) {
        let text = [b"[".as_slice(), &tokens.concat(), b"]"].concat();
        let is_sound = serde_json::Deserializer::from_slice(&text).into_iter::<IgnoredAny>().all(|text| text.is_ok());
        prop_assert!(is_sound || holds_broken(&text), "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn an_array_with_commas_amiss_holds_a_record_that_is_not_json(parts in prop::collection::vec(prop::sample::select(&["{}", "{\"a\":[1,{}]}", ",", " ", "\n"][..]), 0..24), is_closed in any::<bool>()) {
        let text = format!("[{}{}", parts.concat(), if is_closed { "]" } else { "" });
        prop_assert_eq!(!is_json(text.as_bytes()), holds_broken(text.as_bytes()), "{:?}", text);
        let objects: Vec<_> = parts.into_iter().filter(|part| part.starts_with('{')).collect();
        let found: Vec<_> = records(&text).into_iter().filter(|body| is_json(body.as_bytes())).collect();
        prop_assert_eq!(found, objects);
    }

    #[test]
    fn documents_give_the_records_back(objects in objects()) {
        let documents: Vec<_> = objects.iter().map(|object| format!("{object:#}")).filter(|document| document.contains('\n')).collect();
        prop_assert_eq!(records(documents.join("\n")), documents);
    }

    #[test]
    fn no_bytes_break_it_and_no_record_is_larger_than_allowed(bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(b','), Just(b'1'), any::<u8>()], 0..200), limit in 0..40_usize) {
        for found in found(&bytes, limit) {
            prop_assert!(found.body.is_none_or(|body| body.len() <= limit));
        }
    }

    #[test]
    fn every_record_is_found_at_its_place(bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(b' '), Just(b','), any::<u8>()], 0..200), limit in 0..40_usize) {
        for found in found(&bytes, limit) {
            let line = bytes.split_inclusive(|byte| *byte == b'\n').take(usize::try_from(found.line).expect("few") - 1).map(<[u8]>::len).sum::<usize>();
            let at = line + usize::try_from(found.column).expect("few") - 1;
            if let Some(body) = found.body {
                prop_assert!(bytes[at..].starts_with(&body));
            }
        }
    }

    #[test]
    fn a_glance_agrees_with_reading(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..24), limit in prop_oneof![0..40_usize, Just(NO_LIMIT)]) {
        let text = tokens.concat();
        prop_assert!(is_told_rightly(&text, limit));
        let enclosed = [b"{".as_slice(), &text, b"}"].concat();
        prop_assert!(is_told_rightly(&enclosed, limit));
    }

    #[test]
    fn a_glance_agrees_with_reading_json(objects in objects(), is_pretty in any::<bool>(), separator in "[ \n]{0,2}") {
        let text = |object: &serde_json::Value| if is_pretty { format!("{object:#}") } else { object.to_string() };
        prop_assert!(objects.iter().all(|object| is_told_rightly(text(object).as_bytes(), NO_LIMIT)));
        let all: Vec<_> = objects.iter().map(text).collect();
        prop_assert!(is_told_rightly(all.join(&separator).as_bytes(), NO_LIMIT));
    }

    /// Outside of arrays, in which commas and brackets are not part of a record, every byte that is not blank comes out.
    #[test]
    fn nothing_is_lost(bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(b':'), Just(b'1')], 0..200)) {
        let visible = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
        let bodies: Vec<u8> = found(&bytes, NO_LIMIT).into_iter().flat_map(|found| found.body.expect("no limit")).collect();
        prop_assert_eq!(visible(&bodies), visible(&bytes));
    }
}

/// In a queue each record counts for its own bytes.
#[test]
fn a_record_that_is_a_small_part_of_its_text_holds_on_to_none_of_it() {
    let shares = |text: String| {
        let text = Bytes::from(text);
        let records = whole(&text, NO_LIMIT).into_iter().flat_map(|found| concatenated(found, 10));
        let within = |body: Bytes| text.as_ptr_range().contains(&body.as_ptr());
        records.filter_map(|found| found.body).map(within).collect::<Vec<_>>()
    };
    let record = r#"{"a":1}"#;
    assert_eq!(shares(record.to_owned()), [true]);
    assert_eq!(shares(format!("{}{record}", " ".repeat(7))), [true], "half of it");
    assert_eq!(shares(format!("{}{record}", " ".repeat(9))), [false]);
    assert_eq!(shares(record.repeat(3)), [false; 3]);
}
