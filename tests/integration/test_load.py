#!/usr/bin/env python3
"""Loads archives and layouts: those that skopeo, umoci and podman write, and those that nobody should.

LOAD_TOOL names the program of tests/support/load_tool.c (default: tests/load_tool of SCOW_BUILD_DIR). Cases that need a
tool which is not here are skipped.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import random
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
TOOL = os.environ.get("LOAD_TOOL", os.environ.get("SCOW_BUILD_DIR", str(TOP / "build")) + "/tests/load_tool")
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
OCI = "application/vnd.oci.image."


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files):
    """A plain tar of {name: bytes}, or of {name: TarInfo}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 1700000000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


class Image:
    """An image in memory, to be written in whatever form."""

    def __init__(self, *layers, arch=ARCH, compress=True, variant=None, **config):
        self.plain = [tar_of(files) for files in (layers or ({"etc/name": b"one\n"}, {"etc/other": b"two\n", "etc/.wh.name": b""}))]
        self.blobs = [gzip.compress(data, mtime=0) if compress else data for data in self.plain]
        document = {"architecture": arch, "os": "linux", "created": "2024-01-01T00:00:00Z", "config": {"Cmd": ["sh"], **config},
                    "rootfs": {"type": "layers", "diff_ids": [sha(data) for data in self.plain]},
                    "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"layer {n}"} for n in range(len(self.plain))]}
        if variant:
            document["variant"] = variant
        self.config = json.dumps(document).encode()
        self.id = sha(self.config)
        kind = ".tar+gzip" if compress else ".tar"
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": {"mediaType": OCI + "config.v1+json", "digest": self.id, "size": len(self.config)},
            "layers": [{"mediaType": OCI + "layer.v1" + kind, "digest": sha(data), "size": len(data)} for data in self.blobs]}).encode()
        self.platform = {"os": "linux", "architecture": arch, **({"variant": variant} if variant else {})}

    def descriptor(self, name=None, key="org.opencontainers.image.ref.name", platform=False):
        return {"mediaType": OCI + "manifest.v1+json", "digest": sha(self.manifest), "size": len(self.manifest),
                **({"annotations": {key: name}} if name else {}), **({"platform": self.platform} if platform else {})}

    def files(self):
        return {f"blobs/sha256/{sha(data)[7:]}": data for data in [self.config, self.manifest, *self.blobs]}


def layout(*descriptors, images=(), blobs=()):
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    for image in images:
        files |= image.files()
    for data in blobs:
        files[f"blobs/sha256/{sha(data)[7:]}"] = data
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": list(descriptors)}).encode()
    return files


def oci(image, name=None, **kwargs):
    return layout(image.descriptor(name, **kwargs), images=[image])


