//! Writes the Parquet files of the corpus: `cargo run --manifest-path fuzz/Cargo.toml --example parquet_seeds`.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
/// Writes the column with this number.
type Fill = fn(usize, &mut SerializedColumnWriter<'_>) -> Outcome;

/// A file of the corpus.
struct Seed {
    name: &'static str,
    schema: &'static str,
    fill: Fill,
    properties: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
    groups: usize,
}

const TEXTS: &str = "message m { optional binary text (UTF8); required binary label (UTF8); }";
const LIST: &str =
    "message m { required group labels (LIST) { repeated group list { required binary element (UTF8); } } }";
const MAP: &str = "message m { required group scores (MAP) { repeated group key_value { required binary key (UTF8); \
                   optional double value; } } }";
const NUMBERS: &str = "message m { required boolean b; required int32 i (INTEGER(8,true)); required int64 t \
                       (TIMESTAMP(MILLIS,true)); required float f; required double d; }";
const ODD: &str = "message m { required int96 t; required fixed_len_byte_array(3) raw; required fixed_len_byte_array(4) \
                   money (DECIMAL(9,2)); required int32 day (DATE); }";
const NESTED: &str = "message m { optional group outer { optional group inner { optional int32 i; } } }";

const SEEDS: &[Seed] = &[
    seed("plain", TEXTS, texts, |p| p.set_dictionary_enabled(false)),
    seed("dictionary", TEXTS, texts, |p| p),
    seed("snappy", TEXTS, texts, |p| p.set_compression(Compression::SNAPPY)),
    seed("gzip", TEXTS, texts, |p| p.set_compression(Compression::GZIP(Default::default()))),
    seed("zstd", TEXTS, texts, |p| p.set_compression(Compression::ZSTD(Default::default()))),
    seed("version-2", TEXTS, texts, |p| p.set_writer_version(WriterVersion::PARQUET_2_0)),
    seed("delta-length", TEXTS, texts, |p| {
        p.set_dictionary_enabled(false).set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY)
    }),
    seed("delta-bytes", TEXTS, texts, |p| {
        p.set_dictionary_enabled(false).set_encoding(Encoding::DELTA_BYTE_ARRAY)
    }),
    seed("statistics", TEXTS, texts, |p| p.set_statistics_enabled(EnabledStatistics::Page)),
    Seed { name: "two-groups", schema: TEXTS, fill: texts, properties: |p| p, groups: 2 },
    Seed { name: "no-groups", schema: TEXTS, fill: texts, properties: |p| p, groups: 0 },
    seed("list", LIST, list, |p| p),
    seed("map", MAP, map, |p| p),
    seed("numbers", NUMBERS, numbers, |p| p.set_dictionary_enabled(false)),
    seed("numbers-version-2", NUMBERS, numbers, |p| {
        p.set_dictionary_enabled(false).set_writer_version(WriterVersion::PARQUET_2_0)
    }),
    seed("odd-types", ODD, odd, |p| p),
    seed("nested", NESTED, nested, |p| p),
    seed("not-utf8", "message m { required binary text (UTF8); }", not_utf8, |p| p),
];

const fn seed(
    name: &'static str,
    schema: &'static str,
    fill: Fill,
    properties: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> Seed {
    Seed { name, schema, fill, properties, groups: 1 }
}

fn main() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/parquet");
    std::fs::create_dir_all(&folder)?;
    for seed in SEEDS {
        let path = folder.join(format!("{}.parquet", seed.name));
        write(seed, &path)?;
        println!("{} {}", path.display(), path.metadata()?.len());
    }
    Ok(())
}

fn write(seed: &Seed, path: &Path) -> Outcome {
    let builder = WriterProperties::builder()
        .set_created_by("loquat".to_owned())
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true);
    let properties = Arc::new((seed.properties)(builder).build());
    let schema = Arc::new(parse_message_type(seed.schema)?);
    let mut writer = SerializedFileWriter::new(File::create(path)?, schema, properties)?;
    for _ in 0..seed.groups {
        let mut group = writer.next_row_group()?;
        let mut number = 0;
        while let Some(mut column) = group.next_column()? {
            (seed.fill)(number, &mut column)?;
            column.close()?;
            number += 1;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn bytes(texts: &[&str]) -> Vec<ByteArray> {
    texts.iter().map(|text| ByteArray::from(text.as_bytes().to_vec())).collect()
}

fn texts(number: usize, column: &mut SerializedColumnWriter<'_>) -> Outcome {
    let column = column.typed::<ByteArrayType>();
    match number {
        0 => column.write_batch(&bytes(&["Where is my parcel?", "Käse 你好"]), Some(&[1, 0, 1]), None)?,
        _ => column.write_batch(&bytes(&["delivery", "login", "delivery"]), None, None)?,
    };
    Ok(())
}

fn list(_: usize, column: &mut SerializedColumnWriter<'_>) -> Outcome {
    let column = column.typed::<ByteArrayType>();
    column.write_batch(&bytes(&["a", "b", "a"]), Some(&[1, 1, 0, 1]), Some(&[0, 1, 0, 0]))?;
    Ok(())
}

fn map(number: usize, column: &mut SerializedColumnWriter<'_>) -> Outcome {
    match number {
        0 => {
            column.typed::<ByteArrayType>().write_batch(&bytes(&["a", "b"]), Some(&[1, 1]), Some(&[0, 1]))?
        }
        _ => column.typed::<DoubleType>().write_batch(&[0.5], Some(&[2, 1]), Some(&[0, 1]))?,
    };
    Ok(())
}

fn numbers(number: usize, column: &mut SerializedColumnWriter<'_>) -> Outcome {
    match number {
        0 => column.typed::<BoolType>().write_batch(&[true, false, true], None, None)?,
        1 => column.typed::<Int32Type>().write_batch(&[-1, 0, 127], None, None)?,
        2 => column.typed::<Int64Type>().write_batch(&[0, i64::MAX, -1], None, None)?,
        3 => column.typed::<FloatType>().write_batch(&[1.5, f32::NAN, f32::INFINITY], None, None)?,
        _ => column.typed::<DoubleType>().write_batch(&[1e300, -0.0, f64::NAN], None, None)?,
    };
    Ok(())
}

fn odd(number: usize, column: &mut SerializedColumnWriter<'_>) -> Outcome {
    let fixed = |value: &[u8]| FixedLenByteArray::from(value.to_vec());
    match number {
        0 => {
            let mut moment = Int96::new();
            moment.set_data(0, 1, 2_440_588);
            column.typed::<Int96Type>().write_batch(&[moment, moment], None, None)?
        }
        1 => column.typed::<FixedLenByteArrayType>().write_batch(
            &[fixed(b"abc"), fixed(b"\xff\0\xff")],
            None,
            None,
        )?,
        2 => column.typed::<FixedLenByteArrayType>().write_batch(
            &[fixed(&[0, 0, 1, 2]), fixed(&[0xff; 4])],
            None,
            None,
        )?,
        _ => column.typed::<Int32Type>().write_batch(&[0, i32::MAX], None, None)?,
    };
    Ok(())
}

fn nested(_: usize, column: &mut SerializedColumnWriter<'_>) -> Outcome {
    column.typed::<Int32Type>().write_batch(&[7], Some(&[3, 2, 1, 0]), None)?;
    Ok(())
}

fn not_utf8(_: usize, column: &mut SerializedColumnWriter<'_>) -> Outcome {
    let values = [ByteArray::from(b"fine".to_vec()), ByteArray::from(b"a\xffb".to_vec())];
    column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
    Ok(())
}
