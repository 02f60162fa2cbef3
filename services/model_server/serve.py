"""A model of a few lines behind the Open Inference Protocol v2, as users write them: counts of words decide."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LABELS = ["negative", "positive"]
WORDS = {"good": 1, "great": 1, "bad": -1, "awful": -1}


def score(text):
    balance = sum(WORDS.get(word.strip(".,!?").lower(), 0) for word in text.split())
    positive = min(max(0.5 + 0.2 * balance, 0.0), 1.0)
    return [1 - positive, positive]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/v2/health/") or self.path.endswith("/ready"):
            return self.answer(200, {"ready": True})
        inputs = [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
        outputs = [{"name": "scores", "datatype": "FP32", "shape": [-1, len(LABELS)]}]
        name = self.path.rsplit("/", 1)[-1]
        self.answer(200, {"name": name, "platform": "python", "inputs": inputs, "outputs": outputs})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = body["inputs"][0]["data"]
        if "please crash" in texts:
            sys.stderr.write("crashing as asked\n")
            sys.stderr.flush()
            os._exit(3)
        data = [value for text in texts for value in score(text)]
        tensor = {"name": "scores", "datatype": "FP32", "shape": [len(texts), len(LABELS)], "data": data}
        self.answer(200, {"model_name": "mood", "outputs": [tensor]})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
