//! Encoders behind the server: their tasks over both of its protocols.

use loquat_spec::{Requests, Task, ZeroShot};
use serde_json::{Value, json};

use crate::harness::{Registry, Server, declaring, endpoint};
use crate::tiny_encoders::{PROMPTED, RELEVANCE, register};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn answer(server: &Server, path: &str, body: &Value) -> Value {
    let reply = server.post(path, body);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

fn predictions(server: &Server, model: &str, body: &Value) -> Vec<Value> {
    let reply = server.post(&format!("/models/{model}/predict"), body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["predictions"].as_array().unwrap().clone()
}

#[test]
fn each_task_answers_in_its_own_form() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    register(&registry, "names", ("bert-tokens", Task::TokenClassification), &[]);
    let server = registry.serve();
    let body = json!({ "inputs": ["a cat", { "text_a": "a cat", "text_b": "a dog" }] });
    let found = predictions(&server, "vectors", &body);
    assert_eq!(found[0]["embedding"].as_array().unwrap().len(), 16);
    assert!(found[1]["score"].is_number());
    let found = predictions(&server, "names", &json!({ "inputs": "otto in riga" }));
    assert!(found[0]["entities"].is_array());

    let tensor =
        json!({ "name": "text", "shape": [2], "datatype": "BYTES", "data": ["a cat", "otto in riga"] });
    let vectors = server.post("/v2/models/vectors/infer", &json!({ "inputs": [tensor] })).json();
    assert_eq!(vectors["outputs"][0]["name"], "embedding");
    assert_eq!(vectors["outputs"][0]["shape"], json!([2, 16]));
    assert_eq!(vectors["outputs"][0]["data"].as_array().unwrap().len(), 32);
    let names = server.post("/v2/models/names/infer", &json!({ "inputs": [tensor] })).json();
    assert_eq!(
        (&names["outputs"][0]["name"], &names["outputs"][0]["shape"]),
        (&json!("entities"), &json!([2]))
    );
    let first = names["outputs"][0]["data"][1].as_str().unwrap();
    let listed: Value = serde_json::from_str(first).unwrap();
    assert_eq!(listed, found[0]["entities"]);
}

#[test]
fn an_endpoint_scores_labels_with_the_model_of_another() {
    let registry = Registry::new();
    let labels = ["contradiction", "neutral", "entailment"];
    register(&registry, "nli", ("bert-sequence", Task::TextPairClassification), &labels);
    register(&registry, "other", ("bert-sequence", Task::TextPairClassification), &[]);
    let requests = || Requests { max_length: Some(40), ..Requests::default() };
    let declared = ZeroShot { template: None, labels: vec!["rain".to_owned(), "sun".to_owned()] };
    let topics =
        loquat_spec::Endpoint { zero_shot: Some(declared.clone()), ..endpoint("topics", "nli", requests()) };
    let broken =
        loquat_spec::Endpoint { zero_shot: Some(declared), ..endpoint("broken", "other", requests()) };
    let server = registry.serve_with(|config| config.resources = declaring(vec![topics, broken]));
    let pairs = json!({ "inputs": { "premise": "it rains", "hypothesis": "it is wet" } });
    assert!(predictions(&server, "nli", &pairs)[0]["label"].is_string());
    let found = predictions(&server, "topics", &json!({ "inputs": ["it rains", "it is dry"] }));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["labels"].as_array().unwrap().len(), 2);
    let own = json!({ "inputs": "it rains", "parameters": { "labels": ["a", "b", "c"], "exclusive": true } });
    let scores = predictions(&server, "topics", &own);
    let sum: f64 =
        scores[0]["labels"].as_array().unwrap().iter().map(|scored| scored["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{scores:?}");

    let long = server.post("/models/nli/predict", &json!({ "inputs": { "premise": 1, "hypothesis": "b" } }));
    assert_eq!((long.status, &long.json()["field"]), (422, &json!("inputs.premise")));
    let tensor = json!({ "name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"] });
    let refused = server.post("/v2/models/nli/infer", &json!({ "inputs": [tensor] }));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("not yet supported"), "{}", refused.text());
    let failed = server.post("/models/broken/predict", &json!({ "inputs": "a" }));
    assert_eq!(failed.status, 503, "{}", failed.text());
    assert!(failed.text().contains("alpha, beta, gamma"), "{}", failed.text());
}

#[test]
fn limits_name_the_column_that_exceeds_them() {
    let registry = Registry::new();
    register(&registry, "pairs", ("bert-sequence", Task::TextPairClassification), &[]);
    let requests = Requests { max_length: Some(10), ..Requests::default() };
    let server = registry
        .serve_with(|config| config.resources = declaring(vec![endpoint("pairs", "pairs", requests)]));
    let body = json!({ "inputs": [{ "premise": "short", "hypothesis": "much too long" }] });
    let refused = server.post("/models/pairs/predict", &body);
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(refused.json()["field"], "inputs[0].hypothesis");
}

