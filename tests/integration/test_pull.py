#!/usr/bin/env python3
"""Pulls from registries that behave, and from one that does not.

PULL_TOOL names the program of tests/support/pull_tool.c (default: build/tests/pull_tool). The part with a real
registry needs docker-registry and skopeo, and is skipped without them.
"""
import base64
import json
import os
import pathlib
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = TOP / "tests/support"
sys.path.insert(0, str(SUPPORT))
sys.dont_write_bytecode = True
import fake_registry as fake  # noqa: E402

TOOL = os.environ.get("PULL_TOOL", str(TOP / "build/tests/pull_tool"))
SANITIZED = "san" in TOOL or "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ
WAITING, DOWNLOADING, DONE, PRESENT = range(4)


def noise(size, seed=1):
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def layers(count, size=200_000):
    return [fake.tar_of({f"dir/file{n}": noise(size, n), f"only{n}": b"x" * n}) for n in range(count)]


class Result:
    def __init__(self, lines):
        self.progress = [line for line in lines if "layer" in line]
        self.results = [line for line in lines if "status" in line]
        self.last = self.results[-1] if self.results else {}
        self.left = lines[-1]

    def __getattr__(self, name):
        return self.last[name]

    def phases(self, phase):
        return {line["layer"]: line for line in self.progress if line["phase"] == phase}


class PullCase(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="pull-test.")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = f"{self.dir}/root"
        self.env = {"PATH": os.environ["PATH"], "HOME": self.dir}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def registry(self, **kwargs):
        registry = fake.FakeRegistry(**kwargs)
        self.addCleanup(registry.close)
        return registry

    def pull(self, reference, *options, timeout=60):
        done = subprocess.run([TOOL, *map(str, options), self.root, reference], capture_output=True, text=True, timeout=timeout,
                              env=self.env)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        result = Result([json.loads(line) for line in done.stdout.splitlines()])
        for what in ("fds",) if SANITIZED else ("fds", "threads"):  # the thread sanitizer keeps one
            self.assertEqual(result.left[f"{what}_after"], result.left[f"{what}_before"], what)
        return result

    def pull_ok(self, reference, *options, **kwargs):
        result = self.pull(reference, *options, **kwargs)
        self.assertEqual(result.status, "SCOW_OK", result.last)
        return result

    def pull_fails(self, status, reference, *options, **kwargs):
        result = self.pull(reference, *options, **kwargs)
        self.assertEqual(result.status, status, result.last)
        self.assert_nothing_half_made()
        return result

    def assert_nothing_half_made(self):
        self.assertEqual(os.listdir(f"{self.root}/tmp"), [])

    def unpacked(self):
        """Every file of every layer of the store."""
        top = pathlib.Path(self.root, "layers")
        return {str(path.relative_to(top)).split("/", 1)[1]: path.read_bytes() for path in top.rglob("*") if path.is_file()}


