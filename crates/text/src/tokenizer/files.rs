//! The files of a tokenizer: what `tokenizer_config.json` adds, and tokenizers from before `tokenizer.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer as Inner;

use super::TokenizerError;
use super::sentencepiece;

pub(super) const FAST: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const VOCABULARY: &str = "vocab.txt";
const BPE_VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const SENTENCEPIECE: &str = "sentencepiece.bpe.model";
/// DeBERTa's name for the same.
const DEBERTA_SENTENCEPIECE: &str = "spm.model";

pub(super) const NAMES: &[&str] =
    &[FAST, CONFIG, SPECIAL, VOCABULARY, BPE_VOCABULARY, MERGES, SENTENCEPIECE, DEBERTA_SENTENCEPIECE];

/// Larger numbers in `model_max_length` are transformers' way to say that there is no limit.
const NO_LIMIT: f64 = 1e9;

type Files = BTreeMap<String, Vec<u8>>;

/// What `tokenizer_config.json` and `special_tokens_map.json` say.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) max_length: Option<usize>,
    pub(super) cut_left: bool,
    config: Map<String, Value>,
    special: Map<String, Value>,
}

impl Settings {
    pub(super) fn read(files: &Files) -> Result<Self, TokenizerError> {
        let config: Map<String, Value> = json_file(files, CONFIG)?.unwrap_or_default();
        let limit = config.get("model_max_length").and_then(Value::as_f64);
        Ok(Self {
            max_length: limit.filter(|limit| (1.0..NO_LIMIT).contains(limit)).map(|limit| limit as usize),
            cut_left: config.get("truncation_side").and_then(Value::as_str) == Some("left"),
            special: json_file(files, SPECIAL)?.unwrap_or_default(),
            config,
        })
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.config.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    fn found(&self, role: &str) -> Option<&Value> {
        self.special.get(role).or_else(|| self.config.get(role))
    }

    /// Whether the mask token, where a text holds it, takes the white space before it.
    fn mask_takes_space(&self) -> bool {
        self.found("mask_token").and_then(|value| value.get("lstrip")?.as_bool()).unwrap_or(false)
    }

    /// The text of a special token by its role; the two files write it as text or as an object with `content`.
    fn token(&self, role: &str, default: &str) -> String {
        let text =
            self.found(role).and_then(|value| value.as_str().or_else(|| value.get("content")?.as_str()));
        text.unwrap_or(default).to_owned()
    }
}

fn json_file<T: serde::de::DeserializeOwned>(
    files: &Files,
    name: &'static str,
) -> Result<Option<T>, TokenizerError> {
    let Some(bytes) = files.get(name) else { return Ok(None) };
    let parsed = serde_json::from_slice(bytes);
    parsed.map(Some).map_err(|error| TokenizerError::File { file: name, problem: error.to_string() })
}

fn text_file<'f>(files: &'f Files, name: &'static str) -> Result<Option<&'f str>, TokenizerError> {
    let Some(bytes) = files.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(bytes);
    text.map(Some).map_err(|error| TokenizerError::File { file: name, problem: error.to_string() })
}

/// A tokenizer from the files before `tokenizer.json`, by way of the `tokenizer.json` that they amount to.
pub(super) fn from_older(
    model_type: &str,
    files: &Files,
    settings: &Settings,
) -> Result<Inner, TokenizerError> {
    let (file, value) = match model_type {
        "bert" | "distilbert" if files.contains_key(VOCABULARY) => {
            (VOCABULARY, wordpiece(text_file(files, VOCABULARY)?.unwrap_or_default(), settings)?)
        }
        "roberta" | "bart" if files.contains_key(BPE_VOCABULARY) && files.contains_key(MERGES) => {
            (BPE_VOCABULARY, byte_pairs(files, settings)?)
        }
        "xlm-roberta" if files.contains_key(SENTENCEPIECE) => {
            (SENTENCEPIECE, pieces_of_roberta(&files[SENTENCEPIECE], settings)?)
        }
        "deberta-v2" if files.contains_key(DEBERTA_SENTENCEPIECE) => {
            (DEBERTA_SENTENCEPIECE, pieces_of_deberta(&files[DEBERTA_SENTENCEPIECE], settings)?)
        }
        _ if files.keys().any(|name| ![CONFIG, SPECIAL].contains(&name.as_str())) => {
            let what = format!("a tokenizer of {model_type:?} without tokenizer.json");
            return Err(TokenizerError::Unsupported { file: CONFIG, what });
        }
        _ => return Err(TokenizerError::Missing),
    };
    let bytes = value.to_string().into_bytes();
    Inner::from_bytes(bytes).map_err(|error| TokenizerError::File { file, problem: error.to_string() })
}

/// Special tokens that a text may hold literally.
fn added(tokens: &[(String, u64)], settings: &Settings) -> Value {
    let mask = settings.token("mask_token", "");
    let mut seen: Vec<&(String, u64)> = Vec::new();
    for token in tokens {
        if !seen.iter().any(|known| known.1 == token.1) {
            seen.push(token);
        }
    }
    seen.sort_by_key(|(_, id)| *id);
    let entry = |(content, id): &&(String, u64)| {
        let takes_space = *content == mask && settings.mask_takes_space();
        json!({"id": id, "content": content, "single_word": false, "lstrip": takes_space, "rstrip": false,
               "normalized": false, "special": true})
    };
    Value::Array(seen.iter().map(entry).collect())
}

fn wordpiece(vocabulary: &str, settings: &Settings) -> Result<Value, TokenizerError> {
    let vocabulary: Map<String, Value> =
        vocabulary.lines().enumerate().map(|(id, token)| (token.trim_end().to_owned(), id.into())).collect();
    let id = |token: &str| {
        let problem = || format!("the special token {token:?} is missing");
        vocabulary
            .get(token)
            .and_then(Value::as_u64)
            .ok_or_else(|| TokenizerError::File { file: VOCABULARY, problem: problem() })
    };
    let roles =
        [("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("unk_token", "[UNK]"), ("pad_token", "[PAD]")];
    let mut tokens = Vec::new();
    for (role, default) in roles {
        let token = settings.token(role, default);
        tokens.push((token.clone(), id(&token)?));
    }
    let mask = settings.token("mask_token", "[MASK]");
    tokens.extend(vocabulary.get(&mask).and_then(Value::as_u64).map(|id| (mask, id)));
    let (cls, sep, unknown) = (&tokens[0], &tokens[1], &tokens[2].0);
    Ok(json!({
        "version": "1.0",
        "added_tokens": added(&tokens, settings),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": settings.flag("tokenize_chinese_chars", true),
            "strip_accents": settings.config.get("strip_accents").cloned().unwrap_or(Value::Null),
            "lowercase": settings.flag("do_lower_case", true),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": [sep.0, sep.1], "cls": [cls.0, cls.1]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }))
}

fn byte_pairs(files: &Files, settings: &Settings) -> Result<Value, TokenizerError> {
    let vocabulary: Map<String, Value> = json_file(files, BPE_VOCABULARY)?.unwrap_or_default();
    let merges = text_file(files, MERGES)?.unwrap_or_default();
    let merges: Vec<&str> =
        merges.lines().filter(|line| !line.starts_with("#version") && !line.is_empty()).collect();
    let roles = [
        ("cls_token", "<s>"),
        ("sep_token", "</s>"),
        ("unk_token", "<unk>"),
        ("pad_token", "<pad>"),
        ("mask_token", "<mask>"),
    ];
    let mut tokens = Vec::new();
    for (role, default) in roles {
        let token = settings.token(role, default);
        let problem = || format!("the special token {token:?} is missing");
        let id = vocabulary.get(&token).and_then(Value::as_u64);
        let id = id.ok_or_else(|| TokenizerError::File { file: BPE_VOCABULARY, problem: problem() })?;
        tokens.push((token, id));
    }
    let prefix_space = settings.flag("add_prefix_space", false);
    let (cls, sep) = (&tokens[0], &tokens[1]);
    Ok(json!({
        "version": "1.0",
        "added_tokens": added(&tokens, settings),
        "pre_tokenizer":
            {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "RobertaProcessing", "sep": [sep.0, sep.1], "cls": [cls.0, cls.1],
            "trim_offsets": true, "add_prefix_space": prefix_space},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "vocab": vocabulary,
            "merges": merges,
        },
    }))
}

/// A unigram model in the file of that name.
fn unigram(file: &'static str, bytes: &[u8]) -> Result<sentencepiece::Model, TokenizerError> {
    let problem = || TokenizerError::File { file, problem: "not a sentencepiece model".to_owned() };
    let model = sentencepiece::Model::parse(bytes).ok_or_else(problem)?;
    if model.unigram {
        return Ok(model);
    }
    let what = "a sentencepiece model other than unigram".to_owned();
    Err(TokenizerError::Unsupported { file, what })
}

/// The template of special tokens around one text and a pair; its parts are `(text, type)`, texts named A and B.
fn template(single: &[(&str, u8)], pair: &[(&str, u8)], special: &[&(String, u64)]) -> Value {
    let part = |(name, type_id): &(&str, u8)| match *name {
        "A" | "B" => json!({"Sequence": {"id": name, "type_id": type_id}}),
        token => json!({"SpecialToken": {"id": token, "type_id": type_id}}),
    };
    let entry =
        |(token, id): &&(String, u64)| (token.clone(), json!({"id": token, "ids": [id], "tokens": [token]}));
    json!({
        "type": "TemplateProcessing",
        "single": single.iter().map(part).collect::<Vec<_>>(),
        "pair": pair.iter().map(part).collect::<Vec<_>>(),
        "special_tokens": special.iter().map(entry).collect::<Map<String, Value>>(),
    })
}

/// XLM-RoBERTa's vocabulary: the first three pieces of the file (unknown, begin, end) give way to four in another order.
fn pieces_of_roberta(bytes: &[u8], settings: &Settings) -> Result<Value, TokenizerError> {
    let model = unigram(SENTENCEPIECE, bytes)?;
    let roles = ["cls_token", "pad_token", "sep_token", "unk_token"];
    let defaults = ["<s>", "<pad>", "</s>", "<unk>"];
    let own = roles.into_iter().zip(defaults).map(|(role, default)| settings.token(role, default));
    let mut tokens: Vec<(String, u64)> = own.zip(0..).collect();
    let mut pieces: Vec<(String, f32)> = tokens.iter().map(|(token, _)| (token.clone(), 0.0)).collect();
    pieces.extend(model.pieces.into_iter().skip(3).map(|piece| (piece.text, piece.score)));
    let mask = settings.token("mask_token", "<mask>");
    tokens.push((mask.clone(), pieces.len() as u64));
    pieces.push((mask, 0.0));
    let (cls, sep) = (tokens[0].0.as_str(), tokens[2].0.as_str());
    Ok(json!({
        "version": "1.0",
        "added_tokens": added(&tokens, settings),
        "normalizer": model.character_map.map(|map| json!({"type": "Precompiled", "precompiled_charsmap": map})),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        ]},
        "post_processor": template(
            &[(cls, 0), ("A", 0), (sep, 0)],
            &[(cls, 0), ("A", 0), (sep, 0), (sep, 0), ("B", 0), (sep, 0)],
            &[&tokens[0], &tokens[2]],
        ),
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": pieces, "byte_fallback": false},
    }))
}

/// The special tokens given, the pieces that stand in no text, and those that are always one where a text holds them.
fn added_of_pieces(model: &sentencepiece::Model, special: &[(String, u64)], settings: &Settings) -> Value {
    let of_kind = |kind: sentencepiece::Kind| {
        let numbered = model.pieces.iter().zip(0_u64..);
        numbered.filter(move |(piece, _)| piece.kind == kind).map(|(piece, id)| (piece.text.clone(), id))
    };
    let special: Vec<(String, u64)> =
        special.iter().cloned().chain(of_kind(sentencepiece::Kind::Control)).collect();
    let whole = of_kind(sentencepiece::Kind::Whole)
        .filter(|(_, id)| !special.iter().any(|(_, known)| known == id))
        .map(|(content, id)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": false})
        });
    let mut all = added(&special, settings).as_array().cloned().unwrap_or_default();
    all.extend(whole);
    all.sort_by_key(|entry| entry["id"].as_u64());
    Value::Array(all)
}

/// DeBERTa's vocabulary: the pieces of the file as they are, and the mask behind them. Texts are normalised as the file
/// says, which is how its models were trained.
fn pieces_of_deberta(bytes: &[u8], settings: &Settings) -> Result<Value, TokenizerError> {
    let file = DEBERTA_SENTENCEPIECE;
    let model = unigram(file, bytes)?;
    let id = |token: &str| model.pieces.iter().position(|piece| piece.text == token).map(|id| id as u64);
    let roles =
        [("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("unk_token", "[UNK]"), ("pad_token", "[PAD]")];
    let mut tokens = Vec::new();
    for (role, default) in roles {
        let token = settings.token(role, default);
        let problem = || format!("the special token {token:?} is missing");
        let id = id(&token).ok_or_else(|| TokenizerError::File { file, problem: problem() })?;
        tokens.push((token, id));
    }
    let mask = settings.token("mask_token", "[MASK]");
    let place = id(&mask).unwrap_or(model.pieces.len() as u64);
    tokens.push((mask, place));
    let mut normalizers = vec![json!({"type": "Strip", "strip_left": true, "strip_right": true})];
    if settings.flag("do_lower_case", false) {
        normalizers.insert(0, json!({"type": "Lowercase"}));
    }
    let map = model.character_map.as_ref();
    normalizers.extend(map.map(|map| json!({"type": "Precompiled", "precompiled_charsmap": map})));
    normalizers.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
    let mut splits =
        vec![json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})];
    if settings.flag("split_by_punct", false) {
        splits.insert(0, json!({"type": "Punctuation", "behavior": "Isolated"}));
    }
    let (cls, sep) = (tokens[0].0.as_str(), tokens[1].0.as_str());
    let pieces: Vec<(&str, f32)> =
        model.pieces.iter().map(|piece| (piece.text.as_str(), piece.score)).collect();
    Ok(json!({
        "version": "1.0",
        "added_tokens": added_of_pieces(&model, &tokens, settings),
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": splits},
        "post_processor": template(
            &[(cls, 0), ("A", 0), (sep, 0)],
            &[(cls, 0), ("A", 0), (sep, 0), ("B", 1), (sep, 1)],
            &[&tokens[0], &tokens[1]],
        ),
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {"type": "Unigram", "unk_id": model.unknown, "vocab": pieces, "byte_fallback": false},
    }))
}
