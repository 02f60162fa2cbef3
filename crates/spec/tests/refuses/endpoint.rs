//! What is wrong with Endpoints.

use crate::case::{Case, check, endpoint};

#[test]
fn fields_of_an_endpoint() {
    check(&[
        Case {
            name: "parts that do not exist yet",
            text: endpoint(
                "  cascade: [{ model: s, agreement: 0.98 }]\n  template: \"{label}\"\n  \
                 traffic: [{ model: \"m:4\", percent: 10 }]\n  shadow: [m@x]\n  resources: { memory: 500MB, gpu: 2 }\n  requests: { maxBatchTokens: 0 }\n",
            ),
            found: &[
                "6:3 missing-field spec.cascade",
                "10:16 not-yet-supported spec.resources.memory",
                "10:36 not-yet-supported spec.resources.gpu",
                "11:31 invalid-value spec.requests.maxBatchTokens",
            ],
            says: &["depends on the labels, and the endpoint has none", "add spec.labels"],
        },
        Case {
            name: "a cascade that can't be",
            text: endpoint(
                "  cascade:\n    - { model: m, agreement: 1 }\n    - { model: s, agreement: 0 }\n    - { model: s@champion }\n    \
                 - { agreement: 98 }\n",
            ),
            found: &[
                "7:16 invalid-value spec.cascade[0].model",
                "7:30 invalid-value spec.cascade[0].agreement",
                "8:30 invalid-value spec.cascade[1].agreement",
                "9:16 invalid-value spec.cascade[2].model",
                "10:7 missing-field spec.cascade[3].model",
                "10:20 invalid-value spec.cascade[3].agreement",
            ],
            says: &["add model", "write a share above 0 and below 1", "s@champion is asked twice"],
        },
        Case {
            name: "a task that no model can stand in for, and a template without a label",
            text: endpoint("  task: translation\n  template: \"About it.\"\n"),
            found: &["6:9 invalid-value spec.task", "7:13 invalid-value spec.template"],
            says: &["zero-shot-classification", "This example is {label}."],
        },
        Case {
            name: "scaling",
            text: endpoint(
                "  scaling: { minReplicas: 0, maxReplicas: 8, targetQueueTime: 20ms, idleTimeout: 5m }\n",
            ),
            found: &[
                "6:43 not-yet-supported spec.scaling.maxReplicas",
                "6:46 not-yet-supported spec.scaling.targetQueueTime",
            ],
            says: &["write 1 or remove it"],
        },
        Case {
            name: "shares",
            text: endpoint(
                "  traffic: [{ model: \"m:4\", percent: 60 }, { model: \"m:5\", percent: 50 }, { model: m }]\n",
            ),
            found: &["6:12 invalid-value spec.traffic", "6:75 missing-field spec.traffic[2]"],
            says: &["at most 100"],
        },
        Case {
            name: "limits",
            text: endpoint(
                "  requests: { timeout: 4000d, maxQueue: 0, maxLength: 0, maxInputs: 1.5 }\n  default: yes\n",
            ),
            found: &[
                "6:24 invalid-value spec.requests.timeout",
                "6:41 invalid-value spec.requests.maxQueue",
                "6:55 invalid-value spec.requests.maxLength",
                "6:69 wrong-type spec.requests.maxInputs",
                "7:12 wrong-type spec.default",
            ],
            says: &["true or false", "a whole number", "at most 3650d"],
        },
    ]);
}
