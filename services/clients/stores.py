"""Object stores on loopback that the protocols' own clients speak with: moto, Azurite and fake-gcs-server.

Usage: stores.py NAME INSTALLED FILE COMMAND…   runs COMMAND beside the store NAME (s3, azure or google), whose bucket holds FILE
"""

import contextlib
import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import requests

from served import free_port, running

# The emulators check signatures but for Google's; these names and keys open nothing else.
ACCOUNT, SECRET = "loquat", "bG9xdWF0"
QUIET = {"stdout": subprocess.DEVNULL}


class Store:
    """A store: the `variables` that lead Loquat there, the address of its bucket, and `put(key, bytes)`."""

    def __init__(self, url, variables, put):
        self.url, self.variables, self.put = url, variables, put


@contextlib.contextmanager
def s3(_, folder):
    import boto3

    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", url.rsplit(":", 1)[1]]
    with running(command, url, stderr=(folder / "moto.log").open("w"), **QUIET):
        names = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=url, **names)
        client.create_bucket(Bucket="loquat")
        variables = {name.upper().replace("REGION_NAME", "AWS_REGION"): value for name, value in names.items()}
        yield Store(
            "s3://loquat",
            variables | {"AWS_ENDPOINT_URL": url},
            lambda key, content: client.put_object(Bucket="loquat", Key=key, Body=content),
        )


@contextlib.contextmanager
def azure(installed, folder):
    from azure.storage.blob import ContainerClient

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [f"{installed}/node_modules/.bin/azurite-blob", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    command += ["--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with running(command, url, env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{SECRET}"}, cwd=folder, **QUIET):
        credential = {"account_name": ACCOUNT, "account_key": SECRET}
        container = ContainerClient(f"{url}/{ACCOUNT}", "loquat", credential=credential)
        container.create_container()
        variables = {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": SECRET,
            "AZURE_STORAGE_ENDPOINT": f"{url}/{ACCOUNT}",
        }
        yield Store("az://loquat", variables, lambda key, content: container.upload_blob(key, content, overwrite=True))


class Gateway(http.server.BaseHTTPRequestHandler):
    """Hands requests on to fake-gcs-server, whose `PUT` of an object is known to its JSON protocol only."""

    protocol_version = "HTTP/1.1"
    behind = None

    def hand_on(self):
        method, url = self.command, self.behind + self.path
        if method == "PUT":
            bucket, key = self.path.removeprefix("/").split("/", 1)
            parameters = {"uploadType": "media", "name": urllib.parse.unquote(key)}
            if "x-goog-if-generation-match" in self.headers:
                parameters["ifGenerationMatch"] = self.headers["x-goog-if-generation-match"]
            method, url = "POST", f"{self.behind}/upload/storage/v1/b/{bucket}/o?{urllib.parse.urlencode(parameters)}"
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")}
        answer = requests.request(method, url, data=body, headers=kept, timeout=10)
        headers = {name: value for name, value in answer.headers.items() if name.lower().startswith(("x-goog", "last", "etag", "content-r"))}
        if self.command == "PUT" and answer.ok:
            headers |= {"etag": f'"{answer.json()["etag"]}"', "x-goog-generation": answer.json()["generation"]}
        self.send_response(answer.status_code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_PUT = do_DELETE = hand_on

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def google(installed, folder):
    port = free_port(2)
    url = f"http://127.0.0.1:{port}"
    command = [f"{installed}/bin/fake-gcs-server", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-backend", "memory", "-public-host", f"127.0.0.1:{port}", "-external-url", url, "-log-level", "error"]
    with running(command, f"{url}/storage/v1/b", cwd=folder, **QUIET):
        requests.post(f"{url}/storage/v1/b", json={"name": "loquat"}, timeout=10).raise_for_status()

        def put(key, content):
            parameters = urllib.parse.urlencode({"uploadType": "media", "name": key})
            requests.post(f"{url}/upload/storage/v1/b/loquat/o?{parameters}", data=content, timeout=10).raise_for_status()

        Gateway.behind = url
        with http.server.ThreadingHTTPServer(("127.0.0.1", port + 1), Gateway) as gateway:
            threading.Thread(target=gateway.serve_forever, daemon=True).start()
            yield Store("gs://loquat", {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{port + 1}"}, put)
            gateway.shutdown()


STORES = {"s3": s3, "azure": azure, "google": google}


def main():
    name, installed, file, *command = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, STORES[name](installed, pathlib.Path(folder)) as store:
        store.put(os.path.basename(file), pathlib.Path(file).read_bytes())
        sys.exit(subprocess.run(command, env=os.environ | store.variables).returncode)


if __name__ == "__main__":
    main()
