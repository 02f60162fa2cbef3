"""The servers that the figure encoder-throughput compares with: MiniLM over HTTP, each at its best settings for one core.

Usage: serving_peers.py version NAME          prints the versions that matter
       serving_peers.py NAME PORT FOLDER      serves on PORT; models are made in FOLDER on first use

  fastapi   FastAPI, uvicorn and ONNX Runtime int8: a queue that is emptied up to 32 texts at a time, sorted by length
  litserve  LitServe with its own batching over the same ONNX Runtime int8
  infinity  infinity_emb over ONNX Runtime int8
  flask-1   Flask and transformers in single precision, one text a call, one process; flask-2: two processes

fastapi, litserve and flask take {"inputs": TEXT} and answer [VECTOR], as text-embeddings-inference does.
"""

import asyncio
import importlib.metadata
import os
import sys

MOST = 32
PACKAGES = {
    "fastapi": ["fastapi", "uvicorn", "onnxruntime"],
    "litserve": ["litserve", "onnxruntime"],
    "infinity": ["infinity_emb", "onnxruntime"],
    "flask-1": ["flask", "gunicorn", "transformers", "torch"],
    "flask-2": ["flask", "gunicorn", "transformers", "torch"],
}


def int8(folder):
    """A function from texts to unit vectors by ONNX Runtime int8, one thread."""
    import encoder_peers
    import numpy
    import tokenizers

    encoder_peers.make_models(folder)
    session = encoder_peers.onnx_runtime(os.path.join(folder, "fused-int8.onnx"))
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(encoder_peers.MODEL, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)

    def embed(texts):
        states, mask = session([encoding.ids for encoding in tokenizer.encode_batch(texts)])
        weights = mask[:, :, None].astype(numpy.float32)
        vectors = (states * weights).sum(axis=1) / weights.sum(axis=1)
        return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)

    return embed


def fastapi(port, folder):
    import contextlib

    import uvicorn
    from fastapi import FastAPI, Request

    embed = int8(folder)
    waiting = []
    arrived = asyncio.Event()

    async def work():
        loop = asyncio.get_running_loop()
        while True:
            await arrived.wait()
            # Texts of like length go together, so that little is padded; the oldest is never left behind.
            oldest = waiting[0]
            waiting.sort(key=lambda item: abs(len(item[0]) - len(oldest[0])))
            batch, waiting[:] = waiting[:MOST], sorted(waiting[MOST:], key=lambda item: item[2])
            if not waiting:
                arrived.clear()
            vectors = await loop.run_in_executor(None, embed, [text for text, _, _ in batch])
            for (_, answer, _), vector in zip(batch, vectors):
                if not answer.done():
                    answer.set_result(vector.tolist())

    @contextlib.asynccontextmanager
    async def lifespan(_):
        task = asyncio.create_task(work())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)
    numbers = iter(range(sys.maxsize))

    @app.post("/embed")
    async def answer(request: Request):
        text = (await request.json())["inputs"]
        future = asyncio.get_running_loop().create_future()
        waiting.append((text, future, next(numbers)))
        arrived.set()
        return [await future]

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", loop="uvloop", http="httptools")


# LitServe's workers are processes that import this file again, so what they run must stand here.
try:
    import litserve as ls
except ImportError:
    Api = object
else:
    Api = ls.LitAPI


class MiniLM(Api):
    def __init__(self, folder):
        super().__init__(max_batch_size=MOST, batch_timeout=0.005)
        self.folder = folder

    def setup(self, device):
        self.embed = int8(self.folder)

    def decode_request(self, request):
        return request["inputs"]

    def batch(self, inputs):
        return list(inputs)

    def predict(self, texts):
        return self.embed(texts)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return [output.tolist()]


def litserve(port, folder):
    server = ls.LitServer(MiniLM(folder), accelerator="cpu", workers_per_device=1)
    server.run(port=port, host="127.0.0.1", log_level="error", generate_client_file=False)


def infinity(port, folder):
    model = os.path.join(folder, "infinity")
    if not os.path.exists(model):
        import shutil

        import encoder_peers
        import onnx

        encoder_peers.make_models(folder)
        # It takes a folder with the graph in it, prefers one whose name says that it is quantised, and reads this output.
        part = f"{model}.part"
        shutil.copytree(encoder_peers.MODEL, part, dirs_exist_ok=True)
        graph = onnx.load(os.path.join(folder, "fused-int8.onnx"))
        for node in graph.graph.node:
            node.output[:] = ["last_hidden_state" if name == "states" else name for name in node.output]
        graph.graph.output[0].name = "last_hidden_state"
        onnx.save(graph, os.path.join(part, "model_quantized.onnx"))
        os.rename(part, model)
    os.execvp(
        os.path.join(os.path.dirname(sys.executable), "infinity_emb"),
        ["infinity_emb", "v2", "--model-id", model, "--served-model-name", "default", "--engine", "optimum", "--pooling-method", "mean"]
        + ["--device", "cpu", "--batch-size", str(MOST), "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"],
    )


def flask(port, processes):
    os.environ["LOQUAT_PEER"] = "flask"
    os.execvp(
        os.path.join(os.path.dirname(sys.executable), "gunicorn"),
        ["gunicorn", "--chdir", os.path.dirname(os.path.abspath(__file__)), "--bind", f"127.0.0.1:{port}"]
        + ["--workers", str(processes), "--backlog", "2048", "--keep-alive", "60", "--worker-class", "gthread", "--threads", "1"]
        + ["--log-level", "error", "serving_peers:flask_app()"],
    )


def flask_app():
    import encoder_peers
    import torch
    import transformers
    from flask import Flask, jsonify, request

    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(encoder_peers.MODEL)
    model = encoder_peers.load_torch("sdpa")
    app = Flask("minilm")

    @app.post("/embed")
    def answer():
        tokens = tokenizer(request.get_json()["inputs"], return_tensors="pt", truncation=True, max_length=256)
        with torch.inference_mode():
            vector = model(**tokens).last_hidden_state.mean(dim=1)
        return jsonify(torch.nn.functional.normalize(vector).tolist())

    return app


def main():
    if sys.argv[1] == "version":
        print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES[sys.argv[2]]))
        return
    name, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    if name.startswith("flask"):
        flask(port, int(name.rsplit("-", 1)[1]))
    else:
        {"fastapi": fastapi, "litserve": litserve, "infinity": infinity}[name](port, folder)


if __name__ == "__main__":
    main()