class Plain(PullCase):
    def test_pull_and_progress(self):
        registry = self.registry()
        image = registry.add_image("a/b", layers(4))
        result = self.pull_ok(f"{registry.host}/a/b")
        self.assertEqual(result.id, image.id)
        self.assertEqual(result.tags, [f"{registry.host}/a/b:latest"])
        self.assertEqual(result.digests, [f"{registry.host}/a/b@{image.digest}"])
        self.assertEqual(len(os.listdir(f"{self.root}/layers")), 4)
        self.assertEqual(self.unpacked()["only3"], b"xxx")
        done = result.phases(DONE)
        self.assertEqual(sum(line["done"] for line in done.values()), image.layer_bytes)
        self.assertEqual(len(done), 4)
        for layer in image.layers:
            line = [line["done"] for line in result.progress if line["layer"] == layer["digest"]]
            self.assertEqual(line, sorted(line))
            self.assertEqual(line[-1], layer["size"])
        self.assert_nothing_half_made()

    def test_accepts_all_types_and_asks_little(self):
        registry = self.registry()
        registry.add_image("a", layers(2))
        self.pull_ok(f"{registry.host}/a:latest")
        self.assertEqual(len(registry.requests), 1 + 1 + 2)
        accept = registry.requests[0][2]["Accept"]
        for media_type in (fake.OCI_INDEX, fake.OCI_MANIFEST, fake.DOCKER_LIST, fake.DOCKER_MANIFEST):
            self.assertIn(media_type, accept)

    def test_present_layers_are_not_fetched(self):
        registry = self.registry()
        tars = layers(3)
        registry.add_image("a", tars)
        registry.add_image("b", tars + [fake.tar_of({"new": b"new"})])
        self.pull_ok(f"{registry.host}/a")
        registry.requests.clear()
        result = self.pull_ok(f"{registry.host}/a")
        self.assertEqual([path for _, path, _ in registry.requests], ["/v2/a/manifests/latest"])
        self.assertEqual(len(result.phases(PRESENT)), 3)
        registry.requests.clear()
        result = self.pull_ok(f"{registry.host}/b")
        self.assertEqual(registry.count("/blobs/"), 2)  # config and the new layer
        self.assertEqual((len(result.phases(PRESENT)), len(result.phases(DONE))), (3, 1))

    def test_docker_types_and_plain_layers(self):
        registry = self.registry()
        image = registry.add_image("d", layers(2), docker=True)
        self.assertEqual(self.pull_ok(f"{registry.host}/d").id, image.id)
        image = registry.add_image("plain", layers(2, 1000), compress=None)
        self.assertEqual(self.pull_ok(f"{registry.host}/plain").id, image.id)

    def test_same_layer_twice(self):
        registry = self.registry()
        tar, other = layers(2)
        image = registry.add_image("twice", [tar, other, tar, tar])
        result = self.pull_ok(f"{registry.host}/twice")
        self.assertEqual(result.id, image.id)
        self.assertEqual(registry.count(image.layers[0]["digest"]), 1)
        self.assertEqual(len(os.listdir(f"{self.root}/layers")), 4)
        self.assert_nothing_half_made()

    def test_no_layers(self):
        registry = self.registry()
        image = registry.add_image("empty", [])
        self.assertEqual(self.pull_ok(f"{registry.host}/empty").id, image.id)

    def test_three_at_once(self):
        registry = self.registry()
        running, most, lock = [0], [0], threading.Lock()

        def count(handler, answer):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.15)
            with lock:
                running[0] -= 1
            handler.send_answer(*answer)

        image = registry.add_image("many", layers(8, 1000))
        for layer in image.layers:
            registry.rule(layer["digest"], count)
        self.pull_ok(f"{registry.host}/many")
        self.assertEqual(most[0], 3)
        shutil.rmtree(self.root)
        most[0] = 0
        self.pull_ok(f"{registry.host}/many", "-j", 1)
        self.assertEqual(most[0], 1)

    def test_one_slow_layer_does_not_hold_up_the_rest(self):
        registry = self.registry()
        image = registry.add_image("slow", layers(6, 300_000))
        registry.rule(image.layers[0]["digest"], fake.slow(30_000, 0.1))
        result = self.pull_ok(f"{registry.host}/slow")
        slow = image.layers[0]["digest"]
        at = [n for n, line in enumerate(result.progress) if line["layer"] == slow and line["phase"] == DONE][0]
        # The others are published above it, so they are DONE only after it; but they were downloaded meanwhile.
        before = {line["layer"]: line["done"] for line in result.progress[:at]}
        self.assertEqual(sum(done for layer, done in before.items() if layer != slow), image.layer_bytes - image.layers[0]["size"])

    def test_policies(self):
        registry = self.registry()
        registry.add_image("a", layers(1, 100))
        reference = f"{registry.host}/a"
        self.pull_fails("SCOW_E_NOT_FOUND", reference, "-m", "never")
        self.assertEqual(registry.requests, [])
        self.pull_ok(reference, "-m", "missing")
        registry.requests.clear()
        self.pull_ok(reference, "-m", "missing")
        self.pull_ok(reference, "-m", "never")
        self.assertEqual(registry.requests, [])

    def test_tag_moves(self):
        registry = self.registry()
        first = registry.add_image("a", layers(1, 100))
        self.pull_ok(f"{registry.host}/a")
        second = registry.add_image("a", layers(2, 100))
        result = self.pull_ok(f"{registry.host}/a")
        self.assertEqual((result.id, result.tags), (second.id, [f"{registry.host}/a:latest"]))
        result = self.pull_ok(f"{registry.host}/a@{first.digest}")
        self.assertEqual((result.id, result.tags), (first.id, []))
        self.assertEqual(result.digests, [f"{registry.host}/a@{first.digest}"])
        result = self.pull_ok(f"{registry.host}/a:new@{first.digest}")
        self.assertEqual((result.id, result.tags), (first.id, []))

    def test_not_there(self):
        registry = self.registry()
        result = self.pull_fails("SCOW_E_NOT_FOUND", f"{registry.host}/nothing:1.0")
        self.assertIn("nothing:1.0", result.message)
        self.assertIn("MANIFEST_UNKNOWN", result.message)
        result = self.pull_fails("SCOW_E_NETWORK", "127.0.0.1:1/a")
        self.assertIn("127.0.0.1", result.message)
        self.pull_fails("SCOW_E_INVALID", "UPPER/Case")
        self.pull_fails("SCOW_E_INVALID", f"{registry.host}/a", "-j", 0)
        self.pull_fails("SCOW_E_INVALID", f"{registry.host}/a", "-j", 17)
        self.pull_fails("SCOW_E_INVALID", f"{registry.host}/a", "-P", "///")