#[test]
fn vectors_go_out_in_the_words_of_each_protocol() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    let server = registry.serve();
    let own = predictions(&server, "vectors", &json!({ "inputs": ["a cat", "a dog"] }));
    let own: Vec<Vec<f64>> = own.iter().map(|found| numbers(&found["embedding"])).collect();

    let plain = answer(&server, "/embed", &json!({ "inputs": ["a cat", "a dog"], "normalize": false }));
    assert_eq!(numbers(&plain[1]), own[1]);
    let unit = answer(&server, "/embed", &json!({ "inputs": "a cat" }));
    let unit = numbers(&unit[0]);
    assert!((dot(&unit, &unit) - 1.0).abs() < 1e-5, "{unit:?}");
    let length = dot(&own[0], &own[0]).sqrt();
    assert!(unit.iter().zip(&own[0]).all(|(unit, own)| (unit - own / length).abs() < 1e-5));
    assert_eq!(answer(&server, "/", &json!({ "inputs": "a cat" })), json!([unit]));
    let vertex = answer(&server, "/vertex", &json!({ "instances": [{ "inputs": "a cat" }] }));
    assert_eq!(vertex["predictions"], json!([[unit]]));
    let info = server.get("/info").json();
    assert!(info["model_type"]["embedding"].is_object(), "{info}");
    assert_eq!(info["model_dtype"], "float32");

    let asked = json!({ "inputs": { "source_sentence": "a cat", "sentences": ["a cat", "a dog"] } });
    let found = numbers(&answer(&server, "/similarity", &asked));
    let cosine = dot(&own[0], &own[1]) / (length * dot(&own[1], &own[1]).sqrt());
    assert!((found[0] - 1.0).abs() < 1e-5 && (found[1] - cosine).abs() < 1e-5, "{found:?}");

    let floats =
        answer(&server, "/v1/embeddings", &json!({ "input": ["a dog", "a cat"], "model": "vectors" }));
    assert_eq!((&floats["object"], &floats["model"]), (&json!("list"), &json!("vectors")));
    assert_eq!(floats["data"][1]["index"], 1);
    assert_eq!(numbers(&floats["data"][1]["embedding"]), unit);
    let asked = json!({ "input": "a cat", "encoding_format": "base64" });
    let bytes = answer(&server, "/embeddings", &asked);
    let found = decoded(bytes["data"][0]["embedding"].as_str().unwrap());
    assert_eq!(found.len(), unit.len());
    assert!(found.iter().zip(&unit).all(|(found, unit)| (found - unit).abs() < 1e-6), "{found:?}");
}

/// Little-endian 32-bit numbers in base 64.
fn decoded(text: &str) -> Vec<f64> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').chars().map(|digit| alphabet.find(digit).unwrap() as u32);
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0);
    for digit in digits {
        (held, bits) = (held << 6 | digit, bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes.chunks_exact(4).map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap()))).collect()
}

#[test]
fn a_prompt_is_chosen_by_its_name_on_every_route_that_has_one() {
    let registry = Registry::new();
    register(&registry, PROMPTED, ("bert-embedding", Task::Embedding), &[]);
    let server = registry.serve();
    let answer = |path: &str, body: Value| {
        let reply = server.post(path, &body);
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
        reply.json()
    };
    let (short, whole) = ("a parcel", "find: a parcel");
    for path in ["/embed", "/embed_all", "/tokenize"] {
        let plain = answer(path, json!({ "inputs": short }));
        let prompted = answer(path, json!({ "inputs": short, "prompt_name": "query" }));
        assert_eq!(prompted, answer(path, json!({ "inputs": whole })), "{path}");
        assert_ne!(prompted, plain, "{path}");
        assert_eq!(plain, answer(path, json!({ "inputs": short, "prompt_name": "passage" })), "{path}");
        assert_eq!(plain, answer(path, json!({ "inputs": short, "prompt_name": null })), "{path}");
        let refused = server.post(path, &json!({ "inputs": short, "prompt_name": "other" }));
        assert_eq!((refused.status, &refused.json()["error_type"]), (422, &json!("Validation")));
        assert!(refused.text().contains("passage, query"), "{}", refused.text());
    }
    let alike = |parameters: Value, source: &str, other: &str| {
        let inputs = json!({ "source_sentence": source, "sentences": [other] });
        answer("/similarity", json!({ "inputs": inputs, "parameters": parameters }))
    };
    let prompted = alike(json!({ "prompt_name": "query" }), short, "a refund");
    assert_eq!(prompted, alike(json!({}), whole, "find: a refund"));
    let own = |inputs: &str, parameters: Value| {
        answer("/models/prompted/predict", json!({ "inputs": inputs, "parameters": parameters }))["predictions"].clone()
    };
    assert_eq!(own(short, json!({ "prompt_name": "query" })), own(whole, json!({})));
}

