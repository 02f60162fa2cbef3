//! What the body of each route looks like.

use crate::json::Kind::{self, Either, Flag, List, Name, Number, Object, Text, Texts};
use crate::json::Member;

/// Names of models: those that there are, and one that there is not.
pub(crate) const MODELS: [&str; 8] =
    ["tickets", "topics", "prompted", "pairs", "tokens", "zero-shot", "ranks", "nobody"];
const MODEL: Kind = Name(&MODELS);
const PROMPT: Member = ("prompt_name", Name(&["query", "passage", "nothing"]));
const TRUNCATE: Member = ("truncate", Flag);
const DIRECTION: Member = ("truncation_direction", Name(&["Right", "Left", "right"]));

const PARAMETERS: Kind = Object(&[
    ("top_k", Number),
    ("explain", Flag),
    ("labels", List(&Text)),
    ("template", Text),
    ("exclusive", Flag),
    ("threshold", Number),
    PROMPT,
]);
const INPUT: Kind = Object(&[
    ("text", Text),
    ("premise", Text),
    ("hypothesis", Text),
    ("text_a", Text),
    ("text_b", Text),
    ("sequence", Text),
    ("labels", List(&Text)),
]);
const INPUTS: Kind = Either(&[Texts, List(&INPUT), INPUT]);
const TENSOR: Kind = Object(&[
    ("name", Name(&["text", "input-0", "inputs", "other"])),
    ("datatype", Name(&["BYTES", "FP32", "INT64", "BOOL", "bytes"])),
    ("shape", List(&Number)),
    ("data", Texts),
    ("parameters", Object(&[("binary_data_size", Number), ("content_type", Text)])),
]);
const OUTPUT: Kind = Object(&[
    ("name", Name(&["label", "score", "scores", "labels", "entities", "embedding", "other"])),
    ("parameters", Object(&[("classification", Number), ("binary_data", Flag)])),
]);
const INFER: &[Member] = &[
    ("id", Text),
    ("model_name", MODEL),
    ("inputs", List(&TENSOR)),
    ("outputs", List(&OUTPUT)),
    (
        "parameters",
        Object(&[
            ("priority", Number),
            ("timeout", Number),
            ("threshold", Number),
            ("binary_data_output", Flag),
            ("sequence_id", Number),
        ]),
    ),
];
const MESSAGE: Kind =
    Object(&[("role", Name(&["user", "system", "assistant", "tool"])), ("content", Texts), ("name", Text)]);
const RESOURCE: &[Member] = &[
    ("apiVersion", Name(&["loquat.dev/v1alpha1", "v1"])),
    ("kind", Name(&["Endpoint", "Dataset", "Stream", "Pod"])),
    ("metadata", Object(&[("name", Name(&["help", "tickets", "Help"]))])),
    (
        "spec",
        Object(&[
            ("model", Name(&["tickets", "tickets:2", "topics@champion", "a b"])),
            ("default", Flag),
            ("traffic", List(&Object(&[("model", Name(&["tickets:1"])), ("percent", Number)]))),
            ("shadow", List(&MODEL)),
            ("scaling", Object(&[("minReplicas", Number), ("idleTimeout", Text)])),
            ("requests", Object(&[("timeout", Text), ("maxQueue", Number)])),
        ]),
    ),
];
const TEI_TEXTS: &[Member] =
    &[("inputs", Texts), ("normalize", Flag), TRUNCATE, DIRECTION, PROMPT, ("dimensions", Number)];
const TEI_PREDICT: &[Member] = &[
    ("inputs", Texts),
    ("raw_scores", Flag),
    TRUNCATE,
    DIRECTION,
    ("parameters", Object(&[("top_k", Number), ("function_to_apply", Text)])),
];

/// The members of the JSON body of a route.
const MEMBERS: &[(&str, &[Member])] = &[
    ("/models/{endpoint}/predict", &[("inputs", INPUTS), ("parameters", PARAMETERS)]),
    ("/apis/loquat.dev/v1alpha1", RESOURCE),
    ("/apis/loquat.dev/v1alpha1/{kind}/{name}", RESOURCE),
    ("/v2/models/{model}/infer", INFER),
    ("/v2/models/{model}/versions/{version}/infer", INFER),
    ("/v2/repository/index", &[("ready", Flag)]),
    ("/v2/repository/models/{model}/load", &[("parameters", Object(&[("config", Text)]))]),
    ("/v2/repository/models/{model}/unload", &[("parameters", Object(&[("unload_dependents", Flag)]))]),
    ("/v1/models/{model}:predict", &[("instances", INPUTS), ("signature_name", Text)]),
    (
        "/v1/chat/completions",
        &[
            ("model", MODEL),
            ("messages", List(&MESSAGE)),
            ("stream", Flag),
            ("stream_options", Object(&[("include_usage", Flag)])),
            ("n", Number),
            ("temperature", Number),
            ("max_tokens", Number),
            ("stop", Texts),
            ("response_format", Object(&[("type", Name(&["json_object", "text"]))])),
            ("tools", List(&Object(&[]))),
            ("logprobs", Flag),
        ],
    ),
    ("/v1/embeddings", EMBEDDINGS),
    ("/embeddings", EMBEDDINGS),
    ("/", TEI_PREDICT),
    ("/predict", TEI_PREDICT),
    ("/embed", TEI_TEXTS),
    ("/embed_all", TEI_TEXTS),
    ("/embed_sparse", TEI_TEXTS),
    (
        "/similarity",
        &[
            ("inputs", Object(&[("source_sentence", Text), ("sentences", Texts)])),
            ("parameters", Object(&[TRUNCATE, DIRECTION, PROMPT])),
        ],
    ),
    (
        "/rerank",
        &[
            ("query", Text),
            ("texts", List(&Text)),
            ("raw_scores", Flag),
            ("return_text", Flag),
            TRUNCATE,
            DIRECTION,
        ],
    ),
    ("/tokenize", &[("inputs", Texts), ("add_special_tokens", Flag), PROMPT]),
    ("/decode", &[("ids", Either(&[List(&Number), List(&List(&Number))])), ("skip_special_tokens", Flag)]),
    ("/vertex", &[("instances", List(&Object(TEI_PREDICT)))]),
    (
        "/invocations",
        &[
            (
                "dataframe_split",
                Object(&[("columns", List(&Text)), ("data", List(&List(&Text))), ("index", List(&Number))]),
            ),
            ("dataframe_records", List(&INPUT)),
            ("instances", INPUTS),
            ("inputs", Texts),
            ("params", Object(&[("top_k", Number)])),
        ],
    ),
    ("/detect", &[("q", Texts), ("api_key", Text)]),
    (
        "/translate",
        &[
            ("q", Texts),
            ("source", Name(&["auto", "de"])),
            ("target", Name(&["en", "xx"])),
            ("format", Name(&["text", "html"])),
            ("alternatives", Number),
        ],
    ),
    ("/classify", &[("sequence", Texts), ("labels", List(&Text))]),
];
const EMBEDDINGS: &[Member] = &[
    ("input", Texts),
    ("model", MODEL),
    ("encoding_format", Name(&["float", "base64", "hex"])),
    ("dimensions", Number),
    ("user", Text),
];

/// The members of the body that a route takes.
pub(crate) fn members(path: &str) -> Option<&'static [Member]> {
    MEMBERS.iter().find(|(known, _)| *known == path).map(|(_, members)| *members)
}
