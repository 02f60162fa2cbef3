"""The peer of the cold-start figure: MiniLM in int8 behind FastAPI, as one would write it in an afternoon.

Usage: cold_start_peer.py MODEL.onnx TOKENIZER.json PORT
"""

import sys

import fastapi
import numpy
import onnxruntime
import pydantic
import tokenizers
import uvicorn

model, tokenizer, port = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
tokenizer = tokenizers.Tokenizer.from_file(tokenizer)
app = fastapi.FastAPI()


class Request(pydantic.BaseModel):
    inputs: str


@app.post("/embed")
def embed(request: Request):
    ids = numpy.array([tokenizer.encode(request.inputs).ids])
    inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
    mean = session.run(None, inputs)[0][0].mean(0)
    return {"embedding": (mean / numpy.linalg.norm(mean)).tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
