//! What each reader makes of well-formed and of broken files.

#[cfg(test)]
mod support;

use std::io::{self, Read};

use loquat_data::{DataError, Fault, ReaderFormat, Record, read_records, read_records_from};
use serde_json::{Value, json};
use support::{Folder, codecs, gzip, parquet, zstd};

struct Case {
    name: &'static str,
    file: &'static str,
    bytes: &'static [u8],
    /// Line and value of each record.
    expected: Vec<(u64, Value)>,
}

fn cases() -> Vec<Case> {
    let case = |name, file, bytes, expected| Case { name, file, bytes, expected };
    vec![
        case(
            "jsonl with a mark, blank lines and no last line feed",
            "a.jsonl",
            b"\xef\xbb\xbf{\"text\":\"one\"}\r\n\n  \n{\"text\":\"two\",\"n\":2}",
            vec![(1, json!({"text": "one"})), (4, json!({"text": "two", "n": 2}))],
        ),
        case(
            "csv with quotes, doubled quotes, separators and line breaks in fields",
            "a.csv",
            b"\xef\xbb\xbftext, label \n\"a, \"\"b\"\"\nc\",x\n\nplain \"quote\",\n",
            vec![
                (2, json!({"text": "a, \"b\"\nc", "label": "x"})),
                (5, json!({"text": "plain \"quote\"", "label": ""})),
            ],
        ),
        case(
            "csv with carriage returns",
            "a.csv",
            b"text,label\r\n\"a\",x\r\nb,\"y\"\r\n",
            vec![(2, json!({"text": "a", "label": "x"})), (3, json!({"text": "b", "label": "y"}))],
        ),
        case(
            "tsv",
            "a.tsv",
            b"text\tlabel\na, b\tx\n\"tab\there\"\ty\n",
            vec![(2, json!({"text": "a, b", "label": "x"})), (3, json!({"text": "tab\there", "label": "y"}))],
        ),
        case("csv with a header only", "a.csv", b"text,label\n", vec![]),
        case(
            "conll with tabs, comments, key comments and a document mark",
            "a.conll",
            b"-DOCSTART-\tO\n\n# id = s1\n# a remark\nNew\tB-LOC\nYork\tI-LOC\n#\tO\n\n\n! NN x O\n",
            vec![
                (3, json!({"id": "s1", "tokens": ["New", "York", "#"], "tags": ["B-LOC", "I-LOC", "O"]})),
                (10, json!({"tokens": ["!"], "tags": ["O"]})),
            ],
        ),
        case(
            "conll with spaces keeps a number sign with its tag",
            "a.conll",
            b"New B-LOC\r\n# O\r\n\r\nYork  O\r\n",
            vec![
                (1, json!({"tokens": ["New", "#"], "tags": ["B-LOC", "O"]})),
                (4, json!({"tokens": ["York"], "tags": ["O"]})),
            ],
        ),
        case("conll without tags", "a.conll", b"New\nYork\n", vec![(1, json!({"tokens": ["New", "York"]}))]),
        case(
            "plain lines",
            "a.txt",
            "eins\r\n\nzwei ü".as_bytes(),
            vec![(1, json!({"text": "eins"})), (2, json!({"text": ""})), (3, json!({"text": "zwei ü"}))],
        ),
        case("an empty file", "a.jsonl", b"", vec![]),
    ]
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn records(file: &std::path::Path) -> Vec<(u64, Value)> {
    let read: Result<Vec<Record>, DataError> = read_records(Some(file), None).unwrap().collect();
    read.unwrap().into_iter().map(|record| (record.line, Value::Object(record.value))).collect()
}

#[test]
fn reads_every_text_format_plain_and_compressed() {
    let folder = Folder::new();
    let mut failures = Vec::new();
    for case in cases() {
        let files = [
            folder.write(case.file, case.bytes),
            folder.write(&format!("{}.gz", case.file), gzip(case.bytes)),
            folder.write(&format!("{}.zst", case.file), zstd(case.bytes)),
            folder.write(&format!("unnamed/{}", case.file), gzip(case.bytes)),
        ];
        for file in files {
            let read = records(&file);
            if read != case.expected {
                failures.push(format!("{} ({}): {read:?}", case.name, file.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn reads_every_member_of_concatenated_gzip_and_zstd() {
    let folder = Folder::new();
    let both = |pack: fn(&[u8]) -> Vec<u8>| [pack(b"one\n"), pack(b"two\n")].concat();
    for file in [folder.write("a.txt.gz", both(gzip)), folder.write("a.txt.zst", both(zstd))] {
        assert_eq!(records(&file), vec![(1, json!({"text": "one"})), (2, json!({"text": "two"}))]);
    }
}

#[test]
fn reads_parquet_with_every_codec_plain_and_compressed() {
    let folder = Folder::new();
    let texts: [Option<&[u8]>; 3] = [Some(b"one"), None, Some(b"three")];
    for (number, codec) in codecs().into_iter().enumerate() {
        let plain = folder.path().join(format!("{number}.parquet"));
        parquet(&plain, &texts, codec);
        let bytes = std::fs::read(&plain).unwrap();
        let files = [
            folder.write(&format!("{number}.parquet.gz"), gzip(&bytes)),
            folder.write(&format!("{number}.parquet.zst"), zstd(&bytes)),
            plain,
        ];
        let row = |text: Value, number: i64| json!({"text": text, "labels": ["a", "b"], "raw": "Käse", "number": number});
        for file in files {
            let expected =
                vec![(1, row(json!("one"), 0)), (2, row(Value::Null, 1)), (3, row(json!("three"), 0))];
            assert_eq!(records(&file), expected, "{}", file.display());
        }
    }
}

#[test]
fn csv_agrees_with_an_independent_writer() {
    let rows = [["a\"b", "x,y"], ["line\nbreak", ""], ["\"", "\"\""], ["ü", "\r\n"], [" lead", "trail "]];
    for separator in [b',', b'\t'] {
        let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
        writer.write_record(["one", "two"]).unwrap();
        for row in rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let format = if separator == b',' { ReaderFormat::Csv } else { ReaderFormat::Tsv };
        let read = read_records_from(io::Cursor::new(bytes), format, "sample").unwrap();
        let read: Vec<Value> = read.map(|record| Value::Object(record.unwrap().value)).collect();
        let expected: Vec<Value> = rows.iter().map(|[one, two]| json!({"one": one, "two": two})).collect();
        assert_eq!(read, expected);
    }
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn outcomes(bytes: &'static [u8], format: ReaderFormat) -> Vec<Result<u64, DataError>> {
    let read = read_records_from(bytes, format, "sample").unwrap();
    read.map(|record| record.map(|record| record.line)).collect()
}

#[test]
fn a_broken_record_is_named_by_its_line_and_does_not_end_the_file() {
    use ReaderFormat::{Conll, Csv, Jsonl, Lines};
    type Expected = fn(&DataError) -> bool;
    let cases: [(&str, &'static [u8], ReaderFormat, u64, Expected); 10] = [
        ("not json", b"{}\n{\"a\":\n{}\n", Jsonl, 2, |e| {
            matches!(e, DataError::Malformed { source: Fault::Json(_), .. })
        }),
        ("not an object", b"{}\n[1]\n{}\n", Jsonl, 2, |e| {
            matches!(e, DataError::Malformed { source: Fault::NotAnObject("a list"), .. })
        }),
        ("half a surrogate", b"{}\n{\"a\":\"\\ud800\"}\n{}\n", Jsonl, 2, |e| {
            matches!(e, DataError::Malformed { source: Fault::Json(_), .. })
        }),
        ("latin 1", b"{}\n{\"a\":\"\xe9\"}\n{}\n", Jsonl, 2, |e| {
            matches!(e, DataError::InvalidUtf8 { byte: 7, .. })
        }),
        ("nul", b"one\nt\0o\nthree\n", Lines, 2, |e| matches!(e, DataError::Nul { byte: 2, .. })),
        ("utf-8 cut off", b"one\n\xe2\x82\nthree\n", Lines, 2, |e| {
            matches!(e, DataError::InvalidUtf8 { byte: 1, .. })
        }),
        ("latin 1 in the second line of a field", b"a,b\n1,2\n\"x\ny\xe9\",2\n1,2\n", Csv, 4, |e| {
            matches!(e, DataError::InvalidUtf8 { byte: 2, .. })
        }),
        ("fields", b"a,b\n1,2\n1,2,3\n1,2\n", Csv, 3, |e| {
            matches!(e, DataError::Malformed { source: Fault::FieldCount { expected: 2, found: 3 }, .. })
        }),
        ("a tag missing", b"a O\n\nb O\nc\n\nd O\n", Conll, 4, |e| {
            matches!(e, DataError::Malformed { source: Fault::MissingTag(_), .. })
        }),
        ("a token missing", b"a\tO\n\n\tO\n\nd\tO\n", Conll, 3, |e| {
            matches!(e, DataError::Malformed { source: Fault::MissingToken, .. })
        }),
    ];
    for (name, bytes, format, line, expected) in cases {
        let read = outcomes(bytes, format);
        let shape: Vec<bool> = read.iter().map(Result::is_ok).collect();
        assert_eq!(shape, [true, false, true], "{name}: {read:?}");
        let error = read[1].as_ref().unwrap_err();
        assert!(expected(error), "{name}: {error:?}");
        assert_eq!(error.line(), Some(line), "{name}: {error}");
        assert!(error.to_string().starts_with(&format!("sample: line {line}: ")), "{name}: {error}");
        assert!(!error.ends_file(), "{name}");
    }
}

#[test]
fn a_quote_that_never_closes_is_named_where_it_opens() {
    let read = outcomes(b"a,b\n1,2\n\"open,2\n3,4\n", ReaderFormat::Csv);
    assert!(read[0].is_ok());
    assert!(
        matches!(read[1], Err(DataError::Malformed { line: 3, source: Fault::OpenQuote, .. })),
        "{read:?}"
    );
    assert_eq!(read.len(), 2);
}

#[test]
fn refuses_a_header_with_a_name_twice() {
    let read = outcomes(b"text,label,text\na,b,c\n", ReaderFormat::Csv);
    assert!(matches!(&read[..], [Err(DataError::Header { column, .. })] if column == "text"), "{read:?}");
}

#[test]
fn refuses_utf_16_with_the_remedy() {
    let read = outcomes(b"\xff\xfe{\0}\0\n\0", ReaderFormat::Jsonl);
    assert!(matches!(&read[..], [Err(DataError::Encoding { .. })]), "{read:?}");
    assert!(read[0].as_ref().unwrap_err().to_string().contains("iconv"));
}

#[test]
fn refuses_two_members_of_one_name_and_goes_on() {
    let read = outcomes(b"{\"text\": \"a\", \"text\": \"b\"}\n{\"text\": \"c\"}\n", ReaderFormat::Jsonl);
    assert!(read[0].as_ref().unwrap_err().to_string().contains("member \"text\" appears twice"), "{read:?}");
    assert!(read[1].is_ok());
}

#[test]
fn refuses_lines_that_end_in_carriage_returns_alone() {
    let read = outcomes(b"text,label\ra,x\rb,y\r", ReaderFormat::Csv);
    assert!(matches!(&read[..], [Err(DataError::LineEnds { .. })]), "{read:?}");
}

#[test]
fn passes_over_a_line_that_exceeds_the_guard() {
    let long = io::repeat(b'a').take(65 << 20);
    let input = long.chain(&b"\nshort\n"[..]);
    let mut read = read_records_from(input, ReaderFormat::Lines, "sample").unwrap();
    assert!(matches!(read.next(), Some(Err(DataError::LineTooLong { line: 1, .. }))));
    let second = read.next().unwrap().unwrap();
    assert_eq!((second.line, second.value["text"].as_str()), (2, Some("short")));
    assert!(read.next().is_none());
}

#[test]
fn a_truncated_archive_is_an_error_and_not_a_short_file() {
    let folder = Folder::new();
    let text: String = (0..5000).map(|n| format!("{{\"text\": \"{}\"}}\n", n * 7919)).collect();
    for (name, mut bytes) in [("a.jsonl.gz", gzip(text.as_bytes())), ("a.jsonl.zst", zstd(text.as_bytes()))] {
        bytes.truncate(bytes.len() / 2);
        let file = folder.write(name, bytes);
        let last = read_records(Some(&file), None).unwrap().last().unwrap();
        assert!(matches!(last, Err(DataError::Io { .. })), "{name}: {last:?}");
    }
    let file = folder.write("b.jsonl.gz", "{\"text\": \"not compressed\"}");
    let first = read_records(Some(&file), None).unwrap().next().unwrap();
    assert!(matches!(first, Err(DataError::Io { .. })), "{first:?}");
}

#[test]
fn opening_tells_what_is_absent_a_folder_or_of_unknown_format() {
    let folder = Folder::new();
    let unknown = folder.write("a.docx", "x");
    let open = |path: &std::path::Path| read_records(Some(path), None).err().unwrap();
    assert!(matches!(open(&unknown), DataError::UnknownFormat { .. }));
    assert!(matches!(open(&folder.path().join("b.jsonl")), DataError::NotFound { .. }));
    let sub = folder.write("sub.jsonl/x", "x");
    assert!(matches!(open(sub.parent().unwrap()), DataError::Folder { .. }));
}

#[test]
fn parquet_that_is_damaged_is_refused_with_its_row() {
    let folder = Folder::new();
    let path = folder.path().join("a.parquet");
    parquet(&path, &[Some(b"good"), Some(b"b\xffd"), Some(b"more")], codecs()[0]);
    let read: Vec<_> = read_records(Some(&path), None).unwrap().collect();
    assert!(read[0].is_ok());
    match &read[1..] {
        [Err(DataError::Parquet { row: 2, reason, .. })] => assert_eq!(reason, "invalid UTF-8 at byte 2"),
        other => panic!("{other:?}"),
    }
    let bytes = std::fs::read(&path).unwrap();
    let short = folder.write("b.parquet", &bytes[..bytes.len() - 9]);
    assert!(matches!(read_records(Some(&short), None), Err(DataError::Parquet { .. })));
}
