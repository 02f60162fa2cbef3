//! What is wrong with Models.

use crate::case::{Case, check, resource};

#[test]
fn fields_of_a_model() {
    check(&[
        Case {
            name: "nothing named",
            text: resource("Model", "  labels: [a, a]\n"),
            found: &[
                "4:1 missing-field spec.source",
                "4:1 missing-field spec.task",
                "5:15 invalid-value spec.labels[1]",
            ],
            says: &["add task", "add source: { path: ./folder }", "name each label once"],
        },
        Case {
            name: "parts that do not exist yet",
            text: resource("Model", "  task: translation\n  source: { path: ./folder }\n"),
            found: &["5:9 not-yet-supported spec.task"],
            says: &["classify, mark or embed"],
        },
        Case {
            name: "a server with what belongs to files",
            text: resource(
                "Model",
                "  task: token-classification\n  server: { url: \"127.0.0.1:9001\", protocol: oip-v2, command: [\"\"] }\n  source: { path: ./x }\n  maxLength: 64\n  precision: int8\n",
            ),
            found: &[
                "4:1 missing-field spec.labels",
                "5:9 not-yet-supported spec.task",
                "6:18 invalid-value spec.server.url",
                "6:63 invalid-value spec.server.command",
                "7:3 invalid-value spec.source",
                "8:3 invalid-value spec.maxLength",
                "9:3 invalid-value spec.precision",
            ],
            says: &["http://127.0.0.1:9001", "does not go with spec.server"],
        },
        Case {
            name: "another protocol",
            text: resource(
                "Model",
                "  task: embedding\n  server: { url: \"http://127.0.0.1:9001\", protocol: grpc }\n",
            ),
            found: &["6:53 invalid-value spec.server.protocol"],
            says: &["oip-v2"],
        },
        Case {
            name: "places that are not yet read",
            text: resource(
                "Model",
                "  task: embedding\n  source: { path: \"ftp://bucket/model\" }\n  labels: [a]\n",
            ),
            found: &["6:19 not-yet-supported spec.source.path", "7:3 invalid-value spec.labels"],
            says: &["hf://owner/name", "embedding has no labels"],
        },
        Case {
            name: "an ONNX file elsewhere",
            text: resource("Model", "  task: embedding\n  source: { path: \"s3://bucket/a/model.onnx\" }\n"),
            found: &["6:19 not-yet-supported spec.source.path"],
            says: &["name the folder"],
        },
        Case {
            name: "a hub reference that climbs out",
            text: resource("Model", "  task: embedding\n  source: { path: \"hf://a/..\" }\n"),
            found: &["6:19 invalid-value spec.source.path"],
            says: &["hf://owner/name"],
        },
        Case {
            name: "values",
            text: resource(
                "Model",
                "  task: embedding\n  source: { path: m }\n  precision: int4\n  agreement: most\n  maxLength: 1\n  template: \"{label}\"\n  dataset: d\n",
            ),
            found: &[
                "7:14 invalid-value spec.precision",
                "8:14 invalid-value spec.agreement",
                "9:14 invalid-value spec.maxLength",
                "10:3 invalid-value spec.template",
            ],
            says: &["f32, int8", "98%"],
        },
        Case {
            name: "one name for two ways to a model",
            text: format!(
                "{}---\n{}",
                resource("Model", "  task: embedding\n  source: { path: m }\n"),
                resource("Model", "  task: embedding\n  source: { path: n }\n"),
            ),
            found: &["10:19 duplicate-name metadata.name"],
            says: &["rename or remove one of the two"],
        },
    ]);
}
