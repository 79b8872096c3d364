"""A registry whose every answer can be scripted: what real ones do on their bad days.

FakeRegistry serves images that add_image() makes, on 127.0.0.1. Rules, tried in order, may replace an answer:

    registry.rule("/blobs/", cut_at(1000), times=1)

A rule's action is called with (handler, answer) and sends what it likes; answer is (status, headers, body) as it would
have been, and has the Range of the request applied. handler.log records each request: registry.requests.
"""
import base64
import gzip
import hashlib
import http.server
import io
import json
import re
import socket
import tarfile
import threading
import time
import urllib.parse

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files):
    """A tar of {name: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), 1_600_000_000, 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Image:
    """The documents and blobs of one image, made by FakeRegistry.add_image()."""

    def __init__(self, tars, docker=False, architecture="amd64", variant=None, compress="gzip", layers=None, diff_ids=None):
        self.tars = tars
        self.blobs = {}
        descriptors = []
        for tar in tars:
            blob = gzip.compress(tar, 1, mtime=0) if compress == "gzip" else tar
            media = DOCKER_LAYER if docker else OCI_LAYER + ("+gzip" if compress == "gzip" else "")
            descriptors.append({"mediaType": media, "digest": self.add(blob), "size": len(blob)})
        config = {"architecture": architecture, "os": "linux", "created": "2024-01-02T03:04:05Z",
                  "config": {"Cmd": ["/bin/sh"]},
                  "rootfs": {"type": "layers", "diff_ids": diff_ids or [digest_of(tar) for tar in tars]},
                  "history": [{"created_by": f"layer {n}"} for n in range(len(tars))]}
        if variant:
            config["variant"] = variant
        self.config = json.dumps(config).encode()
        self.layers = layers if layers is not None else descriptors
        self.platform = {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
        self.media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": self.media_type,
            "config": {"mediaType": DOCKER_CONFIG if docker else OCI_CONFIG, "digest": self.add(self.config), "size": len(self.config)},
            "layers": self.layers}, indent=3).encode()
        self.id = digest_of(self.config)
        self.digest = digest_of(self.manifest)

    def add(self, blob):
        self.blobs[digest_of(blob)] = blob
        return digest_of(blob)

    @property
    def layer_bytes(self):
        return sum(layer["size"] for layer in self.layers)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake"

    def log_message(self, *args):
        pass

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def do_POST(self):
        self.form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.do_GET()

    def do_GET(self):
        registry = self.server.registry
        with registry.lock:
            registry.requests.append((self.command, self.path, dict(self.headers.items())))
        answer = registry.answer(self)
        action = registry.action_for(self.path)
        try:
            if action:
                action(self, answer)
            else:
                self.send_answer(*answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_CONNECT = do_GET

    def send_head(self, status, headers, length):
        self.send_response(status)
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name, one)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send_body(self, data):
        self.wfile.write(data)
        if "/blobs/" in self.path:
            with self.server.registry.lock:
                self.server.registry.blob_bytes += len(data)

    def send_answer(self, status, headers, body):
        self.send_head(status, headers, len(body))
        self.send_body(body)

    def hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class FakeRegistry:
    """auth: None, "basic" or "token". users: {name: password}. token_uses: how many requests a token serves."""

    def __init__(self, auth=None, users=None, token_uses=None, ranges=True, context=None, host="127.0.0.1", ask_for=None):
        self.auth, self.users, self.token_uses, self.ranges = auth, users or {}, token_uses, ranges
        self.ask_for = ask_for           # regular expression: what auth is wanted for; None for all
        self.lock = threading.RLock()
        self.requests, self.rules, self.tokens, self.blob_bytes = [], [], {}, 0
        self.manifests, self.blobs = {}, {}
        self.server = Server((host, 0), Handler)
        self.server.registry = self
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"{host}:{self.server.server_address[1]}"
        self.url = ("https://" if context else "http://") + self.host
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # what there is

    def add_image(self, name, tars, tag="latest", **kwargs):
        image = Image(tars, **kwargs)
        self.put(name, tag, image)
        return image

    def put(self, name, tag, image):
        self.blobs.update(image.blobs)
        self.put_manifest(name, [tag, image.digest], image.manifest, image.media_type)

    def put_manifest(self, name, keys, data, media_type):
        for key in keys:
            self.manifests[name, key] = (data, media_type)

    def add_index(self, name, images, tag="latest", docker=False, extra=()):
        entries = [{"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest), "platform": image.platform}
                   for image in images]
        media_type = DOCKER_LIST if docker else OCI_INDEX
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": [*extra, *entries]}).encode()
        for image in images:
            self.put(name, image.digest, image)
        self.put_manifest(name, [tag, digest_of(data)], data, media_type)
        return digest_of(data)

    # what is asked

    def rule(self, pattern, action, times=None):
        self.rules.append([re.compile(pattern), action, times])

    def action_for(self, path):
        with self.lock:
            for rule in self.rules:
                if rule[2] != 0 and rule[0].search(path):
                    if rule[2]:
                        rule[2] -= 1
                    return rule[1]
        return None

    def count(self, pattern):
        return sum(1 for _, path, _ in self.requests if re.search(pattern, path))

    def answer(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        if url.path == "/token":
            return self.answer_token(handler, url)
        if self.auth and (not self.ask_for or re.search(self.ask_for, url.path)):
            refusal = self.check(handler, url.path)
            if refusal:
                return refusal
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", url.path)
        if not match:
            return self.error(404, "UNSUPPORTED", "no such place")
        name, kind, key = match.groups()
        if kind == "manifests":
            if (name, key) not in self.manifests:
                return self.error(404, "MANIFEST_UNKNOWN", f"manifest unknown: {key}")
            data, media_type = self.manifests[name, key]
            return 200, {"Content-Type": media_type, "Docker-Content-Digest": digest_of(data)}, data
        if key not in self.blobs:
            return self.error(404, "BLOB_UNKNOWN", "blob unknown")
        return self.answer_blob(handler, self.blobs[key])

    def answer_blob(self, handler, data):
        headers = {"Content-Type": "application/octet-stream"}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
        if match and self.ranges:
            first = int(match[1])
            last = min(int(match[2] or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            return 206, headers, data[first:last + 1]
        return 200, headers, data

    @staticmethod
    def error(status, code, message, headers=None):
        return status, headers or {}, json.dumps({"errors": [{"code": code, "message": message}]}).encode()

    # who asks

    def check(self, handler, path):
        """None, or the answer that refuses."""
        given = handler.headers.get("Authorization", "")
        if self.auth == "basic":
            if self.basic_user(given):
                return None
            return self.error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="fake, really"'})
        token = given[7:] if given.startswith("Bearer ") else None
        with self.lock:
            left = self.tokens.get(token)
            if left is not None and left > 0:
                self.tokens[token] = left - 1
                return None
        name = re.match(r"/v2/(.+)/(?:manifests|blobs)/", path)
        scope = f"repository:{name[1]}:pull,push" if name else "registry:catalog:*"
        reason = ',error="invalid_token"' if token else ""
        challenge = f'Bearer realm="{self.url}/token",service="fake.service",scope="{scope}"{reason}'
        return self.error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})

    def basic_user(self, given):
        if not given.startswith("Basic "):
            return None
        user, _, password = base64.b64decode(given[6:]).decode().partition(":")
        return user if self.users.get(user) == password else None

    def answer_token(self, handler, url):
        given = handler.headers.get("Authorization")
        if self.users and not self.basic_user(given or ""):
            return self.error(401, "UNAUTHORIZED", "no such user")
        query = urllib.parse.parse_qs(url.query)
        if query.get("service") != ["fake.service"] or not query.get("scope"):
            return self.error(400, "BAD", "no service or scope")
        with self.lock:
            token = f"token-{len(self.tokens)}"
            self.tokens[token] = self.token_uses if self.token_uses else 1 << 30
        return 200, {"Content-Type": "application/json"}, json.dumps({"access_token": token}).encode()


# Actions


def reply(status, headers=None, body=b""):
    return lambda handler, answer: handler.send_answer(status, headers or {}, body)


def header(name, value):
    """The answer with one header more, or another."""
    return lambda handler, answer: handler.send_answer(answer[0], {**answer[1], name: value}, answer[2])


def redirect(base, status=307):
    return lambda handler, answer: handler.send_answer(status, {"Location": base + handler.path}, b"")


def replace(change):
    """The answer with another body."""
    return lambda handler, answer: handler.send_answer(answer[0], answer[1], change(answer[2]))


def cut_at(offset):
    """The first bytes of the answer, then the connection is cut."""
    def action(handler, answer):
        status, headers, body = answer
        handler.send_head(status, headers, len(body))
        handler.send_body(body[:offset])
        handler.hang_up()
    return action


def unsized(stop=None):
    """Without a Content-Length: the body ends where the connection does."""
    def action(handler, answer):
        status, headers, body = answer
        handler.send_head(status, {**headers, "Connection": "close"}, None)
        handler.send_body(body[:stop])
        handler.hang_up()
    return action


def endless(handler, answer):
    handler.send_head(200, {**answer[1], "Connection": "close"}, None)
    while True:
        handler.send_body(b"x" * 65536)


def slow(chunk, pause):
    def action(handler, answer):
        status, headers, body = answer
        handler.send_head(status, headers, len(body))
        for at in range(0, len(body), chunk):
            handler.send_body(body[at:at + chunk])
            time.sleep(pause)
    return action


def hang(handler, answer):
    """Says nothing until the other side goes."""
    handler.connection.settimeout(30)
    try:
        handler.connection.recv(1)
    except OSError:
        pass
    handler.close_connection = True


def whole(handler, answer):
    """Takes no notice of a Range."""
    body = handler.server.registry.blobs[handler.path.rsplit("/", 1)[1]]
    handler.send_answer(200, {"Content-Type": "application/octet-stream"}, body)


def wrong_range(shift):
    """A 206 of other bytes than were asked for."""
    def action(handler, answer):
        status, headers, body = answer
        if status == 206:
            first, last, total = map(int, re.match(r"bytes (\d+)-(\d+)/(\d+)", headers["Content-Range"]).groups())
            headers = {**headers, "Content-Range": f"bytes {first + shift}-{last}/{total}"}
        handler.send_answer(status, headers, body)
    return action
