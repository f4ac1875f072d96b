"""Servers that speak Azure Blob Storage (Azurite) and Google Cloud Storage (fake-gcs-server)."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from objects import PROGRAMS, Front, program
from servers import Program

CONTAINER = "saga-tracker"


class Azure(Program):
    """One Azurite process: Microsoft's own stand-in for Blob Storage. It checks every signature."""

    title = "Azurite"
    scheme = "az"
    account = "sagatracker"
    secret = base64.b64encode(hashlib.sha512(b"a key of the tests").digest()).decode()

    def command(self):
        return [
            program(PROGRAMS / "azurite-blob", "clouds"),
            *("--blobHost", "127.0.0.1", "--blobPort", str(self.port)),
            *("--location", self.directory, "--disableTelemetry"),
        ]

    def environment(self):
        return {"AZURITE_ACCOUNTS": f"{self.account}:{self.secret}"}

    def serves(self):
        # Without a signature it refuses, and so it is there.
        return requests.get(self.address, params={"comp": "list"}, timeout=5).status_code == 403

    def start(self):
        super().start()
        made = self.request("PUT", f"/{CONTAINER}", {"restype": "container"})
        if made.status_code != 201:
            self.stop()
            raise AssertionError(made.text)
        return self

    @property
    def address(self):
        """With the account in it, as it is in the path here and in the host in life."""
        return f"{self.endpoint}/{self.account}"

    def settings(self):
        return {
            "SAGA_TRACKER_OBJECTS__ENDPOINT": self.address,
            "SAGA_TRACKER_OBJECTS__ACCESS_KEY": self.account,
            "SAGA_TRACKER_OBJECTS__SECRET_KEY": self.secret,
        }

    def faults(self, directory):
        """name → (settings that are wrong, the exit code, the option that is named)."""
        other = base64.b64encode(b"another key").decode()
        return {
            "another key": ({"SAGA_TRACKER_OBJECTS__SECRET_KEY": other}, 4, "objects.secret_key"),
            "no key at all": ({"SAGA_TRACKER_OBJECTS__SECRET_KEY": "no base64!"}, 2, "objects.secret_key"),
            "no such account": ({"SAGA_TRACKER_OBJECTS__ACCESS_KEY": "nobody"}, 4, "objects.access_key"),
            "no account": (
                {"SAGA_TRACKER_OBJECTS__ACCESS_KEY": "", "SAGA_TRACKER_OBJECTS__SECRET_KEY": ""},
                2,
                "objects.access_key",
            ),
            "no container": ({"SAGA_TRACKER_OBJECTS__URL": "az://no-such-container/x"}, 4, "objects.url"),
            "no TLS": ({"SAGA_TRACKER_OBJECTS__ALLOW_HTTP": "false"}, 2, "objects.allow_http"),
        }

    def names(self, prefix):
        """name → size, as an operator with other tools sees them."""
        query = {"restype": "container", "comp": "list", "prefix": prefix}
        answer = self.request("GET", f"/{CONTAINER}", query)
        assert answer.status_code == 200, answer.text
        tree = ElementTree.fromstring(answer.content)
        assert not tree.findtext("NextMarker"), "more than a page"
        return {blob.findtext("Name"): int(blob.findtext("Properties/Content-Length")) for blob in tree.iter("Blob")}

    def request(self, method, path, query):
        """One request without a body, signed with the account's key."""
        headers = {
            "x-ms-date": format_datetime(datetime.now(UTC), usegmt=True),
            "x-ms-version": "2023-11-03",
        }
        named = "".join(f"{name}:{value}\n" for name, value in headers.items())
        resource = f"/{self.account}/{self.account}{path}"
        resource += "".join(f"\n{name}:{value}" for name, value in sorted(query.items()))
        text = method + "\n" * 12 + named + resource
        signature = base64.b64encode(hmac.digest(base64.b64decode(self.secret), text.encode(), "sha256")).decode()
        headers["Authorization"] = f"SharedKey {self.account}:{signature}"
        return requests.request(method, self.address + path, params=query, headers=headers, timeout=60)