#[test]
fn requests_for_vectors_are_refused_at_their_place() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    let server = registry.serve();
    for (path, body, status, names) in [
        ("/embed", json!({}), 422, "inputs"),
        ("/embed", json!({ "inputs": ["a", 1] }), 422, "inputs[1]"),
        ("/embed", json!({ "inputs": "a", "normalize": 1 }), 422, "normalize"),
        ("/embed", json!({ "inputs": "a", "dimensions": 17 }), 422, "at most 16"),
        ("/embed", json!({ "inputs": "a", "dimensions": 0 }), 422, "dimensions"),
        ("/embed", json!({ "inputs": "a", "prompt_name": "query" }), 422, "without prompts"),
        ("/embed", json!({ "inputs": "a", "prompt_name": 1 }), 422, "prompt_name"),
        ("/embed_all", json!({ "inputs": "a", "normalize": true }), 422, "normalize"),
        ("/embed_all", json!({ "inputs": 1 }), 422, "inputs"),
        ("/tokenize", json!({ "inputs": "a", "add_special_tokens": 1 }), 422, "add_special_tokens"),
        ("/decode", json!({ "ids": [5, "a"] }), 422, "ids[1]"),
        ("/decode", json!({ "ids": [5, 999_999] }), 422, "999999"),
        ("/decode", json!({ "ids": 5 }), 422, "ids"),
        ("/similarity", json!({ "inputs": { "sentences": ["a"] } }), 422, "inputs.source_sentence"),
        ("/similarity", json!({ "inputs": { "source_sentence": "a" } }), 422, "inputs.sentences"),
        ("/v1/embeddings", json!({ "input": 3 }), 400, "input"),
        ("/v1/embeddings", json!({ "input": "a", "encoding_format": "hex" }), 400, "encoding_format"),
        ("/v1/embeddings", json!({ "input": "a", "model": "other" }), 404, "other"),
        ("/rerank", json!({ "query": "a", "texts": ["b"] }), 424, "reranker"),
    ] {
        let refused = server.post(path, &body);
        assert_eq!(refused.status, status, "{path} {body}: {}", refused.text());
        assert!(refused.text().contains(names), "{path} {body}: {}", refused.text());
    }
}

#[test]
fn a_model_of_pairs_with_one_label_ranks_texts() {
    let registry = Registry::new();
    register(&registry, "nli", ("bert-sequence", Task::TextPairClassification), &[]);
    register(&registry, "ranker", ("bert-sequence", Task::TextPairClassification), &[RELEVANCE]);
    let server = registry.serve();
    let texts = ["a dog", "cats purr", "rain"];
    let pairs = texts.map(|text| json!({ "premise": "cat", "hypothesis": text }));
    let own = predictions(&server, "ranker", &json!({ "inputs": pairs }));
    let asked = json!({ "query": "cat", "texts": texts, "return_text": true });
    let ranked = answer(&server, "/rerank", &asked);
    let ranked = ranked.as_array().unwrap();
    assert_eq!(ranked.len(), 3);
    for (place, found) in ranked.iter().enumerate() {
        let index = found["index"].as_u64().unwrap() as usize;
        assert_eq!((&found["score"], &found["text"]), (&own[index]["score"], &json!(texts[index])));
        assert!(place == 0 || ranked[place - 1]["score"].as_f64() >= found["score"].as_f64());
    }
    let refused = server.post("/rerank", &json!({ "query": "cat", "texts": ["a", 1] }));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("texts[1]"), "{}", refused.text());
}

#[test]
fn pairs_and_candidate_labels_answer_the_routes_of_other_servers() {
    let registry = Registry::new();
    let labels = ["contradiction", "neutral", "entailment"];
    register(&registry, "nli", ("bert-sequence", Task::TextPairClassification), &labels);
    let zero_shot = Some(ZeroShot::default());
    let topics = loquat_spec::Endpoint { zero_shot, ..endpoint("topics", "nli", Requests::default()) };
    let server = registry.serve_with(|config| config.resources = declaring(vec![topics]));
    let pair = json!({ "inputs": { "premise": "it rains", "hypothesis": "it is wet" }, "parameters": { "top_k": 3 } });
    let own = predictions(&server, "nli", &pair);
    let found = answer(&server, "/predict", &json!({ "inputs": ["it rains", "it is wet"] }));
    assert_eq!(found, own[0]["scores"]);

    let asked = json!({ "inputs": "it rains", "parameters": { "labels": ["rain", "sun", "snow"] } });
    let own = predictions(&server, "topics", &asked);
    let classified =
        answer(&server, "/classify", &json!({ "sequence": "it rains", "labels": ["rain", "sun", "snow"] }));
    assert_eq!(classified["sequence"], "it rains");
    for place in 0..3 {
        assert_eq!(classified["labels"][place], own[0]["labels"][place]["label"]);
        assert_eq!(classified["scores"][place], own[0]["labels"][place]["score"]);
    }
    let instance = json!({ "sequence": "it rains", "labels": ["rain", "sun", "snow"] });
    let each = answer(&server, "/v1/models/topics:predict", &json!({ "instances": [instance, instance] }));
    assert_eq!(each["predictions"], json!([classified, classified]));
    let several = answer(&server, "/classify", &json!({ "sequence": ["it rains", "b"], "labels": ["rain"] }));
    assert_eq!(several.as_array().unwrap().len(), 2);
    let refused = server.post("/classify", &json!({ "sequence": "it rains" }));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("labels"), "{}", refused.text());
}

