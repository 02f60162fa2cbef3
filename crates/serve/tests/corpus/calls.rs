//! Calls over gRPC made of choices: a method, messages whose fields may be of another type, missing, several, or cut off.

use crate::bodies::MODELS;
use crate::choices::Choices;

/// What a field holds as a rule.
#[derive(Debug, Clone, Copy)]
enum Field {
    Text,
    Name(&'static [&'static str]),
    Number,
    Float,
    Message(Fields),
    /// Numbers behind one another.
    Packed,
    /// A text after its length in four bytes.
    Element,
}

/// The fields of a message by number.
type Fields = &'static [(u32, Field)];

use Field::{Element, Float, Message, Name, Number, Packed, Text};

const MODEL: Field = Name(&MODELS);
const VERSION: Field = Name(&["", "1", "2", "0", "x", "99999999999"]);
const PARAMETER: Field = Message(&[
    (
        1,
        Name(&[
            "priority",
            "timeout",
            "threshold",
            "binary_data",
            "classification",
            "binary_data_size",
            "sequence_id",
        ]),
    ),
    (2, Message(&[(1, Number), (2, Number), (3, Text), (4, Float), (5, Number)])),
]);
const TENSOR: Field = Message(&[
    (1, Name(&["text", "input-0", "other"])),
    (2, Name(&["BYTES", "FP32", "INT64"])),
    (3, Packed),
    (4, PARAMETER),
    (5, Message(&[(8, Text), (6, Packed), (2, Packed)])),
]);
const OUTPUT: Field =
    Message(&[(1, Name(&["label", "score", "scores", "labels", "embedding", "other"])), (2, PARAMETER)]);
const OF_MODEL: Fields = &[(1, MODEL), (2, VERSION)];
const OF_REPOSITORY: Fields = &[(1, Text), (2, MODEL), (3, PARAMETER)];
const INFER: Fields =
    &[(1, MODEL), (2, VERSION), (3, Text), (4, PARAMETER), (5, TENSOR), (6, OUTPUT), (7, Element)];
const EMBED: Fields =
    &[(1, Text), (2, Number), (3, Number), (4, Number), (5, Name(&["query", "nothing"])), (6, Number)];
const EMBED_ALL: Fields = &[(1, Text), (2, Number), (3, Number), (4, Name(&["query", "nothing"]))];
const PREDICT: Fields = &[(1, Text), (2, Number), (3, Number), (4, Number)];
const PAIR: Fields = &[(1, Text), (1, Text), (2, Number), (3, Number), (4, Number)];
const RERANK: Fields = &[(1, Text), (2, Text), (2, Text), (3, Number), (4, Number), (5, Number)];
const TOKENIZE: Fields = &[(1, Text), (2, Number), (3, Name(&["query", "nothing"]))];
const DECODE: Fields = &[(1, Packed), (2, Number)];

/// Every method, its fields, and whether it takes several messages.
const METHODS: &[(&str, Fields, bool)] = &[
    ("inference.GRPCInferenceService/ModelInfer", INFER, false),
    ("inference.GRPCInferenceService/ServerLive", &[], false),
    ("inference.GRPCInferenceService/ServerReady", &[], false),
    ("inference.GRPCInferenceService/ServerMetadata", &[], false),
    ("inference.GRPCInferenceService/ModelReady", OF_MODEL, false),
    ("inference.GRPCInferenceService/ModelMetadata", OF_MODEL, false),
    ("inference.GRPCInferenceService/ModelConfig", OF_MODEL, false),
    ("inference.GRPCInferenceService/ModelStatistics", OF_MODEL, false),
    ("inference.GRPCInferenceService/RepositoryIndex", &[(1, Text), (2, Number)], false),
    ("inference.GRPCInferenceService/RepositoryModelLoad", OF_REPOSITORY, false),
    ("inference.GRPCInferenceService/RepositoryModelUnload", OF_REPOSITORY, false),
    ("inference.GRPCInferenceService/ModelStreamInfer", INFER, true),
    ("tei.v1.Info/Info", &[], false),
    ("tei.v1.Embed/Embed", EMBED, false),
    ("tei.v1.Embed/EmbedStream", EMBED, true),
    ("tei.v1.Embed/EmbedAll", EMBED_ALL, false),
    ("tei.v1.Embed/EmbedAllStream", EMBED_ALL, true),
    ("tei.v1.Embed/EmbedSparse", EMBED_ALL, false),
    ("tei.v1.Embed/EmbedSparseStream", EMBED_ALL, true),
    ("tei.v1.Predict/Predict", PREDICT, false),
    ("tei.v1.Predict/PredictStream", PREDICT, true),
    ("tei.v1.Predict/PredictPair", PAIR, false),
    ("tei.v1.Predict/PredictPairStream", PAIR, true),
    ("tei.v1.Rerank/Rerank", RERANK, false),
    ("tei.v1.Rerank/RerankStream", RERANK, true),
    ("tei.v1.Tokenize/Tokenize", TOKENIZE, false),
    ("tei.v1.Tokenize/TokenizeStream", TOKENIZE, true),
    ("tei.v1.Tokenize/Decode", DECODE, false),
    ("tei.v1.Tokenize/DecodeStream", DECODE, true),
    ("grpc.health.v1.Health/Check", &[(1, MODEL)], false),
    ("tei.v1.Embed/Nothing", &[], false),
];
const HEADERS: [(&str, &[&str]); 5] = [
    ("grpc-timeout", &["5S", "1n", "99999999H", "x", "-1S", ""]),
    ("grpc-encoding", &["identity", "gzip", "x"]),
    ("x-loquat-model", &MODELS),
    ("x-request-id", &["mine", ""]),
    ("traceparent", &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00"]),
];
const NUMBERS: [u64; 9] = [1, 0, 2, 16, 17, 0xffff_ffff, u64::MAX, 1 << 63, 1_000_000];

/// A call: its path, headers and the framed messages.
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the frames are what they say and as many as the method takes; others are answered as gRPC says.
    pub(crate) is_framed: bool,
}

