"""A real S3 server (MinIO), a client of our own for it, and a wire to it that misbehaves."""

import hashlib
import hmac
import http.client
import json
import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit
from xml.etree import ElementTree

import requests

from servers import Program, Stoppable, free_port, run_script, wait_until

CACHE = Path(os.environ.get("SAGA_TRACKER_CACHE", Path.home() / ".cache" / "saga-tracker"))
PROGRAMS = CACHE / "tools" / "bin"
MINIO = PROGRAMS / "minio"
KEY, SECRET, REGION = "saga-tracker-test", "a secret of the tests", "us-east-1"


def program(path, group):
    """Has `scripts/install.sh` bring it if it is not there."""
    if not path.exists():
        run_script("install.sh", group)
    return path


class S3(Program):
    """One MinIO process with its data in one directory."""

    title = "MinIO"

    def command(self):
        address = f"127.0.0.1:{self.port}"
        return [program(MINIO, "s3"), "server", "--quiet", "--address", address, self.directory / "data"]

    def environment(self):
        return {
            "MINIO_ROOT_USER": KEY,
            "MINIO_ROOT_PASSWORD": SECRET,
            "MINIO_UPDATE": "off",
            "MINIO_BROWSER": "off",
            "MINIO_CALLHOME_ENABLE": "off",
        }

    def serves(self):
        return requests.get(f"{self.endpoint}/minio/health/ready", timeout=5).status_code == 200

    def bucket(self, name):
        # Ready by its own word, it may still answer 503 for a moment.
        wait_until(lambda: self.request("PUT", f"/{name}").status_code in (200, 409), 60, f"bucket {name}")
        return Bucket(self, name)

    def request(self, method, path, query=None, body=b""):
        """One request, signed (AWS Signature Version 4)."""
        now = datetime.now(UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        payload = hashlib.sha256(body).hexdigest()
        names = sorted((query or {}).items())
        line = "&".join(f"{quote(k, safe='')}={quote(str(v), safe='')}" for k, v in names)
        path = quote(path, safe="/~")
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": payload, "x-amz-date": stamp}
        signed = ";".join(headers)
        canonical = "\n".join(
            [method, path, line, *(f"{k}:{v}" for k, v in headers.items()), "", signed, payload],
        )
        scope = f"{day}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{SECRET}".encode()
        for part in (day, REGION, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
        url = f"{self.endpoint}{path}" + (f"?{line}" if line else "")
        return requests.request(method, url, headers=headers, data=body, timeout=60)


class Bucket:
    """The objects of one bucket, as an operator with other tools sees them."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def keys(self, prefix=""):
        """key → size."""
        found, token = {}, None
        while True:
            query = {"list-type": 2, "prefix": prefix} | ({"continuation-token": token} if token else {})
            answer = self.server.request("GET", f"/{self.name}", query)
            assert answer.status_code == 200, answer.text
            tree = ElementTree.fromstring(answer.content)
            name = tree.tag.removesuffix("ListBucketResult")
            for entry in tree.iter(f"{name}Contents"):
                found[entry.find(f"{name}Key").text] = int(entry.find(f"{name}Size").text)
            token = tree.findtext(f"{name}NextContinuationToken")
            if not token:
                return found

    def get(self, key):
        answer = self.server.request("GET", f"/{self.name}/{key}")
        assert answer.status_code == 200, (key, answer.text)
        return answer.content

    def put(self, key, body):
        answer = self.server.request("PUT", f"/{self.name}/{key}", body=body)
        assert answer.status_code == 200, (key, answer.text)

    def delete(self, key):
        answer = self.server.request("DELETE", f"/{self.name}/{key}")
        assert answer.status_code == 204, (key, answer.text)

    def manifest(self, prefix, snapshot):
        return json.loads(self.get(f"{prefix}/snapshots/manifests/{snapshot}.json"))["manifest"]


class Front(Stoppable):
    """An HTTP address in front of a server, that sees every request before it does."""

    def __init__(self, server):
        self.server = server
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with suppress(OSError):
                    front.answer(self, body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request, body):
        raise NotImplementedError

    def ask(self, request, body):
        """The server's own answer, and what is in it."""
        onward = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        onward.request(request.command, request.path, body=body or None, headers=dict(request.headers.items()))
        answer = onward.getresponse()
        content = answer.read()
        onward.close()
        return answer, content

    def pass_on(self, request, answer, content, cut=False):
        """Hands on what the server answered; half of it, and then nothing, if it is to be cut."""
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                request.send_header(name, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(content))
        request.send_header("Content-Length", length or "0")
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                self.drop(request)

    @staticmethod
    def say(request, status, body=b"", **headers):
        request.send_response(status)
        request.send_header("Content-Type", "application/xml")
        request.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    @staticmethod
    def drop(request):
        request.close_connection = True
        with suppress(OSError):
            request.connection.shutdown(2)


class Wire(Front):
    """Does to requests what a test says.

    `fault(request)` returns None or one of: "500", "503", "reset" (no answer), "hang" (no answer for
    longer than anyone waits), "truncate" (half of the body, of the request or else of the answer),
    "lost" (done, but the answer never arrives).
    """

    def __init__(self, server, hang=3.0):
        super().__init__(server)
        self.hang = hang
        self.fault = lambda request: None
        self.seen = []
        self.sent_bytes = 0
        self._lock = threading.Lock()

    def count(self, method, part=""):
        with self._lock:
            return sum(1 for m, p, _ in self.seen if m == method and part in p)

    def forget(self):
        with self._lock:
            self.seen.clear()
            self.sent_bytes = 0

    def answer(self, request, body):
        split = urlsplit(request.path)
        with self._lock:
            self.seen.append((request.command, split.path, dict(parse_qsl(split.query, keep_blank_values=True))))
            self.sent_bytes += len(body)
            fault = self.fault(Request(request.command, split.path, body, len(self.seen)))
        if fault in ("500", "503"):
            self.say(request, int(fault), b"<Error><Code>InternalError</Code></Error>")
            return
        if fault == "hang":
            time.sleep(self.hang)
        if fault in ("hang", "reset"):
            self.drop(request)
            return
        if fault == "truncate" and body:
            self._half(request, body)
            self.drop(request)
            return
        answer, content = self.ask(request, body)
        if fault == "lost":
            self.drop(request)
            return
        self.pass_on(request, answer, content, cut=fault == "truncate")

    def _half(self, request, body):
        # The server waits for the rest until the connection ends.
        onward = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        onward.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            onward.putheader(name, value)
        onward.endheaders()
        onward.send(body[: len(body) // 2])
        onward.close()


class Request:
    """What a fault is decided by."""

    def __init__(self, method, path, body, number):
        self.method, self.path, self.body, self.number = method, path, body, number