class Platforms(PullCase):
    def test_choice(self):
        registry = self.registry()
        images = [fake.Image(layers(1, 50 + n), architecture=arch, variant=variant)
                  for n, (arch, variant) in enumerate([("amd64", None), ("arm64", "v8"), ("arm", "v6"), ("arm", "v7"), ("s390x", None)])]
        unknown = {"mediaType": fake.OCI_MANIFEST, "digest": "sha256:" + "0" * 64, "size": 2,
                   "platform": {"os": "unknown", "architecture": "unknown"}}
        index = registry.add_index("multi", images, extra=[unknown])
        for platform, n in (("linux/amd64", 0), ("linux/arm64", 1), ("linux/arm/v6", 2), ("linux/arm/v7", 3), ("s390x", 4)):
            result = self.pull_ok(f"{registry.host}/multi", "-P", platform)
            self.assertEqual(result.id, images[n].id, platform)
            # What the registry served, which is the index.
            self.assertIn(f"{registry.host}/multi@{index}", result.digests)
        result = self.pull_fails("SCOW_E_UNSUPPORTED", f"{registry.host}/multi", "-P", "linux/riscv64")
        self.assertIn("s390x", result.message + result.hint)
        self.assertEqual(self.pull_ok(f"{registry.host}/multi@{index}").id, images[0].id)

    def test_missing_looks_at_the_platform(self):
        registry = self.registry()
        images = [fake.Image(layers(1, 50 + n), architecture=arch) for n, arch in enumerate(["amd64", "s390x"])]
        registry.add_index("multi", images, docker=True)
        self.pull_ok(f"{registry.host}/multi", "-P", "amd64")
        self.assertEqual(self.pull_ok(f"{registry.host}/multi", "-P", "s390x", "-m", "missing").id, images[1].id)

    def test_single_image_of_another_platform(self):
        registry = self.registry()
        image = registry.add_image("s", layers(1, 50), architecture="s390x")
        self.assertEqual(self.pull_ok(f"{registry.host}/s").id, image.id)
        self.pull_fails("SCOW_E_UNSUPPORTED", f"{registry.host}/s", "-P", "amd64")