/// How many methods there are.
pub(crate) const COUNT: usize = METHODS.len();

impl Call {
    /// The call that `bytes` chooses.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut choices = Choices::new(bytes);
        let (method, fields, is_stream) = choices.of(METHODS);
        let mut headers = vec![("content-type", media(&mut choices))];
        if choices.once_in(3) {
            let (name, values) = choices.of(&HEADERS);
            headers.push((name, choices.of(values).to_owned()));
        }
        let messages = if is_stream || choices.once_in(12) { choices.of(&[1, 2, 0, 5]) } else { 1 };
        let (mut body, mut is_framed) = (Vec::new(), is_stream || messages == 1);
        for _ in 0..messages {
            let mut message = Vec::new();
            write(&mut choices, fields, &mut message);
            is_framed &= frame(&mut choices, &message, &mut body);
        }
        Self { path: format!("/{method}"), headers, body, is_framed }
    }
}

fn media(choices: &mut Choices<'_>) -> String {
    if !choices.once_in(20) {
        return "application/grpc".to_owned();
    }
    choices.of(&["application/grpc+proto", "application/grpc-web", "application/json", ""]).to_owned()
}

/// A message after its five bytes, which may say something else; whether they do not.
fn frame(choices: &mut Choices<'_>, message: &[u8], out: &mut Vec<u8>) -> bool {
    let length = message.len() as u32;
    let compressed = choices.once_in(20);
    let stated =
        if choices.once_in(20) { choices.of(&[0, length / 2, length + 1, u32::MAX]) } else { length };
    out.push(u8::from(compressed));
    out.extend(stated.to_be_bytes());
    out.extend_from_slice(message);
    !compressed && stated == length
}

fn write(choices: &mut Choices<'_>, fields: Fields, out: &mut Vec<u8>) {
    for (number, field) in fields {
        for _ in 0..choices.of(&[1, 1, 1, 0, 0, 2]) {
            one(choices, (*number, *field), out);
        }
    }
    if choices.once_in(20) {
        out.extend_from_slice(choices.raw());
    }
}

fn one(choices: &mut Choices<'_>, (number, field): (u32, Field), out: &mut Vec<u8>) {
    let mut content = Vec::new();
    let wire = match field {
        Text => {
            let texts =
                ["where is my parcel?", "", "a", "Gr\u{fc}\u{df}e \u{1f600}", "[MASK] a b c", "\u{0}"];
            if choices.once_in(5) {
                content.extend_from_slice(choices.raw());
            } else {
                content.extend_from_slice(choices.of(&texts).as_bytes());
            }
            2
        }
        Name(names) => {
            content.extend_from_slice(choices.of(names).as_bytes());
            2
        }
        Number => {
            varint(choices.of(&NUMBERS), &mut content);
            0
        }
        Float => {
            content.extend(choices.of(&[0.5_f64, 0.0, f64::NAN, -1.0, f64::INFINITY]).to_le_bytes());
            1
        }
        Message(fields) => {
            write(choices, fields, &mut content);
            2
        }
        Packed => {
            for _ in 0..choices.of(&[1, 2, 0, 3]) {
                varint(choices.of(&NUMBERS), &mut content);
            }
            2
        }
        Element => {
            let text = choices.raw();
            content.extend((text.len() as u32).to_le_bytes());
            content.extend_from_slice(text);
            2
        }
    };
    let wire = if choices.once_in(30) { choices.of(&[0_u64, 1, 2, 3, 5, 7]) } else { wire };
    varint(u64::from(number) << 3 | wire, out);
    if wire == 2 {
        let length = content.len() as u64;
        varint(if choices.once_in(30) { length + 1 } else { length }, out);
    }
    out.extend(content);
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
