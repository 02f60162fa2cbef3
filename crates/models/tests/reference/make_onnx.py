"""Writes the tiny ONNX files of the folder `onnx`, with the outputs that ONNX Runtime gives for them.

The weights are those of the tiny models that `make.py` writes, or drawn here. `reference.json` has the form of the
others: token ids of a few sequences, and the output for each of them alone.

    python3 -m venv VENV && VENV/bin/pip install -r requirements.txt -r onnx_requirements.txt
    VENV/bin/python make_onnx.py
"""

import json
import pathlib
import shutil
import warnings

import numpy
import onnx
import onnxruntime
import torch
import transformers as t
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

HERE = pathlib.Path(__file__).parent
OUT = HERE / "onnx"
VOCABULARY = 61
OPSET = 17


class Answer(torch.nn.Module):
    """A model that takes its inputs in order and gives the outputs that are asked for, in order."""

    def __init__(self, model, inputs, outputs):
        super().__init__()
        self.model, self.inputs, self.outputs = model, inputs, outputs

    def forward(self, *values):
        answer = self.model(**dict(zip(self.inputs, values)))
        return tuple(self.value(answer, name) for name in self.outputs)

    def value(self, answer, name):
        if name == "token_embeddings":
            return answer.last_hidden_state
        if name == "sentence_embedding":
            # The pooling that a sentence encoder's file has inside: the state of the first token, of length one.
            return torch.nn.functional.normalize(answer.last_hidden_state[:, 0], dim=1)
        if name == "probabilities":
            return torch.softmax(answer.logits, dim=1)
        return answer[name]


def export(path, source, kind, inputs, outputs, fixed=False):
    model = kind.from_pretrained(HERE / source, dtype=torch.float32, attn_implementation="eager").eval()
    example = tuple(torch.ones(2, 7, dtype=torch.long) for _ in inputs)
    axes = {name: {0: "batch", 1: "sequence"} for name in inputs}
    axes.update({name: {0: "batch"} for name in outputs})
    if "last_hidden_state" in outputs or "token_embeddings" in outputs or kind is t.AutoModelForTokenClassification:
        axes[outputs[0]] = {0: "batch", 1: "sequence"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Answer(model, inputs, outputs),
            example,
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=None if fixed else axes,
            opset_version=OPSET,
            dynamo=False,
        )


def bag(path, external):
    """A model without a mask: the mean of its tokens' vectors, and a product. Its weights lie in a file of their own."""
    generator = numpy.random.default_rng(5)
    weights = {
        "table": generator.normal(0, 0.7, (VOCABULARY, 8)),
        "product": generator.normal(0, 0.5, (8, 3)),
        "bias": generator.normal(0, 0.2, 3),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["mean", "product", "bias"], ["scores"]),
    ]
    tensors = [numpy_helper.from_array(value.astype("float32"), name) for name, value in weights.items()]
    save(path, nodes, tensors)
    if external:
        model = onnx.load(path)
        onnx.save(
            model,
            path,
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location="weights.onnx_data",
            size_threshold=0,
        )


def strange(path):
    """A model with an operator that few programs know."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("LpPool", ["numbers"], ["scores"], kernel_shape=[2]),
    ]
    save(path, nodes, [])


def save(path, nodes, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", None])
    graph = helper.make_graph(nodes, "tiny", [ids], [scores], tensors)
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


def reference(folder, output, finish=lambda values: values):
    """What ONNX Runtime gives for the sequences of the model that stands beside."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    cases = json.loads((HERE / "bert-sequence" / "reference.json").read_text())["cases"]
    written = []
    for case in cases:
        ids, type_ids = case["ids"], case["typeIds"]
        feed = {"input_ids": [ids], "attention_mask": [[1] * len(ids)], "token_type_ids": [type_ids]}
        feed = {name: numpy.array(value, dtype=numpy.int64) for name, value in feed.items() if name in names}
        values = finish(session.run([output], feed)[0][0])
        written.append({"ids": ids, "typeIds": type_ids, "output": [round(float(v), 7) for v in values.flatten()]})
    (folder / "reference.json").write_text(json.dumps({"cases": written}) + "\n")


def copy(source, folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(HERE / source / name, folder / name)


def normalised_mean(states):
    mean = states.mean(0)
    return mean / numpy.linalg.norm(mean)


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    bert = ["input_ids", "attention_mask", "token_type_ids"]
    sequence, tokens, base = t.AutoModelForSequenceClassification, t.AutoModelForTokenClassification, t.AutoModel

    export(OUT / "sequence" / "model.onnx", "bert-sequence", sequence, bert, ["logits"])
    copy("bert-sequence", OUT / "sequence", "config.json")
    reference(OUT / "sequence", "logits")

    export(OUT / "tokens" / "model.onnx", "distilbert-tokens", tokens, bert[:2], ["logits"])
    copy("distilbert-tokens", OUT / "tokens", "config.json")
    reference(OUT / "tokens", "logits")

    states = ["last_hidden_state", "pooler_output"]
    export(OUT / "embedding" / "model.onnx", "bert-embedding", base, bert, states)
    copy("bert-embedding", OUT / "embedding", "config.json", "modules.json", "1_Pooling/config.json")
    reference(OUT / "embedding", "last_hidden_state", normalised_mean)

    export(OUT / "states" / "model.onnx", "bert-embedding", base, bert, states[:1])
    reference(OUT / "states", "last_hidden_state", lambda values: values.mean(0))

    vectors = ["token_embeddings", "sentence_embedding"]
    export(OUT / "vector" / "model.onnx", "bert-embedding", base, bert, vectors)
    reference(OUT / "vector", "sentence_embedding")

    (OUT / "quantised").mkdir()
    quantize_dynamic(
        OUT / "sequence" / "model.onnx", OUT / "quantised" / "model.onnx", weight_type=QuantType.QInt8, per_channel=True
    )
    copy("bert-sequence", OUT / "quantised", "config.json")
    reference(OUT / "quantised", "logits")

    bag(OUT / "external" / "model.onnx", external=True)
    reference(OUT / "external", "scores")

    # What is refused.
    export(OUT / "probabilities" / "model.onnx", "bert-sequence", sequence, bert, ["probabilities"])
    export(OUT / "fixed" / "model.onnx", "bert-sequence", sequence, bert, ["logits"], fixed=True)
    strange(OUT / "strange" / "model.onnx")
