"""What tests of the scow command share: a store with a base image, small images made in memory, a probe to run inside.

SCOW names the program under test (default: build/examples/scow/scow).
"""
import fcntl
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import pty
import select
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import termios
import time
import unittest

SUPPORT = pathlib.Path(__file__).resolve().parent
TOP = SUPPORT.parents[1]
sys.path.insert(0, str(SUPPORT))
import snapshot  # noqa: E402

SCOW = os.environ.get("SCOW", str(TOP / "build/examples/scow/scow"))
PATIENCE = 30
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def sha(data):
    return hashlib.sha256(data).hexdigest()


def entry(name, kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar_of(files):
    """A tar of (name or TarInfo, bytes) pairs, or of a dictionary of them; a value may be a TarInfo of its own."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items() if isinstance(files, dict) else files:
            info = data if isinstance(data, tarfile.TarInfo) else name if isinstance(name, tarfile.TarInfo) else entry(name)
            body = data if isinstance(data, bytes) else b""
            if info.isreg() and body:
                info.size = len(body)
            tar.addfile(info, io.BytesIO(body) if body else None)
    return out.getvalue()


def docker_archive(layers, config, tag):
    """As `docker save` writes it; @layers: plain tars."""
    document = json.dumps({"architecture": ARCH, "os": "linux", "config": config,
                           "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(layer) for layer in layers]}}).encode()
    files = {f"{sha(layer)}.tar": layer for layer in layers}
    files[f"{sha(document)}.json"] = document
    files["manifest.json"] = json.dumps([{"Config": f"{sha(document)}.json", "RepoTags": [tag],
                                          "Layers": [f"{sha(layer)}.tar" for layer in layers]}]).encode()
    return tar_of(files)


def oci_archive(layers, tag):
    """An OCI layout in a tar, its layers compressed with gzip; @layers: (plain tar's digest, compressed bytes)."""
    config = json.dumps({"architecture": ARCH, "os": "linux", "config": {"Cmd": ["sh"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest, _ in layers]}}).encode()
    kind = "application/vnd.oci.image."

    def describe(what, data, **more):
        return {"mediaType": kind + what, "digest": "sha256:" + sha(data), "size": len(data), **more}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": describe("config.v1+json", config),
                           "layers": [describe("layer.v1.tar+gzip", data) for _, data in layers]}).encode()
    files = {f"blobs/sha256/{sha(data)}": data for data in [config, manifest, *(data for _, data in layers)]}
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [
        describe("manifest.v1+json", manifest, annotations={"org.opencontainers.image.ref.name": tag})]}).encode()
    return tar_of(files)


def zeros(size):
    """A layer with one file of zeros, compressed a thousandfold: (digest of the plain tar, gzip)."""
    digest, out, block = hashlib.sha256(), io.BytesIO(), bytes(1 << 20)
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0) as packed:
        def put(data):
            digest.update(data)
            packed.write(data)
        put(entry("zeros", size=size).tobuf(tarfile.PAX_FORMAT))
        for _ in range(size >> 20):
            put(block)
        put(bytes(1024))
    return digest.hexdigest(), out.getvalue()


def make_work(prefix):
    work = tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    os.mkdir(f"{work}/tmp")
    subprocess.run([SUPPORT / "make-base-image.sh", f"{work}/base.tar", "base:latest"], check=True, env={**os.environ, "TMPDIR": work})
    subprocess.run(["cc", "-O1", "-static", "-o", f"{work}/probe", SUPPORT / "probe.c"], check=True)
    return work


class Cli(unittest.TestCase):
    """A store with the base image in it, and a look at the host around each class. WORK is the subclass's."""
    WORK = None

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="root.", dir=cls.WORK)
        cls.env = {**os.environ, "SCOW_ROOT": cls.root, "TMPDIR": f"{cls.WORK}/tmp"}
        done = cls.scow("load", "-q", "-i", f"{cls.WORK}/base.tar")
        assert done.returncode == 0, done
        cls.before = snapshot.Snapshot(cls.root, cls.WORK)

    @classmethod
    def tearDownClass(cls):
        for name in cls.scow("ps", "-aq").stdout.split():
            cls.scow("rm", "-f", name)
        cls.before.check()
        shutil.rmtree(cls.root, ignore_errors=True)

    @classmethod
    def scow(cls, *args, **kwargs):
        kwargs.setdefault("timeout", 60)
        kwargs.setdefault("env", cls.env)
        kwargs.setdefault("errors", "backslashreplace")
        if "input" not in kwargs:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([SCOW, *map(str, args)], capture_output=True, text=True, **kwargs)

    def ok(self, *args, **kwargs):
        done = self.scow(*args, **kwargs)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout

    def fails(self, words, *args):
        done = self.scow(*args)
        self.assertNotEqual(done.returncode, 0, done)
        self.assertIn(words, done.stderr)

    def until(self, condition, what="it does not come about"):
        """What @condition returns once that is true."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)
        return value

    def run_ok(self, *args, **kwargs):
        done = self.scow("run", "--rm", *args, **kwargs)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout

    def run_fails(self, code, words, *args, **kwargs):
        done = self.scow("run", "--rm", *args, **kwargs)
        self.assertEqual(done.returncode, code, done)
        self.assertIn(words, done.stderr)
        return done

    def make_image(self, name, *layers, **config):
        """Base's files with @layers (as for tar_of) over them, and @config."""
        path = f"{self.WORK}/image.tar"
        with tarfile.open(f"{self.WORK}/base.tar") as base:
            bottom = next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))
        pathlib.Path(path).write_bytes(docker_archive([bottom, *map(tar_of, layers)], config, f"{name}:latest"))
        done = self.scow("load", "-q", "-i", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        os.unlink(path)
        return name

    def with_probe(self):
        return "-v", f"{self.WORK}/probe:/probe:ro"

    def spawn(self, *args, **kwargs):
        process = subprocess.Popen([SCOW, *map(str, args)], env=self.env, text=True, **kwargs)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        self.addCleanup(end)
        return process

    def on_terminal(self, *args, rows=24, columns=80):
        """scow on a terminal of its own: process, master, slave, and how the terminal was."""
        master, slave = pty.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.addCleanup(os.close, slave)
        self.addCleanup(os.close, master)
        before = termios.tcgetattr(slave)

        def lead():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        return self.spawn(*args, stdin=slave, stdout=slave, stderr=slave, preexec_fn=lead), master, slave, before

    def expect(self, master, text):
        """All that comes up to @text, which must come."""
        seen, end = "", time.monotonic() + PATIENCE
        while text not in seen:
            self.assertTrue(select.select([master], [], [], max(0, end - time.monotonic()))[0], f"{text!r} not in {seen[-300:]!r}")
            seen += os.read(master, 4096).decode(errors="replace")
        return seen