def docker(*images, **tags):
    """As `docker save` wrote it before it wrote OCI layouts; tags: a list of lists."""
    files, listed = {}, []
    names = tags.get("tags", [["a:1"]])
    for image, image_tags in zip(images, names):
        layers = []
        for data in image.plain:
            path = f"{sha(data)[7:]}/layer.tar"
            files[path] = data
            layers.append(path)
        files[f"{image.id[7:]}.json"] = image.config
        listed.append({"Config": f"{image.id[7:]}.json", "RepoTags": image_tags, "Layers": layers})
    files["manifest.json"] = json.dumps(listed).encode()
    return files


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="load-test.")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = f"{self.dir}/root"
        self.env = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH")
                    if name in os.environ} | {"HOME": self.dir}

    def tool(self, *arguments, stdin=subprocess.DEVNULL):
        done = subprocess.run([TOOL, *map(str, arguments)], stdin=stdin, capture_output=True, text=True, timeout=120, env=self.env)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return json.loads(done.stdout)

    def write(self, files, name="archive.tar"):
        path = f"{self.dir}/{name}"
        data = files if isinstance(files, bytes) else tar_of(files)
        pathlib.Path(path).write_bytes(data)
        return path

    def load(self, files, *options):
        path = files if isinstance(files, (str, pathlib.Path)) else self.write(files)
        result = self.tool(*options, self.root, path)
        self.assertEqual(result["status"], "SCOW_OK", result)
        self.assert_clean()
        return result

    def load_fails(self, status, words, files, *options):
        path = files if isinstance(files, (str, pathlib.Path)) else self.write(files)
        result = self.tool(*options, self.root, path)
        self.assertEqual(result["status"], status, result)
        self.assertIn(words, result["message"] + "\n" + result["hint"])
        self.assert_clean()
        self.assert_nothing_kept()
        return result

    def assert_clean(self):
        self.assertEqual(os.listdir(f"{self.root}/tmp"), [])

    def assert_nothing_kept(self):
        self.assertEqual(os.listdir(f"{self.root}/layers"), [])
        self.assertEqual(os.listdir(f"{self.root}/blobs/sha256"), [])
        self.assertEqual(self.tool("-l", self.root)["store"], [])

    def assert_image(self, result, image, tags, at=0):
        self.assertEqual(result["loaded"][at]["id"], image.id)
        self.assertEqual(result["loaded"][at]["tags"], tags)
        stored = next(item for item in result["store"] if item["inspect"]["Id"] == image.id)
        document = json.loads(image.config)
        self.assertEqual(stored["inspect"]["RootFS"]["Layers"], document["rootfs"]["diff_ids"])
        self.assertEqual([entry["CreatedBy"] for entry in stored["history"]],
                         [entry["created_by"] for entry in reversed(document["history"])])
        data = stored["inspect"]["GraphDriver"]["Data"]
        directories = [*data.get("LowerDir", "").split(":")[::-1], data["UpperDir"]] if "LowerDir" in data else [data["UpperDir"]]
        self.assertEqual(len(directories), len(image.plain))
        for directory, plain in zip(directories, image.plain):
            with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
                for member in tar:
                    path = pathlib.Path(directory, member.name)
                    if member.isreg() and not path.name.startswith(".wh."):
                        self.assertEqual(path.read_bytes(), tar.extractfile(member).read())


