#!/usr/bin/env python3
"""Layers: hundreds of them, links from one into another, and the compressions that are rare."""
import bz2
import json
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

WORK = None
TIME = 1_600_000_000


def setUpModule():
    global WORK
    WORK = cli.make_work("scow-layers.")


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


class Layers(cli.Cli):
    @classmethod
    def setUpClass(cls):
        cls.WORK = WORK
        super().setUpClass()

    def load(self, archive):
        path = f"{WORK}/layers.tar"
        pathlib.Path(path).write_bytes(archive)
        return self.scow("load", "-q", "-i", path)

    def test_hundreds(self):
        """130, 300 and 500 layers run; what is beyond overlayfs is refused in so many words."""
        layers = [[(cli.entry(f"many/{n:03}"), b"%d" % n), (cli.entry("top"), b"%d\n" % n)] for n in range(1, 501)]
        for count in (130, 300, 500):
            self.make_image(f"of-{count}", *layers[:count - 1])
            out = self.run_ok("--network", "none", f"of-{count}", "sh", "-c", "ls /many | wc -l; cat /top; echo new >/many/001 && cat /many/001")
            self.assertEqual(out.split(), [str(count - 1), str(count - 1), "new"])
        self.make_image("of-501", *layers)
        self.run_fails(125, "the image has 501 layers, overlayfs takes 500 at most", "--network", "none", "of-501", "true")

    def test_link_into_a_lower_layer(self):
        """Target and link become one file of the upper layer: owner, mode, attributes and times are those that were below."""
        below = [(cli.entry("data", tarfile.DIRTYPE, mode=0o711, uid=5, gid=6, mtime=TIME), b""),
                 (cli.entry("data/file", mode=0o4640, uid=7, gid=8, mtime=TIME + 1,
                            pax_headers={"SCHILY.xattr.user.note": "kept"}), b"from below\n"),
                 (cli.entry("data/soft", tarfile.SYMTYPE, linkname="file", mtime=TIME), b""),
                 (cli.entry("way", tarfile.SYMTYPE, linkname="data"), b""),
                 (cli.entry("other/deep", tarfile.DIRTYPE), b""), (cli.entry("replaced"), b"old")]
        above = [(cli.entry("other", tarfile.DIRTYPE, mtime=TIME + 2), b""),
                 (cli.entry("other/link", tarfile.LNKTYPE, linkname="data/file"), b""),
                 (cli.entry("again", tarfile.LNKTYPE, linkname="./other/link"), b""),
                 (cli.entry("replaced", tarfile.LNKTYPE, linkname="way/file"), b""),
                 (cli.entry("soft2", tarfile.LNKTYPE, linkname="data/soft"), b"")]
        self.make_image("linked", below, above)
        out = self.run_ok("--network", "none", "linked", "sh", "-c",
                          "stat -c '%i %h %a %u:%g %Y' /data/file /other/link /again /replaced; stat -c '%a %u:%g %Y' /data /other;"
                          "cat /other/link; readlink /soft2")
        lines = out.splitlines()
        self.assertEqual(len(set(lines[:4])), 1, out)
        self.assertEqual(lines[0].split()[1:], ["4", "4640", "7:8", str(TIME + 1)])
        self.assertEqual(lines[4:6], [f"711 5:6 {TIME}", f"755 0:0 {TIME + 2}"])
        self.assertEqual(lines[6:], ["from below", "file"])
        # One copy in the store's layer of its own, the attribute with it, and no more.
        layers = pathlib.Path(self.root, "layers")
        found = [path for path in layers.glob("*/data/file") if path.stat().st_nlink == 4]
        self.assertEqual(len(found), 1)
        self.assertEqual(os.getxattr(found[0], "user.note"), b"kept")

    def test_link_to_nowhere(self):
        for target in ("nowhere", "bin", "../../etc/passwd", "/proc/self/root/etc/passwd"):
            with tarfile.open(f"{WORK}/base.tar") as base:
                bottom = next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))
            for layers in ([bottom, cli.tar_of([(cli.entry("link", tarfile.LNKTYPE, linkname=target), b"")])],
                           [cli.tar_of([(cli.entry("link", tarfile.LNKTYPE, linkname=target), b"")])]):
                done = self.load(cli.docker_archive(layers, {}, "bad:latest"))
                self.assertNotEqual(done.returncode, 0, done)
                self.assertIn("hard link", done.stderr + "")
        self.assertEqual([name for name in os.listdir(f"{self.root}/tmp") if name.startswith(("link-", "layer-"))], [])

    def test_rare_compressions(self):
        """What docker load and import take: a layer that somebody has compressed by xz or bzip2."""
        with tarfile.open(f"{WORK}/base.tar") as base:
            bottom = next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))
        for name, pack in (("xz", lambda data: lzma.compress(data, preset=0)), ("bzip2", lambda data: bz2.compress(data, 1))):
            extra = cli.tar_of([(cli.entry("made-by"), name.encode())])
            document = json.dumps({"architecture": cli.ARCH, "os": "linux", "config": {"Cmd": ["cat", "/made-by"]},
                                   "rootfs": {"type": "layers", "diff_ids": ["sha256:" + cli.sha(bottom), "sha256:" + cli.sha(extra)]}})
            files = {"a.tar": pack(bottom), "b.tar": pack(extra), "c.json": document.encode()}
            files["manifest.json"] = json.dumps([{"Config": "c.json", "RepoTags": [f"by-{name}:latest"], "Layers": ["a.tar", "b.tar"]}]).encode()
            done = self.load(cli.tar_of(files))
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            self.assertEqual(self.run_ok("--network", "none", f"by-{name}"), name)
            # Cut off: nothing of it stays.
            extra = cli.tar_of([(cli.entry("made-by"), b"nobody")])
            files["b.tar"] = pack(extra)[:-6]
            files["c.json"] = document.replace(json.loads(document)["rootfs"]["diff_ids"][1], "sha256:" + cli.sha(extra)).encode()
            done = self.load(cli.tar_of(files))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"the {name} stream ends in the middle", done.stderr)


if __name__ == "__main__":
    unittest.main()
