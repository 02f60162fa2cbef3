"""Writes the tiny random encoders of this folder, with the outputs that `transformers` gives for them.

Each folder holds a model in the Hugging Face layout and `reference.json`: token ids of a few sequences, and the output
for each of them alone (so that no padding is involved). Weights are drawn wide enough for every part to matter.

    python3 -m venv VENV && VENV/bin/pip install -r requirements.txt
    VENV/bin/python make.py
"""

import json
import pathlib
import random
import shutil

import torch
import transformers as t
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
VOCABULARY = 61
LABELS = ["alpha", "beta", "gamma"]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SMALL = dict(vocab_size=VOCABULARY, pad_token_id=0)
COMMON = dict(
    SMALL,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=40,
)
DISTIL = dict(SMALL, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=40)
ROBERTA = dict(COMMON, pad_token_id=1, bos_token_id=0, eos_token_id=2, max_position_embeddings=42, type_vocab_size=1)
DEBERTA_V3 = dict(
    COMMON,
    type_vocab_size=0,
    relative_attention=True,
    position_buckets=8,
    max_relative_positions=-1,
    norm_rel_ebd="layer_norm",
    share_att_key=True,
    pos_att_type="p2c|c2p",
    position_biased_input=False,
    layer_norm_eps=1e-7,
    pooler_hidden_size=16,
)
DEBERTA_V2 = dict(
    DEBERTA_V3,
    share_att_key=False,
    position_biased_input=True,
    type_vocab_size=2,
    position_buckets=-1,
    conv_kernel_size=3,
    conv_act="gelu",
)
MODERN = dict(
    COMMON,
    num_hidden_layers=4,
    global_attn_every_n_layers=3,
    local_attention=6,
    bos_token_id=1,
    cls_token_id=1,
    eos_token_id=2,
    sep_token_id=2,
)
BART = dict(
    vocab_size=VOCABULARY,
    d_model=16,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=24,
    decoder_ffn_dim=20,
    max_position_embeddings=40,
    pad_token_id=1,
    bos_token_id=0,
    eos_token_id=2,
    decoder_start_token_id=2,
    forced_eos_token_id=2,
)

# folder: (configuration, head, what else): heads are those of transformers' Auto classes.
MODELS = {
    "bert-sequence": (t.BertConfig(**COMMON), "sequence", {}),
    "bert-tokens": (t.BertConfig(**COMMON), "tokens", {}),
    "bert-embedding": (t.BertConfig(**COMMON), "base", {"pooling": "mean", "normalise": True}),
    "bert-dense": (t.BertConfig(**COMMON), "base", {"pooling": "cls", "dense": 12, "normalise": True}),
    "bert-plain": (t.BertConfig(**COMMON, hidden_act="relu"), "base", {}),
    "distilbert-sequence": (t.DistilBertConfig(**DISTIL), "sequence", {"shards": "6KB"}),
    "distilbert-tokens": (t.DistilBertConfig(**DISTIL, activation="relu"), "tokens", {}),
    "roberta-sequence": (t.RobertaConfig(**ROBERTA), "sequence", {"dtype": torch.bfloat16}),
    "roberta-tokens": (t.RobertaConfig(**ROBERTA), "tokens", {}),
    "xlm-roberta-sequence": (t.XLMRobertaConfig(**ROBERTA, hidden_act="gelu_new"), "sequence", {}),
    "xlm-roberta-embedding": (t.XLMRobertaConfig(**ROBERTA), "base", {"pooling": "cls", "normalise": False}),
    "deberta-v3-sequence": (t.DebertaV2Config(**DEBERTA_V3), "sequence", {"dtype": torch.float16}),
    "deberta-v3-tokens": (t.DebertaV2Config(**DEBERTA_V3), "tokens", {}),
    "deberta-v3-embedding": (t.DebertaV2Config(**DEBERTA_V3), "base", {"pooling": "mean", "normalise": True}),
    "deberta-v2-sequence": (t.DebertaV2Config(**DEBERTA_V2), "sequence", {}),
    "modernbert-sequence": (t.ModernBertConfig(**MODERN, classifier_pooling="mean"), "sequence", {}),
    "modernbert-cls": (t.ModernBertConfig(**MODERN, classifier_pooling="cls", classifier_bias=True), "sequence", {}),
    "modernbert-tokens": (t.ModernBertConfig(**MODERN), "tokens", {}),
    "modernbert-embedding": (t.ModernBertConfig(**MODERN), "base", {"pooling": "cls", "normalise": True}),
    "bart-sequence": (t.BartConfig(**BART), "sequence", {}),
}
CLASSES = {
    "sequence": t.AutoModelForSequenceClassification,
    "tokens": t.AutoModelForTokenClassification,
    "base": t.AutoModel,
}