class Layout(Case):
    def test_archive(self):
        image = Image()
        self.assert_image(self.load(oci(image, "docker.io/library/app:1")), image, ["app:1"])

    def test_again(self):
        image = Image()
        path = self.write(oci(image, "a:1"))
        self.load(path)
        result = self.load(path)
        self.assert_image(result, image, ["a:1"])
        self.assertEqual(len(result["store"]), 1)

    def test_directory(self):
        image = Image()
        for name, data in oci(image, "a:1").items():
            path = pathlib.Path(self.dir, "layout", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.assert_image(self.load(f"{self.dir}/layout"), image, ["a:1"])

    def test_stream_in_any_order(self):
        """Through a pipe, the index first or last, whole or in crumbs."""
        image = Image()
        files = oci(image, "a:1")
        for order in (files, dict(reversed(files.items()))):
            data = tar_of(order)
            for size in (len(data), 777):
                shutil.rmtree(self.root, ignore_errors=True)
                read, write = os.pipe()

                def pour():
                    with open(write, "wb", buffering=0) as out:
                        for at in range(0, len(data), size):
                            out.write(data[at:at + size])
                writer = threading.Thread(target=pour)
                writer.start()
                with open(read, "rb") as stdin:
                    result = self.tool(self.root, "-", stdin=stdin)
                writer.join()
                self.assert_image(result, image, ["a:1"])
                self.assert_clean()

    def test_compressed(self):
        image = Image()
        data = tar_of(oci(image, "a:1"))
        self.assert_image(self.load(gzip.compress(data)), image, ["a:1"])
        if not shutil.which("zstd"):
            self.skipTest("zstd is not installed")
        shutil.rmtree(self.root)
        self.assert_image(self.load(subprocess.run(["zstd", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout), image, ["a:1"])

    def test_plain_layers_and_dot_names(self):
        image = Image(compress=False)
        self.assert_image(self.load({"./" + name: data for name, data in oci(image, "a:1").items()}), image, ["a:1"])

    def test_names(self):
        for name, key, tags in (
                ("docker.io/library/app:1", "io.containerd.image.name", ["app:1"]),
                ("localhost/x:2", "org.opencontainers.image.ref.name", ["localhost/x:2"]),
                ("app:3", "org.opencontainers.image.ref.name", ["app:3"]),
                ("latest", "org.opencontainers.image.ref.name", []),
                ("Not A:Name", "org.opencontainers.image.ref.name", []),
                ("a\x1b[31m/b:c", "org.opencontainers.image.ref.name", []),
                (None, None, [])):
            with self.subTest(name=name):
                shutil.rmtree(self.root, ignore_errors=True)
                image = Image()
                self.assert_image(self.load(oci(image, name, key=key)), image, tags)
                shutil.rmtree(self.root)
                self.assert_image(self.load(oci(image, name, key=key), "-r", "given/name"), image, tags or ["given/name:latest"])

    def test_tag_moves(self):
        one, two = Image({"a": b"1"}), Image({"a": b"2"})
        self.load(oci(one, "a:1"))
        result = self.load(oci(two, "a:1"))
        names = {item["inspect"]["Id"]: item["inspect"]["RepoTags"] for item in result["store"]}
        self.assertEqual(names, {one.id: [], two.id: ["a:1"]})

    def test_several_images(self):
        one, two = Image({"a": b"1"}, {"b": b"1"}), Image({"a": b"1"}, {"b": b"2"})
        result = self.load(layout(one.descriptor("a:1"), two.descriptor("b:1"), images=[one, two]))
        self.assert_image(result, one, ["a:1"])
        self.assert_image(result, two, ["b:1"], at=1)
        self.assertEqual(len(os.listdir(f"{self.root}/layers")), 3)

    def test_nested_index(self):
        """What buildx and `skopeo copy --all` write: the name on an index, attestations beside the images."""
        mine, other = Image({"a": b"mine"}), Image({"a": b"other"}, arch="s390x" if ARCH != "s390x" else "amd64")
        attestation = mine.descriptor() | {"platform": {"os": "unknown", "architecture": "unknown"}}
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
            attestation, other.descriptor(platform=True), mine.descriptor(platform=True)]}).encode()
        top = {"mediaType": OCI + "index.v1+json", "digest": sha(index), "size": len(index),
               "annotations": {"io.containerd.image.name": "docker.io/library/multi:1"}}
        files = layout(top, images=[mine, other], blobs=[index])
        self.assert_image(self.load(files), mine, ["multi:1"])
        shutil.rmtree(self.root)
        self.assert_image(self.load(files, "-p", "linux/" + other.platform["architecture"]), other, ["multi:1"])
        shutil.rmtree(self.root)
        self.load_fails("SCOW_E_UNSUPPORTED", "there is: linux/s390x, linux/" + ARCH, files, "-p", "linux/ppc64le")

    @unittest.skipUnless(ARCH == "amd64", "levels of amd64")
    def test_flat_index_takes_the_best(self):
        low, base = Image({"a": b"386"}, arch="386"), Image({"a": b"v1"})
        files = layout(low.descriptor("m:1", platform=True), base.descriptor("m:1", platform=True), images=[low, base])
        result = self.load(files)
        self.assert_image(result, base, ["m:1"])
        self.assertEqual(len(result["store"]), 1)

    def test_only_missing_platform(self):
        image = Image(arch="s390x" if ARCH != "s390x" else "amd64")
        self.load_fails("SCOW_E_UNSUPPORTED", "no image for the platform", layout(image.descriptor("a:1", platform=True), images=[image]))
        self.load_fails("SCOW_E_UNSUPPORTED", "not for linux/ppc64le", oci(image, "a:1"), "-p", "linux/ppc64le")

    def test_same_layer_twice(self):
        image = Image({"a": b"1"}, {"b": b"2"}, {"a": b"1"})
        self.assert_image(self.load(oci(image, "a:1")), image, ["a:1"])

    def test_no_layers(self):
        image = Image({"a": b""})
        image.plain = image.blobs = []
        image.config = json.dumps({"os": "linux", "architecture": ARCH, "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        image.id = sha(image.config)
        image.manifest = json.dumps({"schemaVersion": 2, "config": {"digest": image.id, "size": len(image.config)}, "layers": []}).encode()
        result = self.load(oci(image, "a:1"))
        self.assertEqual(result["store"][0]["inspect"]["RootFS"], {"Type": "layers", "Layers": []})

    def test_removal_leaves_nothing(self):
        self.load(oci(Image(), "a:1"))
        self.tool("-d", "a:1", self.root)
        self.assert_nothing_kept()


class Docker(Case):
    def test_archive(self):
        image = Image()
        result = self.load(docker(image, tags=[["a:1", "quay.io/b:2"]]))
        self.assert_image(result, image, ["a:1", "quay.io/b:2"])
        self.assertEqual(len(os.listdir(f"{self.root}/blobs/sha256")), 2)

    def test_untagged(self):
        image = Image()
        self.assert_image(self.load(docker(image, tags=[None])), image, [])
        self.assert_image(self.load(docker(image, tags=[None]), "-r", "x"), image, ["x:latest"])

    def test_many_images_share_layers(self):
        one, two = Image({"a": b"1"}, {"b": b"1"}), Image({"a": b"1"}, {"b": b"2"})
        result = self.load(docker(one, two, tags=[["a:1"], ["b:1"]]))
        self.assert_image(result, one, ["a:1"])
        self.assert_image(result, two, ["b:1"], at=1)
        self.assertEqual(len(os.listdir(f"{self.root}/layers")), 3)

    def test_links_to_layers(self):
        """Old `docker save` wrote a layer that it had already written as a link, skopeo as a hard link."""
        for kind, target in ((tarfile.SYMTYPE, "../{}/layer.tar"), (tarfile.LNKTYPE, "{}/layer.tar")):
            shutil.rmtree(self.root, ignore_errors=True)
            image = Image({"a": b"1"})
            files = docker(image)
            first = sha(image.plain[0])[7:]
            files["other/layer.tar"] = link("other/layer.tar", target.format(first), kind)
            files["manifest.json"] = files["manifest.json"].replace(first.encode() + b"/layer.tar", b"other/layer.tar")
            self.assert_image(self.load(files), image, ["a:1"])

    def test_compressed_layers(self):
        image = Image()
        files = docker(image)
        for plain, packed in zip(image.plain, image.blobs):
            files[f"{sha(plain)[7:]}/layer.tar"] = packed
        self.assert_image(self.load(files), image, ["a:1"])

    def test_both_forms(self):
        """Docker of today writes index.json and manifest.json."""
        image = Image()
        blob = lambda data: f"blobs/sha256/{sha(data)[7:]}"  # noqa: E731
        files = oci(image, "docker.io/library/a:1", key="io.containerd.image.name")
        listed = {"Config": blob(image.config), "RepoTags": ["a:1"], "Layers": [blob(data) for data in image.blobs]}
        files["manifest.json"] = json.dumps([listed]).encode()
        self.assert_image(self.load(files), image, ["a:1"])
        shutil.rmtree(self.root)
        del files["index.json"]
        self.assert_image(self.load(files), image, ["a:1"])


class Hostile(Case):
    def test_no_archive(self):
        self.load_fails("SCOW_E_INVALID", "empty", b"")
        self.load_fails("SCOW_E_INVALID", "not a tar", os.urandom(5000))
        self.load_fails("SCOW_E_INVALID", "neither index.json nor manifest.json", {"etc/passwd": b"x"})
        self.load_fails("SCOW_E_INVALID", "names no image", layout())
        self.load_fails("SCOW_E_CORRUPT", "index.json", {"index.json": b"{}"})
        self.load_fails("SCOW_E_CORRUPT", "manifest.json", {"manifest.json": b"{}"})
        self.load_fails("SCOW_E_INVALID", "names no image", {"manifest.json": b"[]"})
        os.mkdir(f"{self.dir}/empty")
        self.load_fails("SCOW_E_INVALID", "neither", f"{self.dir}/empty")

    def test_truncated(self):
        data = tar_of(oci(Image({"a": os.urandom(100000)}), "a:1"))
        for size in (len(data) // 2, 512 * 7 + 100, 300):
            self.load_fails("SCOW_E_CORRUPT" if size > 512 else "SCOW_E_INVALID", "", data[:size])
        packed = gzip.compress(data)
        for size in (len(packed) // 2, len(packed) - 3):
            self.load_fails("SCOW_E_CORRUPT", "", packed[:size])

    def test_lying_digests(self):
        image = Image()
        for victim in (image.config, image.manifest, *image.blobs):
            files = oci(image, "a:1")
            name = f"blobs/sha256/{sha(victim)[7:]}"
            changed = bytearray(victim)
            changed[len(changed) // 2] ^= 1
            files[name] = bytes(changed)
            self.load_fails("SCOW_E_CORRUPT", sha(victim)[7:], files)

    def test_lying_diff_id(self):
        image, other = Image(compress=False), Image({"x": b"y"}, {"z": b""})
        files = docker(image)
        files[f"{sha(image.plain[1])[7:]}/layer.tar"] = other.plain[0]
        self.load_fails("SCOW_E_CORRUPT", sha(image.plain[1])[7:], files)

    def test_lying_sizes(self):
        image = Image()
        for name in (sha(image.config), sha(image.blobs[0])):
            files = oci(image, "a:1")
            manifest = json.loads(image.manifest)
            for item in [manifest["config"], *manifest["layers"]]:
                if item["digest"] == name:
                    item["size"] += 1
            text = json.dumps(manifest).encode()
            files |= layout({"digest": sha(text), "size": len(text), "mediaType": OCI + "manifest.v1+json"}, blobs=[text])
            self.load_fails("SCOW_E_CORRUPT", "", files)

    def test_lying_config_name(self):
        image = Image()
        files = docker(image)
        files[f"{image.id[7:]}.json"] = image.config + b" "
        self.load_fails("SCOW_E_CORRUPT", "digest does not match", files)

    def test_missing_entries(self):
        image = Image()
        for gone in (image.config, image.manifest, *image.blobs):
            files = oci(image, "a:1")
            del files[f"blobs/sha256/{sha(gone)[7:]}"]
            self.load_fails("SCOW_E_CORRUPT", f"'blobs/sha256/{sha(gone)[7:]}': it is missing", files)

    def test_wrong_number_of_layers(self):
        image = Image()
        files = docker(image)
        listed = json.loads(files["manifest.json"])
        listed[0]["Layers"].pop()
        files["manifest.json"] = json.dumps(listed).encode()
        self.load_fails("SCOW_E_CORRUPT", "names 2 layers", files)

    def test_paths(self):
        secret = f"{self.dir}/secret"
        pathlib.Path(secret).write_bytes(b"secret")
        image = Image({"a": b"1"})
        layer = f"{sha(image.plain[0])[7:]}/layer.tar"
        for name in ("../evil", "/evil", "a/../../evil", "x" * 2000):
            self.load_fails("SCOW_E_CORRUPT", "leads out", docker(image) | {name: b"x"})
        for target in (secret, "../../../../../etc/passwd", "/etc/passwd"):
            self.load_fails("SCOW_E_CORRUPT", "leads out", docker(image) | {layer: link(layer, target)})
        self.load_fails("SCOW_E_CORRUPT", "missing", docker(image) | {layer: link(layer, "nowhere")})
        self.load_fails("SCOW_E_CORRUPT", "circle", docker(image) | {layer: link(layer, "layer.tar")})
        for name in ("../../secret", secret, "../root/state.db"):
            files = docker(image)
            files["manifest.json"] = json.dumps([{"Config": name, "RepoTags": ["a:1"], "Layers": [layer]}]).encode()
            self.load_fails("SCOW_E_CORRUPT", "missing", files)
        device = tarfile.TarInfo("dev")
        device.type = tarfile.CHRTYPE
        self.load_fails("SCOW_E_CORRUPT", "neither a file nor a link", docker(image) | {"dev": device})

    def test_layout_directory_with_links(self):
        image = Image({"a": b"1"})
        top = pathlib.Path(self.dir, "layout")
        for name, data in oci(image, "a:1").items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        config = top / f"blobs/sha256/{image.id[7:]}"
        config.rename(f"{self.dir}/elsewhere")
        config.symlink_to(f"{self.dir}/elsewhere")
        result = self.tool(self.root, str(top))
        self.assertNotEqual(result["status"], "SCOW_OK")
        self.assert_nothing_kept()
        config.unlink()
        os.mkfifo(config)
        self.load_fails("SCOW_E_CORRUPT", "not a file", str(top))

    def test_duplicate_names(self):
        image, other = Image({"a": b"1"}), Image({"a": b"2"})
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for files in (docker(image), docker(other)):
                for name, data in files.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        self.load_fails("SCOW_E_CORRUPT", "'manifest.json': it is there twice", out.getvalue())
        self.assert_image(self.load(self.doubled(image)), image, ["a:1"])

    def doubled(self, image):
        """Everything twice, and the same each time: harmless."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in list(docker(image).items()) * 2:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def test_huge_entry(self):
        """A header that promises 8 EiB, and a hole of as much."""
        info = tarfile.TarInfo("huge")
        info.size = (1 << 63) - 1
        header = info.tobuf(tarfile.GNU_FORMAT)
        self.load_fails("SCOW_E_CORRUPT", "size overflow", tar_of({"first": b"x"})[:1024] + header + b"x" * 5000)
        info.size = 1 << 40
        self.load_fails("SCOW_E_CORRUPT", "'huge'", info.tobuf(tarfile.GNU_FORMAT) + b"x" * 5000)
        sparse = tarfile.TarInfo("sparse")
        sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(1 << 62),
                              "GNU.sparse.numblocks": "1", "GNU.sparse.map": f"{(1 << 62) - 1},1", "GNU.sparse.name": "sparse"}
        sparse.size = 1
        self.load_fails("SCOW_E_CORRUPT", "sparse", sparse.tobuf(tarfile.PAX_FORMAT) + b"x" + b"\0" * 511 + b"\0" * 1024)

    def test_deep_and_large_documents(self):
        image = Image({"a": b"1"})
        deep = b'{"schemaVersion":2,"manifests":' + b"[" * 100000
        self.load_fails("SCOW_E_CORRUPT", "nested deeper", oci(image) | {"index.json": deep})
        self.load_fails("SCOW_E_CORRUPT", "too large", oci(image) | {"index.json": b" " * (5 << 20)})
        nested = image.descriptor()
        blobs = []
        for _ in range(8):
            text = json.dumps({"schemaVersion": 2, "manifests": [nested]}).encode()
            blobs.append(text)
            nested = {"mediaType": OCI + "index.v1+json", "digest": sha(text), "size": len(text)}
        self.load_fails("SCOW_E_CORRUPT", "nested deeper than 4", layout(nested, images=[image], blobs=blobs))

    def test_hostile_layer(self):
        image = Image({"ok": b"1"}, {"../../escape": b"x"})
        self.load_fails("SCOW_E_CORRUPT", "escape", oci(image, "a:1"))
        self.assertFalse(os.path.exists(f"{self.root}/escape") or os.path.exists(f"{self.dir}/escape"))

    def test_nul_in_config(self):
        image = Image({"a": b"1"}, User="root\0x")
        self.load_fails("SCOW_E_CORRUPT", "NUL", oci(image, "a:1"))

    def test_canceled(self):
        read, write = os.pipe()
        os.write(write, tar_of(oci(Image(), "a:1"))[:700])
        with open(read, "rb") as stdin:
            result = self.tool("-c", 100, self.root, "-", stdin=stdin)
        os.close(write)
        self.assertEqual(result["status"], "SCOW_E_CANCELED")
        self.assert_clean()
        self.assert_nothing_kept()

    def test_killed(self):
        """kill -9 while the archive arrives: the next open finds the spool dead, and sweeps it."""
        for _ in range(3):
            process = subprocess.Popen([TOOL, self.root, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=self.env)
            process.stdin.write(tar_of(oci(Image({"a": os.urandom(1 << 20)}), "a:1"))[:700000])
            process.stdin.flush()
            for _ in range(200):
                if os.path.isdir(f"{self.root}/tmp") and os.listdir(f"{self.root}/tmp"):
                    break
                threading.Event().wait(0.01)
            self.assertNotEqual(os.listdir(f"{self.root}/tmp"), [])
            process.kill()
            process.wait()
            process.stdin.close()
        self.assert_nothing_kept()
        self.assert_clean()


class Store(Case):
    """Whatever happens to those who change the store: what it says is there is there, and nothing else."""

    def check_store(self):
        self.tool("-l", self.root)  # an engine opens: it sweeps
        self.assertEqual([name for name in os.listdir(f"{self.root}/tmp") if not name.startswith("lock-")], [])
        self.assertEqual(os.listdir(f"{self.root}/owners"), [])
        db = sqlite3.connect(f"file:{self.root}/state.db?mode=ro", uri=True)
        self.addCleanup(db.close)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        self.assertEqual(db.execute("PRAGMA foreign_key_check").fetchall(), [])
        rows = lambda sql: {row[0] for row in db.execute(sql)}  # noqa: E731
        self.assertEqual(rows("SELECT name FROM layers"), set(os.listdir(f"{self.root}/layers")))
        self.assertEqual(rows("SELECT substr(digest, 8) FROM blobs"), set(os.listdir(f"{self.root}/blobs/sha256")))
        self.assertEqual(rows("SELECT blob FROM image_blobs") - rows("SELECT digest FROM blobs"), set())
        for name, size in db.execute("SELECT name, size FROM layers"):
            found = sum(path.stat().st_size for path in pathlib.Path(self.root, "layers", name).rglob("*") if path.is_file())
            self.assertEqual(found, size)

    def test_killed_at_any_moment(self):
        kills = int(os.environ.get("SCOW_KILLS", "60"))
        archives = []
        for n in range(3):
            image = Image({"shared": b"s" * 500_000}, {f"f{n}{m}": os.urandom(4000) for m in range(300)})
            archives.append(self.write(oci(image, f"a:{n}"), f"{n}.tar"))
        begun = time.monotonic()
        self.load(archives[0])
        longest = (time.monotonic() - begun) * 1.2
        for number in range(kills):
            command = [TOOL, self.root, archives[number % 3]] if number % 4 else [TOOL, "-d", f"a:{number // 4 % 3}", self.root]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=self.env)
            time.sleep(random.Random(number).uniform(0, longest))
            process.kill()
            process.wait()
            if number % 10 == 9:
                self.check_store()
        self.check_store()

    def test_many_at_once(self):
        """Processes that load images with a layer in common, and remove them, as fast as they can."""
        archives = []
        for n in range(4):
            image = Image({"shared": b"s" * 100_000}, {f"own{n}": os.urandom(4000)})
            archives.append(self.write(oci(image, f"a:{n}"), f"{n}.tar"))
        statuses = []

        def work(n):
            for _ in range(8):
                statuses.append(self.tool(self.root, archives[n])["status"])
                statuses.append(self.tool("-d", f"a:{n}", self.root)["status"])

        self.tool("-l", self.root)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, ["SCOW_OK"] * 64)
        self.check_store()
        self.assert_nothing_kept()


class Tools(Case):
    def need(self, tool):
        if not shutil.which(tool):
            self.skipTest(f"{tool} is not installed")

    def run_tool(self, *command):
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "HOME": self.dir})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def layout(self, image, tag="1"):
        top = pathlib.Path(self.dir, "source")
        for name, data in oci(image, tag).items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return top

    def test_skopeo_oci_archive(self):
        self.need("skopeo")
        image = Image()
        self.run_tool("skopeo", "--insecure-policy", "copy", f"oci:{self.layout(image)}:1",
                      f"oci-archive:{self.dir}/a.tar:docker.io/library/app:7")
        self.assert_image(self.load(f"{self.dir}/a.tar"), image, ["app:7"])

    def test_skopeo_layout(self):
        self.need("skopeo")
        image = Image()
        self.run_tool("skopeo", "--insecure-policy", "copy", f"oci:{self.layout(image)}:1", f"oci:{self.dir}/out:latest")
        self.assert_image(self.load(f"{self.dir}/out", "-r", "mine"), image, ["mine:latest"])

    def test_skopeo_docker_archive(self):
        self.need("skopeo")
        image = Image()
        self.run_tool("skopeo", "--insecure-policy", "copy", f"oci:{self.layout(image)}:1", f"docker-archive:{self.dir}/a.tar:app:8")
        result = self.load(f"{self.dir}/a.tar")
        # Skopeo writes the config anew in Docker's dialect, so the id is another; the layers are not.
        self.assertEqual(result["loaded"][0]["tags"], ["app:8"])
        self.assertEqual(result["store"][0]["inspect"]["RootFS"]["Layers"], [sha(data) for data in image.plain])
        self.assertEqual(result["store"][0]["inspect"]["Config"]["Cmd"], ["sh"])

    def test_skopeo_zstd(self):
        self.need("skopeo")
        image = Image()
        self.run_tool("skopeo", "--insecure-policy", "copy", "--dest-compress-format", "zstd", f"oci:{self.layout(image)}:1",
                      f"oci-archive:{self.dir}/a.tar:x:z")
        result = self.load(f"{self.dir}/a.tar")
        self.assertEqual(result["store"][0]["inspect"]["RootFS"]["Layers"], [sha(data) for data in image.plain])

    def test_umoci(self):
        self.need("umoci")
        top = f"{self.dir}/umoci"
        self.run_tool("umoci", "init", "--layout", top)
        self.run_tool("umoci", "new", "--image", f"{top}:made")
        self.run_tool("umoci", "unpack", "--rootless", "--image", f"{top}:made", f"{self.dir}/bundle")
        pathlib.Path(self.dir, "bundle/rootfs/etc").mkdir()
        pathlib.Path(self.dir, "bundle/rootfs/etc/file").write_bytes(b"by umoci\n")
        self.run_tool("umoci", "repack", "--image", f"{top}:made", f"{self.dir}/bundle")
        self.run_tool("umoci", "config", "--image", f"{top}:made", "--config.cmd", "hello")
        result = self.load(top, "-r", "umoci:made")
        self.assertEqual(result["loaded"][0]["tags"], ["umoci:made"])
        inspect = result["store"][0]["inspect"]
        self.assertEqual(inspect["Config"]["Cmd"], ["hello"])
        self.assertEqual(pathlib.Path(inspect["GraphDriver"]["Data"]["UpperDir"], "etc/file").read_bytes(), b"by umoci\n")

    def test_podman(self):
        self.need("podman")
        if os.geteuid() != 0:
            self.skipTest("podman as a plain user needs subordinate ids")
        podman = ["podman", "--root", f"{self.dir}/podman", "--runroot", f"{self.dir}/podman-run", "--storage-driver", "vfs",
                  "--cgroup-manager=cgroupfs", "--events-backend=file"]
        image = Image()
        archive = self.write(oci(image, "localhost/app:9"), "in.tar")
        done = subprocess.run([*podman, "load", "-i", archive], capture_output=True, text=True, env={**os.environ, "HOME": self.dir})
        if done.returncode:
            self.skipTest(f"podman does not work here: {done.stderr.strip()[-200:]}")
        for kind in ("oci-archive", "docker-archive"):
            shutil.rmtree(self.root, ignore_errors=True)
            self.run_tool(*podman, "save", "--format", kind, "-o", f"{self.dir}/{kind}.tar", "localhost/app:9")
            result = self.load(f"{self.dir}/{kind}.tar")
            self.assertEqual(result["loaded"][0]["tags"], ["localhost/app:9"])
            self.assertEqual(result["store"][0]["inspect"]["RootFS"]["Layers"], [sha(data) for data in image.plain])


def setUpModule():
    if not os.access(TOOL, os.X_OK):
        raise unittest.SkipTest(f"{TOOL} is not built")


if __name__ == "__main__":
    unittest.main()