class Authentication(PullCase):
    def test_basic(self):
        registry = self.registry(auth="basic", users={"me": "pass:word"})
        registry.add_image("a", layers(2, 100))
        self.pull_ok(f"{registry.host}/a", "-u", "me", "-p", "pass:word")
        result = self.pull_fails("SCOW_E_AUTH", f"{registry.host}/a", "-u", "me", "-p", "wrong-word")
        self.assertNotIn("wrong-word", result.message)
        self.pull_fails("SCOW_E_AUTH", f"{registry.host}/a")

    def test_anonymous_token(self):
        registry = self.registry(auth="token")
        registry.add_image("a/b", layers(3, 100))
        self.pull_ok(f"{registry.host}/a/b")
        tokens = [path for _, path, _ in registry.requests if path.startswith("/token")]
        self.assertEqual(len(tokens), 1)  # one for the whole pull
        self.assertIn("scope=repository%3Aa%2Fb%3Apull%2Cpush", tokens[0])

    def test_token_from_config_file(self):
        registry = self.registry(auth="token", users={"me": "secret"})
        registry.add_image("a", layers(1, 100))
        self.pull_fails("SCOW_E_AUTH", f"{registry.host}/a")
        os.mkdir(f"{self.dir}/.docker")
        auth = base64.b64encode(b"me:secret").decode()
        pathlib.Path(self.dir, ".docker/config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        self.pull_ok(f"{registry.host}/a")

    def test_helper(self):
        registry = self.registry(auth="basic", users={"me": "secret"})
        registry.add_image("a", layers(1, 100))
        os.mkdir(f"{self.dir}/.docker")
        pathlib.Path(self.dir, ".docker/config.json").write_text(json.dumps({"credHelpers": {registry.host: "keychain"}}))
        result = self.pull_fails("SCOW_E_UNSUPPORTED", f"{registry.host}/a")
        self.assertIn("docker-credential-keychain", result.message)

    def test_token_expires_in_mid_pull(self):
        registry = self.registry(auth="token", token_uses=3)
        image = registry.add_image("a", layers(9, 100))
        # One after the other: of several that have a new token together, the last would find it used up.
        self.assertEqual(self.pull_ok(f"{registry.host}/a", "-j", 1).id, image.id)
        self.assertGreaterEqual(registry.count("^/token"), 4)

    def test_tokens_expire_under_parallel_transfers(self):
        registry = self.registry(auth="token")
        image = registry.add_image("a", layers(9, 100))

        def expire(handler, answer):
            registry.tokens.clear()
            handler.send_answer(*registry.answer(handler))

        registry.rule(image.layers[2]["digest"], expire, times=1)
        self.assertEqual(self.pull_ok(f"{registry.host}/a").id, image.id)
        self.assertGreaterEqual(registry.count("^/token"), 2)

    def test_token_expires_in_mid_transfer(self):
        registry = self.registry(auth="token", token_uses=3)  # manifest, config, and the layer's first half
        image = registry.add_image("a", layers(1))
        registry.rule(image.layers[0]["digest"], fake.cut_at(100_000), times=1)
        self.pull_ok(f"{registry.host}/a")
        self.assertEqual(registry.count("^/token"), 2)
        self.assertLess(registry.blob_bytes, image.layer_bytes * 1.1)

    def test_token_expires_in_mid_transfer_of_what_wanted_it_first(self):
        registry = self.registry(auth="token", token_uses=1, ask_for="/blobs/")
        image = registry.add_image("a", layers(1))
        registry.rule(image.layers[0]["digest"], fake.cut_at(400), times=2)  # the refusal, and the half
        registry.rule(image.layers[0]["digest"], fake.cut_at(0), times=1)
        self.pull_ok(f"{registry.host}/a")

    def test_only_blobs_want_a_token(self):
        registry = self.registry(auth="token", ask_for="/blobs/")
        registry.add_image("a", layers(2, 100))
        self.pull_ok(f"{registry.host}/a")

    def test_refused_for_good(self):
        registry = self.registry()
        image = registry.add_image("a", layers(2, 100))
        registry.rule(image.layers[1]["digest"], fake.reply(401, {"WWW-Authenticate": f'Bearer realm="{registry.url}/token",service="fake.service"'}))
        self.pull_fails("SCOW_E_AUTH", f"{registry.host}/a")
        self.assertEqual(registry.count(image.layers[1]["digest"]), 2)

    def test_denied(self):
        registry = self.registry()
        registry.rule("/manifests/", fake.reply(403, {}, b'{"errors":[{"code":"DENIED","message":"not yours"}]}'))
        self.assertIn("not yours", self.pull_fails("SCOW_E_AUTH", f"{registry.host}/a").message)


class Redirects(PullCase):
    def test_authorization_stays_with_its_host(self):
        store = self.registry()
        registry = self.registry(auth="basic", users={"me": "secret"})
        registry.add_image("a", layers(2))
        store.blobs = registry.blobs
        registry.rule("/blobs/", fake.redirect(store.url))
        self.pull_ok(f"{registry.host}/a", "-u", "me", "-p", "secret")
        self.assertEqual(store.count("/blobs/"), 3)
        for _, _, headers in store.requests:
            self.assertNotIn("Authorization", headers)
        self.assertIn("Authorization", registry.requests[-1][2])

    def test_resume_behind_a_redirect(self):
        store = self.registry()
        registry = self.registry()
        image = registry.add_image("a", layers(1))
        store.blobs = registry.blobs
        registry.rule("/blobs/", fake.redirect(store.url, 302))
        store.rule(image.layers[0]["digest"], fake.cut_at(70_000), times=1)
        # A link that has run out: asked of the registry again, not taken for its own refusal.
        store.rule(image.layers[0]["digest"], fake.reply(403), times=1)
        self.pull_ok(f"{registry.host}/a")
        self.assertIn("Range", store.requests[-1][2])

    def test_loop(self):
        registry = self.registry()
        registry.add_image("a", layers(1, 10))
        registry.rule("/manifests/", fake.redirect(""))
        self.pull_fails("SCOW_E_NETWORK", f"{registry.host}/a")
        self.assertEqual(len(registry.requests), 11)

    def test_to_other_schemes(self):
        registry = self.registry()
        registry.rule("/manifests/", fake.redirect("file:///etc"))
        self.pull_fails("SCOW_E_INVALID", f"{registry.host}/a")

    def test_to_this_host_from_elsewhere(self):
        """A registry by a name that is not loopback's, though it leads here: it may not send us to local addresses."""
        name = socket.gethostname()
        try:
            address = socket.gethostbyname(name)
        except OSError:
            self.skipTest("this host's name is not in its resolver")
        if name == "localhost":
            self.skipTest("this host is called localhost")
        registry = self.registry(host=address)
        inner = self.registry()
        inner.add_image("a", layers(1, 10))
        registry.rule("/manifests/", fake.redirect(inner.url))
        port = registry.host.rsplit(":", 1)[1]
        result = self.pull_fails("SCOW_E_DENIED", f"{name}:{port}/a", "-i")
        self.assertIn("an address of this host", result.message)
        self.assertEqual(inner.requests, [])


class DockerHub(PullCase):
    def test_its_registry(self):
        """docker.io is registry-1.docker.io, by https, through the proxy that the environment names."""
        proxy = self.registry()
        self.env["https_proxy"] = proxy.url
        self.pull_fails("SCOW_E_NETWORK", "busybox")
        self.assertEqual({(method, path) for method, path, _ in proxy.requests}, {("CONNECT", "registry-1.docker.io:443")})


class Broken(PullCase):
    def test_resume_at_random_offsets(self):
        registry = self.registry()
        image = registry.add_image("a", [fake.tar_of({"big": noise(3_000_000)})])
        size, digest = image.layer_bytes, image.layers[0]["digest"]
        offsets = sorted(random.Random(7).sample(range(1, size), 10))
        for n, offset in enumerate(offsets):
            registry.rule(digest, fake.cut_at(offset - (offsets[n - 1] if n else 0)), times=1)
        self.pull_ok(f"{registry.host}/a")
        self.assertEqual(registry.count(digest), 11)
        self.assertLess(registry.blob_bytes, size * 1.1)
        ranges = [int(headers["Range"][6:-1]) for _, path, headers in registry.requests if digest in path and "Range" in headers]
        self.assertEqual(ranges, sorted(ranges))
        self.assertEqual(self.unpacked()["big"], noise(3_000_000))

    def test_resume_without_ranges(self):
        registry = self.registry(ranges=False)
        image = registry.add_image("a", layers(1))
        registry.rule(image.layers[0]["digest"], fake.cut_at(100_000), times=1)
        self.pull_ok(f"{registry.host}/a")

    def test_resume_with_wrong_ranges(self):
        for shift in (-1, 1):
            registry = self.registry()
            image = registry.add_image("a", layers(1, 200_000 + shift))
            registry.rule(image.layers[0]["digest"], fake.cut_at(100_000), times=1)
            registry.rule(image.layers[0]["digest"], fake.wrong_range(shift), times=1)
            self.pull_ok(f"{registry.host}/a")
            self.assertNotIn("Range", registry.requests[-1][2])

    def test_cut_documents(self):
        registry = self.registry()
        image = registry.add_image("a", layers(1, 10))
        registry.rule("/manifests/", fake.cut_at(20), times=1)
        registry.rule(digest := fake.digest_of(image.config), fake.cut_at(0), times=1)
        self.pull_ok(f"{registry.host}/a")
        self.assertEqual(registry.count(digest), 2)

    def test_cut_before_the_first_word(self):
        registry = self.registry()
        registry.add_image("a", layers(1, 10))
        registry.rule("/manifests/", lambda handler, answer: handler.hang_up(), times=1)
        self.pull_ok(f"{registry.host}/a")

    def test_body_without_a_length(self):
        registry = self.registry()
        image = registry.add_image("a", layers(2))
        registry.rule(image.layers[0]["digest"], fake.unsized())
        registry.rule(image.layers[1]["digest"], fake.unsized(50_000), times=1)
        self.pull_ok(f"{registry.host}/a")

    def test_cut_always(self):
        registry = self.registry()
        image = registry.add_image("a", layers(1))
        registry.rule(image.layers[0]["digest"], fake.cut_at(0))
        started = time.monotonic()
        self.pull_fails("SCOW_E_NETWORK", f"{registry.host}/a")
        self.assertEqual(registry.count(image.layers[0]["digest"]), 6)
        self.assertGreater(time.monotonic() - started, 7)  # 0.2 + 0.5 + 1 + 2 + 4

    def test_server_errors(self):
        registry = self.registry()
        image = registry.add_image("a", layers(1, 10))
        registry.rule("/manifests/", fake.reply(503), times=1)
        registry.rule(image.layers[0]["digest"], fake.reply(500), times=1)
        self.pull_ok(f"{registry.host}/a")

    def test_rate_limit(self):
        registry = self.registry()
        image = registry.add_image("a", layers(2, 10))
        registry.rule("/manifests/", fake.reply(429, {"Retry-After": "1"}), times=1)
        registry.rule(image.layers[1]["digest"], fake.reply(429, {"Retry-After": "1"}), times=1)
        started = time.monotonic()
        self.pull_ok(f"{registry.host}/a")
        self.assertGreater(time.monotonic() - started, 2)

    def test_rate_limit_for_good(self):
        registry = self.registry()
        registry.rule("/manifests/", fake.reply(429, {}, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}'))
        result = self.pull_fails("SCOW_E_LIMIT", f"{registry.host}/a")
        self.assertIn("pull rate limit", result.message)
        self.assertIn("log in", result.hint)

    def test_failure_keeps_finished_layers(self):
        registry = self.registry()
        image = registry.add_image("a", layers(3))
        registry.rule(image.layers[2]["digest"], fake.reply(404), times=1)
        self.pull_fails("SCOW_E_NOT_FOUND", f"{registry.host}/a", "-j", 1)
        registry.requests.clear()
        result = self.pull_ok(f"{registry.host}/a")
        self.assertEqual(registry.count("/blobs/"), 2)  # config and the last layer
        self.assertEqual(len(result.phases(PRESENT)), 2)


class Cancel(PullCase):
    def test_token(self):
        registry = self.registry()
        image = registry.add_image("a", layers(3))
        registry.rule(image.layers[1]["digest"], fake.hang)
        started = time.monotonic()
        self.pull_fails("SCOW_E_CANCELED", f"{registry.host}/a", "-j", 1, "-c", 400)
        self.assertLess(time.monotonic() - started, 2)
        registry.rules.clear()
        result = self.pull_ok(f"{registry.host}/a")
        self.assertIn(image.layers[0]["digest"], result.phases(PRESENT))

    def test_in_back_off_and_documents(self):
        registry = self.registry()
        registry.rule("/manifests/", fake.reply(429, {"Retry-After": "50"}), times=1)
        registry.rule("/manifests/", fake.hang)
        for _ in range(2):
            started = time.monotonic()
            self.pull_fails("SCOW_E_CANCELED", f"{registry.host}/a", "-c", 300)
            self.assertLess(time.monotonic() - started, 2)

    def test_callback(self):
        registry = self.registry()
        image = registry.add_image("a", layers(2, 2_000_000))
        registry.rule(image.layers[0]["digest"], fake.slow(100_000, 0.05))
        result = self.pull_fails("SCOW_E_CANCELED", f"{registry.host}/a", "-s", 300_000)
        self.assertIn("callback", result.message)


class Hostile(PullCase):
    def test_flipped_bytes(self):
        registry = self.registry()
        image = registry.add_image("a", layers(2, 5000))
        blob = image.blobs[image.layers[1]["digest"]]
        for at in [0, 3, 10, len(blob) // 2, len(blob) - 8, len(blob) - 1]:
            registry.blobs[image.layers[1]["digest"]] = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1:]
            result = self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")
            self.assertIn(image.layers[1]["digest"], result.message)
            self.assertLessEqual(len(os.listdir(f"{self.root}/layers")), 1)

    def test_flipped_documents(self):
        registry = self.registry()
        image = registry.add_image("a", layers(1, 10))
        flip = fake.replace(lambda body: body.replace(b"2024", b"2025"))
        registry.rule(fake.digest_of(image.config), flip)
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")
        index = registry.add_index("i", [image])
        registry.rule("/i/manifests/sha256:", fake.replace(lambda body: body.replace(b"   ", b" \t ", 1)))
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/i")
        # Asked for by its digest, and answered by another.
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/i@{index}")
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/i@{image.digest}")

    def test_digest_header_is_not_believed(self):
        registry = self.registry()
        image = registry.add_image("a", layers(1, 10))
        registry.rule("/manifests/", fake.header("Docker-Content-Digest", "sha256:" + "1" * 64))
        self.assertEqual(self.pull_ok(f"{registry.host}/a").digests, [f"{registry.host}/a@{image.digest}"])
        # A right header does not make a wrong body right.
        other = registry.add_image("b", layers(1, 20))
        registry.rules.clear()
        registry.rule("/a/manifests/", lambda handler, answer: handler.send_answer(
            200, {"Content-Type": image.media_type, "Docker-Content-Digest": image.digest}, other.manifest))
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a@{image.digest}")

    def test_wrong_sizes(self):
        for change in (1, -1, 1 << 40):
            registry = self.registry()
            image = fake.Image(layers(1, 1000))
            lie = [{**image.layers[0], "size": image.layers[0]["size"] + change}]
            lying = fake.Image(layers(1, 1000), layers=lie)
            registry.put("a", "latest", lying)
            self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")

    def test_endless_bodies(self):
        registry = self.registry()
        image = registry.add_image("a", layers(1, 1000))
        registry.rule("/manifests/", fake.endless, times=1)
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")
        registry.rule("/blobs/", fake.endless, times=1)
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")
        registry.rule(image.layers[0]["digest"], fake.endless)
        result = self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")
        self.assertLess(result.peak_kib, 64 << 10)

    def test_deep_json(self):
        registry = self.registry()
        for body in (b"[" * 100_000, b'{"schemaVersion":2,"config":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, b"{}", b"null", b"",
                     b"\x00", b'{"schemaVersion":1}', b"<html>"):
            registry.rules.clear()
            registry.rule("/manifests/", fake.reply(200, {"Content-Type": fake.OCI_MANIFEST}, body))
            result = self.pull(f"{registry.host}/a")
            self.assertIn(result.status, ("SCOW_E_CORRUPT", "SCOW_E_UNSUPPORTED"), body[:40])

    def test_foreign_layers(self):
        registry = self.registry()
        inner = self.registry()
        image = fake.Image(layers(1, 10))
        for media_type in ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                           "application/x-other"):
            foreign = [{**image.layers[0], "mediaType": media_type, "urls": [inner.url + "/secret"]}]
            registry.put("a", "latest", fake.Image(layers(1, 10), layers=foreign))
            result = self.pull_fails("SCOW_E_UNSUPPORTED", f"{registry.host}/a")
            self.assertIn(media_type, result.message)
        self.assertEqual(inner.requests, [])

    def test_layer_counts(self):
        registry = self.registry()
        image = fake.Image(layers(2, 10))
        registry.put("a", "latest", fake.Image(layers(2, 10), layers=image.layers[:1]))
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")

    def test_wrong_diff_id(self):
        registry = self.registry()
        registry.add_image("a", layers(1, 10), diff_ids=["sha256:" + "2" * 64])
        self.pull_fails("SCOW_E_CORRUPT", f"{registry.host}/a")

    def test_terminal_escapes(self):
        registry = self.registry()
        registry.rule("/manifests/", fake.reply(404, {}, json.dumps({"errors": [{"code": "X", "message": "\x1b]0;owned\x07\x1b[2J"}]}).encode()))
        self.assertNotIn("\x1b", self.pull_fails("SCOW_E_NOT_FOUND", f"{registry.host}/a").message)

    def test_token_server_is_local(self):
        registry = self.registry()
        registry.rule("/manifests/", fake.reply(401, {"WWW-Authenticate": 'Bearer realm="ftp://127.0.0.1/"'}))
        self.assertIn(self.pull(f"{registry.host}/a").status, ("SCOW_E_INVALID", "SCOW_E_DENIED"))


class Sharing(PullCase):
    def test_threads_share_one_download(self):
        registry = self.registry()
        image = registry.add_image("a", layers(4, 500_000))
        for options in (), ("-S",):
            result = self.pull_ok(f"{registry.host}/a", "-t", 8, "-q", *options)
            self.assertEqual({line["status"] for line in result.results}, {"SCOW_OK"})
            self.assertEqual(len(result.results), 8)
            for layer in image.layers:
                self.assertEqual(registry.count(layer["digest"]), 1)
            self.assert_nothing_half_made()
            shutil.rmtree(self.root)
            registry.requests.clear()

    def test_processes_share_one_download(self):
        registry = self.registry()
        image = registry.add_image("a", layers(3, 500_000))
        registry.add_image("b", layers(4, 500_000))  # the first three are a's
        for layer in image.layers:
            registry.rule(layer["digest"], fake.slow(100_000, 0.03))
        processes = [subprocess.Popen([TOOL, "-q", self.root, f"{registry.host}/{name}"], stdout=subprocess.PIPE, env=self.env, text=True)
                     for name in "abab"]
        for process in processes:
            self.assertIn("SCOW_OK", process.communicate(timeout=60)[0])
        for layer in image.layers:
            self.assertEqual(registry.count(layer["digest"]), 1)
        self.assert_nothing_half_made()

    def test_killed_puller(self):
        registry = self.registry()
        image = registry.add_image("a", layers(2, 500_000))
        registry.rule(image.layers[0]["digest"], fake.slow(10_000, 0.2), times=1)
        process = subprocess.Popen([TOOL, "-q", self.root, f"{registry.host}/a"], stdout=subprocess.DEVNULL, env=self.env)
        deadline = time.monotonic() + 20
        while registry.count(image.layers[0]["digest"]) == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        process.kill()
        process.wait()
        self.assertEqual(self.pull_ok(f"{registry.host}/a").id, image.id)
        self.assert_nothing_half_made()


class Schemes(PullCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.mkdtemp(prefix="pull-keys.")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{cls.keys}/key", "-out", f"{cls.keys}/cert"],
                       check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.keys)

    def tls_registry(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{self.keys}/cert", f"{self.keys}/key")
        registry = self.registry(context=context)
        registry.add_image("a", layers(2))
        return registry

    def test_plain_needs_one_request_more_for_nothing(self):
        registry = self.registry()
        registry.add_image("a", layers(1, 10))
        self.pull_ok(f"localhost:{registry.host.split(':')[1]}/a")
        self.assertEqual(len(registry.requests), 3)

    def test_tls_on_loopback(self):
        registry = self.tls_registry()
        result = self.pull_fails("SCOW_E_NETWORK", f"{registry.host}/a")
        self.assertIn("TLS", result.message)
        self.assertIn("CA certificate", result.hint)
        self.pull_ok(f"{registry.host}/a", "-i")
        self.assertEqual(registry.count("/blobs/"), 3)

    def test_plain_registry_elsewhere(self):
        """A name that is not loopback's: https only, unless told otherwise."""
        name = socket.gethostname()
        try:
            address = socket.gethostbyname(name)
        except OSError:
            self.skipTest("this host's name is not in its resolver")
        registry = self.registry(host=address)
        registry.add_image("a", layers(1, 10))
        reference = f"{name}:{registry.host.rsplit(':', 1)[1]}/a"
        result = self.pull_fails("SCOW_E_NETWORK", reference)
        self.assertIn("--insecure", result.hint)
        self.assertEqual(registry.requests, [])
        self.pull_ok(reference, "-i")


@unittest.skipUnless(shutil.which("docker-registry") and shutil.which("skopeo"), "needs docker-registry and skopeo")
class RealRegistry(PullCase):
    def setUp(self):
        super().setUp()
        self.host = subprocess.run([SUPPORT / "registry.sh", "start", f"{self.dir}/registry"], check=True, capture_output=True,
                                   text=True).stdout.strip()
        self.addCleanup(subprocess.run, [SUPPORT / "registry.sh", "stop", f"{self.dir}/registry"])
        subprocess.run([SUPPORT / "make-base-image.sh", f"{self.dir}/base.tar", "base:latest"], check=True)
        subprocess.run([SUPPORT / "registry.sh", "push", self.host, f"{self.dir}/base.tar", "my/base:1"], check=True)

    def test_pull(self):
        result = self.pull_ok(f"{self.host}/my/base:1")
        inspect = json.loads(subprocess.run(["skopeo", "--insecure-policy", "inspect", "--tls-verify=false", f"docker://{self.host}/my/base:1"],
                                            check=True, capture_output=True, text=True).stdout)
        self.assertEqual(result.digests, [f"{self.host}/my/base@{inspect['Digest']}"])
        self.assertIn("bin/busybox", {path.replace("usr/", "") for path in self.unpacked()})
        self.assertEqual(self.pull_ok(f"{self.host}/my/base@{inspect['Digest']}").id, result.id)
        self.assertIn("MANIFEST_UNKNOWN", self.pull_fails("SCOW_E_NOT_FOUND", f"{self.host}/my/base:2").message)

    def test_memory(self):
        """40 MB of one layer, and 60 of three, through 32 MiB of a process."""
        self.check_memory("one", [range(20)])
        self.check_memory("three", [range(10), range(10, 20), range(20, 30)])

    def check_memory(self, name, ranges):
        oci = f"{self.dir}/{name}"
        image = fake.Image([fake.tar_of({f"f{n}": noise(2_000_000, n) for n in numbers}) for numbers in ranges])
        os.makedirs(f"{oci}/blobs/sha256")
        for digest, blob in {**image.blobs, image.digest: image.manifest}.items():
            pathlib.Path(oci, "blobs/sha256", digest[7:]).write_bytes(blob)
        pathlib.Path(oci, "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        pathlib.Path(oci, "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
            {"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest)}]}))
        subprocess.run([SUPPORT / "registry.sh", "push", self.host, oci, f"{name}:1"], check=True)
        result = self.pull_ok(f"{self.host}/{name}:1")
        self.assertEqual(result.id, image.id)
        if not SANITIZED:
            self.assertLess(result.peak_kib, 32 << 10)


if __name__ == "__main__":
    unittest.main(verbosity=1)