class Google(Program):
    """One fake-gcs-server process, behind the part of Google's XML API that it lacks."""

    title = "fake-gcs-server"
    scheme = "gs"
    secret = "PRIVATE KEY"
    email = "saga-tracker@tests.iam.gserviceaccount.com"

    def __init__(self, directory):
        super().__init__(directory)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.front = GoogleXml(self)

    def command(self):
        return [
            program(PROGRAMS / "fake-gcs-server", "clouds"),
            *("-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-public-host", "127.0.0.1"),
            *("-backend", "memory", "-log-level", "warn"),
        ]

    def serves(self):
        return requests.get(f"{self.endpoint}/_internal/healthcheck", timeout=5).status_code == 200

    def start(self):
        super().start()
        made = requests.post(f"{self.endpoint}/storage/v1/b", json={"name": CONTAINER}, timeout=30)
        if made.status_code != 200:
            super().stop()
            raise AssertionError(made.text)
        self.front.start()
        return self

    def stop(self):
        super().stop()
        self.front.stop()

    def account(self, name, key):
        """The file of a service account, as Google's console hands it out."""
        path = self.directory / f"{name}.json"
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        words = {"type": "service_account", "private_key_id": name, "client_email": self.email}
        path.write_text(json.dumps(words | {"private_key": pem.decode()}))
        return str(path)

    def settings(self):
        return {
            "SAGA_TRACKER_OBJECTS__ENDPOINT": self.front.endpoint,
            "SAGA_TRACKER_OBJECTS__GOOGLE_CREDENTIALS_FILE": self.account("right", self.key),
        }

    def faults(self, directory):
        """As those of Azure. (A bucket that is not there, this server answers with 500.)"""
        option = "objects.google_credentials_file"
        file = "SAGA_TRACKER_OBJECTS__GOOGLE_CREDENTIALS_FILE"
        torn = directory / "torn.json"
        torn.write_text('{"type": "service_account"')
        other = self.account("other", rsa.generate_private_key(public_exponent=65537, key_size=2048))
        return {
            "another key": ({file: other}, 4, option),
            "a torn file": ({file: str(torn)}, 2, option),
            "no such file": ({file: str(directory / "none.json")}, 2, option),
            "no TLS": ({"SAGA_TRACKER_OBJECTS__ALLOW_HTTP": "false"}, 2, "objects.allow_http"),
        }

    def names(self, prefix):
        """name → size, by the other of Google's two APIs."""
        answer = requests.get(f"{self.endpoint}/storage/v1/b/{CONTAINER}/o", params={"prefix": prefix}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert "nextPageToken" not in answer.json(), "more than a page"
        return {item["name"]: int(item["size"]) for item in answer.json().get("items", [])}


class GoogleXml(Front):
    """What fake-gcs-server lacks of Google's XML API: asking who is there, and uploads.

    Reads, lists and deletions are the server's own. It answers an upload with `400 invalid uploadType`,
    whoever sends it; so one becomes an upload of the JSON API, preconditions and all. Of an upload in
    parts, the parts are kept here until the end of it.
    """

    def __init__(self, server):
        super().__init__(server)
        self.parts = {}

    def answer(self, request, body):
        if why := self._stranger(request.headers.get("Authorization", "")):
            self._refuse(request, 401, "AuthenticationRequired", why)
            return
        split = urlsplit(request.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        _, bucket, *name = unquote(split.path).split("/", 2)
        match request.command, query:
            case "POST", {"uploads": _}:
                upload = uuid.uuid4().hex
                self.parts[upload] = {}
                answer = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                self.say(request, 200, answer.encode())
            case "PUT", {"uploadId": upload, "partNumber": number}:
                self.parts[upload][int(number)] = body
                self.say(request, 200, ETag=_etag(body))
            case "POST", {"uploadId": upload}:
                # What is named must be what was sent.
                named = ElementTree.fromstring(body)
                told = [(int(part.findtext("PartNumber")), part.findtext("ETag")) for part in named.iter("Part")]
                parts = self.parts.pop(upload)
                assert told == [(number, _etag(part)) for number, part in sorted(parts.items())], told
                whole = b"".join(part for _, part in sorted(parts.items()))
                self._upload(request, bucket, *name, whole, in_parts=True)
            case "DELETE", {"uploadId": upload}:
                self.parts.pop(upload, None)
                self.say(request, 204)
            case "PUT", _:
                self._upload(request, bucket, *name, body)
            case _:
                self.pass_on(request, *self.ask(request, body))

    def _upload(self, request, bucket, name, body, in_parts=False):
        query = {"uploadType": "media", "name": name}
        if wanted := request.headers.get("x-goog-if-generation-match"):
            query["ifGenerationMatch"] = wanted
        address = f"{self.server.endpoint}/upload/storage/v1/b/{quote(bucket)}/o"
        answer = requests.post(address, params=query, data=body, timeout=60)
        if answer.status_code == 412:
            self._refuse(request, 412, "PreconditionFailed", "At least one of the pre-conditions did not hold.")
            return
        assert answer.status_code == 200, answer.text
        said = answer.json()
        etag = f'"{said["etag"]}"'
        words = f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>" if in_parts else ""
        self.say(request, 200, words.encode(), ETag=etag, x_goog_generation=said["generation"])

    def _stranger(self, authorization):
        """Why the bearer of this is not let in; nothing if it is. As Google does it: by the signature."""
        head, _, signature = authorization.removeprefix("Bearer ").rpartition(".")
        try:
            claims = json.loads(_unpadded(head.split(".")[1]))
            self.server.key.public_key().verify(
                _unpadded(signature), head.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except (IndexError, ValueError, InvalidSignature):
            return "Invalid credentials."
        now = time.time()
        known = claims["iss"] == self.server.email and claims["iat"] - 60 <= now < claims["exp"]
        return None if known else f"Invalid claims: {claims}"

    def _refuse(self, request, status, code, message):
        words = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self.say(request, status, words.encode())


def _etag(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


def _unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
