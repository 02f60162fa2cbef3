"""What tests need that serve models of their own: free ports, keys, a tiny embedding model, a server."""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import string
import subprocess
import time

import requests

BINARY = os.environ.get("LOQUAT_TEST_BINARY")
TINY = pathlib.Path(__file__).parents[2] / "crates" / "models" / "tests" / "reference" / "bert-embedding"
# Below the ports that a kernel hands to outgoing connections.
PORTS = range(15_000, 32_000)
RESOURCE = """
apiVersion: loquat.dev/v1alpha1
kind: Model
metadata: {{ name: {name} }}
spec:
  task: embedding
  source: {{ path: "{source}" }}
"""


def free_port(count=1):
    """The first of `count` ports in a row that are free on loopback."""
    for _ in range(100):
        first = random.choice(PORTS)
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in range(first, first + count):
                sockets.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise RuntimeError("no free port found")


def tiny_model(folder):
    """Makes `folder` a tiny embedding model in the Hugging Face layout, whose tokenizer knows letters."""
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("reference.json"))
    special, letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], list(string.ascii_lowercase)
    vocabulary = special + letters + [f"##{letter}" for letter in letters] + list(".,!?")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")


def embedding_model(folder, name):
    """Imports that model into the registry of `folder` under `name`."""
    source = folder / "source" / name
    tiny_model(source)
    (folder / f"{name}.yaml").write_text(RESOURCE.format(name=name, source=source))
    loquat("train", folder)


def key(file, name, *options):
    """A new key in the file of keys `file`."""
    return loquat("keys", "new", name, "--keys", file, *options).strip()


def loquat(*arguments, **variables):
    """Runs the binary, which must succeed, and gives its standard output."""
    done = attempt(*arguments, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def attempt(*arguments, **variables):
    """Runs the binary with further variables and gives the finished process."""
    command = [BINARY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | variables)


@contextlib.contextmanager
def serve(folder, *options, **variables):
    """The address of a server of `folder`, until the block ends."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [BINARY, "serve", folder, "--listen", url.removeprefix("http://"), *options]
    with running(list(map(str, command)), f"{url}/health/ready", env=os.environ | variables):
        yield url


@contextlib.contextmanager
def running(command, answers, **options):
    """A process, from when `answers` is answered until the block ends."""
    process = subprocess.Popen(command, **options)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(answers, timeout=5).status_code < 500:
                    break
            time.sleep(0.05)
        else:
            raise TimeoutError(f"{command} did not answer")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)