#[test]
fn vectors_are_cut_to_their_first_dimensions() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    let server = registry.serve();
    let whole = numbers(&answer(&server, "/embed", &json!({ "inputs": "a cat", "normalize": false }))[0]);
    let cut = json!({ "inputs": "a cat", "normalize": false, "dimensions": 4 });
    assert_eq!(numbers(&answer(&server, "/embed", &cut)[0]), whole[..4]);
    let unit = answer(&server, "/v1/embeddings", &json!({ "input": "a cat", "dimensions": 4 }));
    let unit = numbers(&unit["data"][0]["embedding"]);
    let length = dot(&whole[..4], &whole[..4]).sqrt();
    assert_eq!(unit.len(), 4);
    assert!(unit.iter().zip(&whole).all(|(unit, own)| (unit - own / length).abs() < 1e-5), "{unit:?}");
}

/// Ids of the vocabulary that [`register`] writes: five special tokens, then the letters, then the letters inside words.
const CLS: u64 = 2;
const SEP: u64 = 3;
fn letter(letter: char) -> u64 {
    5 + (u64::from(letter as u32) - u64::from('a' as u32))
}

#[test]
fn tokens_are_shown_with_their_characters_and_put_together_again() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    let server = registry.serve();
    let tokens = answer(&server, "/tokenize", &json!({ "inputs": ["a cä", "b"] }));
    let ids: Vec<u64> = tokens[0].as_array().unwrap().iter().map(|t| t["id"].as_u64().unwrap()).collect();
    assert_eq!((ids[0], ids[ids.len() - 1]), (CLS, SEP));
    assert_eq!(
        tokens[0][0],
        json!({ "id": CLS, "text": "[CLS]", "special": true, "start": null, "stop": null })
    );
    assert_eq!(
        tokens[0][1],
        json!({ "id": letter('a'), "text": "a", "special": false, "start": 0, "stop": 1 })
    );
    // The accent goes, the characters that a token stands for are those of the text.
    assert_eq!(tokens[0][3]["text"], "ä");
    assert_eq!((&tokens[0][3]["start"], &tokens[0][3]["stop"]), (&json!(3), &json!(4)));
    let bare = answer(&server, "/tokenize", &json!({ "inputs": "a cä", "add_special_tokens": false }));
    assert_eq!(bare[0].as_array().unwrap()[..], tokens[0].as_array().unwrap()[1..4]);

    assert_eq!(answer(&server, "/decode", &json!({ "ids": ids })), json!(["a ca"]));
    let both = json!({ "ids": [ids, [letter('b')]], "skip_special_tokens": false });
    assert_eq!(answer(&server, "/decode", &both), json!(["[CLS] a ca [SEP]", "b"]));
}

#[test]
fn every_token_has_a_vector_whose_mean_is_that_of_the_text() {
    let registry = Registry::new();
    register(&registry, "vectors", ("bert-embedding", Task::Embedding), &[]);
    let server = registry.serve();
    let all = answer(&server, "/embed_all", &json!({ "inputs": ["a cat", "b"] }));
    let counts: Vec<usize> =
        all.as_array().unwrap().iter().map(|text| text.as_array().unwrap().len()).collect();
    // Letters of two words, or one, between two special tokens.
    assert_eq!(counts, [6, 3]);
    let plain = numbers(&answer(&server, "/embed", &json!({ "inputs": "a cat", "normalize": false }))[0]);
    let rows: Vec<Vec<f64>> = all[0].as_array().unwrap().iter().map(numbers).collect();
    let pooled: Vec<f64> =
        (0..16).map(|place| rows.iter().map(|row| row[place]).sum::<f64>() / rows.len() as f64).collect();
    let length = dot(&pooled, &pooled).sqrt() * dot(&plain, &plain).sqrt();
    assert!(
        (dot(&pooled, &plain) / length - 1.0).abs() < 1e-4,
        "the reference pools by the mean: {pooled:?} {plain:?}"
    );
}
