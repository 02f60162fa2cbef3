"""A small model hub that speaks the Hugging Face protocol, for tests: `server.py ROOT [PORT]`.

ROOT holds one folder per model, `ROOT/owner/name`. Every model has the one branch `main`. Files of safetensors come from a
"large file store" under another host name, as they do from the real hub. Prints its address on the first line.
"""

import hashlib
import http.server
import json
import pathlib
import sys
import urllib.parse


def commit_of(folder):
    """A commit's name that follows from the files."""
    digest = hashlib.sha1()
    for path in files_of(folder):
        digest.update(path.encode())
        digest.update(hashlib.sha256((folder / path).read_bytes()).digest())
    return digest.hexdigest()


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def entry(folder, path):
    """A file of a listing; large ones have the hash of their content, small ones that of git."""
    content = (folder / path).read_bytes()
    found = {"type": "file", "path": path, "size": len(content), "oid": blob_of(content)}
    if path.endswith(".safetensors"):
        found["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 100}
    return found


def blob_of(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = pathlib.Path()

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).strip("/")
        parts = path.split("/")
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            return self.tree(parts[2:4], body) if parts[4:5] == ["tree"] else self.listing(parts[2:4], body)
        if parts[:1] == ["store"] and len(parts) >= 4:
            return self.content(self.root / "/".join(parts[1:]), {}, body)
        if len(parts) >= 5 and parts[2] == "resolve":
            return self.resolve(parts[:2], "/".join(parts[4:]), body)
        return self.failure(404, "EntryNotFound", body)

    def listing(self, model, body):
        folder = self.root.joinpath(*model)
        if not folder.is_dir():
            return self.failure(404, "RepoNotFound", body)
        files = [{"rfilename": path} for path in files_of(folder)]
        answer = {"id": "/".join(model), "sha": commit_of(folder), "siblings": files, "private": False, "tags": []}
        return self.send_json(answer, body)

    def tree(self, model, body):
        folder = self.root.joinpath(*model)
        if not folder.is_dir():
            return self.failure(404, "RepoNotFound", body)
        return self.send_json([entry(folder, path) for path in files_of(folder)], body)

    def resolve(self, model, path, body):
        folder = self.root.joinpath(*model)
        file = folder / path
        if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
            return self.failure(404, "EntryNotFound", body)
        headers = {"X-Repo-Commit": commit_of(folder), "Accept-Ranges": "bytes"}
        content = file.read_bytes()
        if not path.endswith(".safetensors"):
            return self.content(file, {**headers, "ETag": f'"{blob_of(content)}"'}, body)
        digest = hashlib.sha256(content).hexdigest()
        port = self.server.server_address[1]
        headers |= {
            "X-Linked-Etag": f'"{digest}"',
            "X-Linked-Size": str(len(content)),
            "ETag": f'"{digest}"',
            "Location": f"http://localhost:{port}/store/{'/'.join(model)}/{urllib.parse.quote(path)}",
        }
        return self.send(302, headers, b"", body)

    def content(self, file, headers, body):
        if not file.is_file():
            return self.failure(404, "EntryNotFound", body)
        content = file.read_bytes()
        wanted = self.headers.get("Range", "")
        if not wanted.startswith("bytes="):
            return self.send(200, headers, content, body)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        first, last = int(first), int(last or len(content) - 1)
        part = content[first : last + 1]
        headers = {**headers, "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"}
        return self.send(206, headers, part, body)

    def failure(self, status, code, body):
        return self.send(status, {"X-Error-Code": code, "X-Error-Message": code}, b"", body)

    def send_json(self, answer, body):
        self.send(200, {"Content-Type": "application/json"}, json.dumps(answer).encode(), body)

    def send(self, status, headers, content, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def main():
    Hub.root = pathlib.Path(sys.argv[1]).resolve()
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Hub) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