def randomise(model):
    """Weights wide enough that attention is far from uniform and every bias and norm matters."""
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            norm = "norm" in name.lower()
            if norm and name.endswith("weight"):
                parameter.uniform_(0.6, 1.4)
            elif parameter.dim() == 1:
                parameter.normal_(0.0, 0.2)
            else:
                parameter.normal_(0.0, 0.7 if "embed" in name else 1.2 / parameter.shape[-1] ** 0.5)


def sequences(config):
    """Sequences of several lengths; the last token is the end of the sequence, and appears nowhere else."""
    generator = random.Random(7)
    types = max(getattr(config, "type_vocab_size", 1) or 1, 1)
    for length in (3, 9, 1 + 22, 36):
        ids = [config.bos_token_id if config.bos_token_id is not None else 3]
        ids += [generator.randrange(4, VOCABULARY) for _ in range(length - 2)]
        ids += [config.eos_token_id if config.eos_token_id is not None else 2]
        yield ids, [min(int(place > length // 2), types - 1) for place in range(length)]


def run(model, head, extra, ids, type_ids):
    arguments = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    if (getattr(model.config, "type_vocab_size", 0) or 0) > 1:
        arguments["token_type_ids"] = torch.tensor([type_ids])
    with torch.no_grad():
        result = model(**arguments)
    if head != "base":
        return result.logits[0].flatten().tolist()
    states = result.last_hidden_state[0]
    if "pooling" not in extra:
        return states.flatten().tolist()
    pooled = states[0] if extra["pooling"] == "cls" else states.mean(0)
    if "dense" in extra:
        with torch.no_grad():
            pooled = torch.tanh(dense(len(pooled), extra)(pooled))
    return (torch.nn.functional.normalize(pooled, dim=0) if extra["normalise"] else pooled).tolist()


def dense(size, extra):
    """The dense module, the same each time."""
    torch.manual_seed(11)
    return torch.nn.Linear(size, extra["dense"])


def write_dense(folder, size, extra):
    folder.mkdir()
    config = {
        "in_features": size,
        "out_features": extra["dense"],
        "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh",
    }
    (folder / "config.json").write_text(json.dumps(config) + "\n")
    weights = {f"linear.{name}": value for name, value in dense(size, extra).state_dict().items()}
    save_file(weights, folder / "model.safetensors")


def write_pooling(folder, size, extra):
    """The files of sentence-transformers."""
    kinds = ["Transformer", "Pooling"] + ["Dense"] * ("dense" in extra) + ["Normalize"] * extra["normalise"]
    listed = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    if "dense" in extra:
        write_dense(folder / "2_Dense", size, extra)
    (folder / "modules.json").write_text(json.dumps(listed, indent=2) + "\n")
    (folder / "1_Pooling").mkdir()
    pooling = {
        "word_embedding_dimension": size,
        "pooling_mode_cls_token": extra["pooling"] == "cls",
        "pooling_mode_mean_tokens": extra["pooling"] == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling, indent=2) + "\n")


def make(name, config, head, extra):
    torch.manual_seed(sum(map(ord, name)))
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    labels = {"sequence": LABELS, "tokens": TAGS}.get(head)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: number for number, label in enumerate(labels)}
    config._attn_implementation = "eager"
    model = CLASSES[head].from_config(config).eval()
    randomise(model)
    if "dtype" in extra:
        # Stored in two bytes a value, computed in four.
        model = model.to(extra["dtype"])
    model.save_pretrained(folder, max_shard_size=extra.get("shards", "1GB"))
    model = CLASSES[head].from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    cases = [
        {"ids": ids, "typeIds": type_ids, "output": [round(v, 7) for v in run(model, head, extra, ids, type_ids)]}
        for ids, type_ids in sequences(config)
    ]
    (folder / "reference.json").write_text(json.dumps({"cases": cases}) + "\n")
    if "pooling" in extra:
        write_pooling(folder, config.hidden_size, extra)


if __name__ == "__main__":
    for name, (config, head, extra) in MODELS.items():
        print(name)
        make(name, config, head, extra)
