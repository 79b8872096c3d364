#!/usr/bin/env python3
"""scow system check: finds what is damaged, mends what can be mended, and leaves alone what users made."""
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

WORK = None


def setUpModule():
    global WORK
    WORK = cli.make_work("scow-check.")


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


class Check(cli.Cli):
    @classmethod
    def setUpClass(cls):
        cls.WORK = WORK
        super().setUpClass()

    def setUp(self):
        self.load()

    def load(self):
        for name in self.scow("images", "-q").stdout.split():
            self.scow("rmi", "-f", name)
        lower = cli.tar_of([(cli.entry("etc/name", mode=0o640, uid=3, gid=4), b"the name\n"), (cli.entry("etc/link", cli.tarfile.SYMTYPE, linkname="name"), b""),
                            (cli.entry("gone"), b"x")])
        upper = cli.tar_of([(cli.entry("etc/more"), b"more\n"), (cli.entry(".wh.gone"), b""), (cli.entry("copy", cli.tarfile.LNKTYPE, linkname="etc/name"), b"")])
        path = f"{WORK}/oci.tar"
        pathlib.Path(path).write_bytes(cli.oci_archive([(cli.sha(data), cli.gzip.compress(data, 1, mtime=0)) for data in (lower, upper)], "img:latest"))
        done = self.scow("load", "-q", "-i", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.name = next(path for path in pathlib.Path(self.root, "layers").glob("*/etc/link")).parent / "name"

    def check(self, *flags):
        done = self.scow("system", "check", "--format", "json", *flags)
        self.assertEqual(done.stderr, "")
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if report["Healthy"] else 1)
        self.assertEqual([name for name in os.listdir(f"{self.root}/tmp") if not name.startswith("lock-")], [])
        return report

    def test_healthy(self):
        for flags in ((), ("--quick",), ("--repair",)):
            report = self.check(*flags)
            self.assertEqual((report["Healthy"], report["Problems"], report["Layers"]), (True, [], 2), report)
            self.assertGreaterEqual(report["Blobs"], 2)
        self.assertIn("all is well", self.scow("system", "check").stdout)

    def test_changed_trees(self):
        """Each change that a layer can suffer is seen once its manifest is there; mended, it is as it was when it is loaded again."""
        def rewrite():
            stat = self.name.stat()
            self.name.write_bytes(b"the evil\n")
            os.utime(self.name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        link = self.name.with_name("link")
        changes = {
            "'/etc/name': it has changed": (rewrite, lambda: os.chown(self.name, 0, 0), lambda: self.name.write_bytes(b"longer than it was\n"),
                                            lambda: (self.name.unlink(), self.name.mkdir()), lambda: os.setxattr(self.name, "trusted.note", b"x")),
            "'/etc/link': it has changed": (lambda: (link.unlink(), link.symlink_to("elsewhere")),),
            "'/etc/name': it is missing": (lambda: self.name.unlink(),),
            "'/etc/planted': it does not belong there": (lambda: self.name.with_name("planted").write_bytes(b""),),
            "'/zzz': it does not belong there": (lambda: (self.name.parents[1] / "zzz").write_bytes(b""),),
            "its directory is missing": (lambda: shutil.rmtree(self.name.parents[1]),),
        }
        self.assertEqual(self.check()["Problems"], [])
        for problem, ways in changes.items():
            for change in ways:
                change()
                report = self.check()
                self.assertEqual([(p["Kind"], p["Problem"], p["Repaired"]) for p in report["Problems"]], [("layer", problem, False)])
                report = self.check("--repair")
                self.assertTrue(report["Healthy"], report)
                self.assertNotIn("img", self.scow("images").stdout)
                self.load()
                self.assertEqual(self.name.read_bytes(), b"the name\n")
                self.assertEqual(self.check()["Problems"], [])

    def test_before_the_manifest(self):
        self.name.write_bytes(b"longer than it was\n")
        self.assertEqual([p["Problem"] for p in self.check("--quick")["Problems"]], ["its files do not have the size that was unpacked"])
        self.assertTrue(self.check("--repair")["Healthy"])
        self.load()
        # Of the same size: the sum of all checksums tells.
        self.name.write_bytes(b"the evil\n")
        self.assertEqual([p["Problem"] for p in self.check()["Problems"]], ["its files do not hold what was unpacked"])
        self.assertTrue(self.check("--repair")["Healthy"])
        # Links, holes and replaced files are no damage.
        self.make_image("odd", [("a", b"1" * 5000), (cli.entry("b", cli.tarfile.LNKTYPE, linkname="a"), b""), (cli.entry("c", cli.tarfile.LNKTYPE, linkname="a"), b"")],
                        [("d", b"old"), ("d", b"new"), (cli.entry("link", cli.tarfile.LNKTYPE, linkname="a"), b"")])
        self.assertEqual(self.check()["Problems"], [])

    def test_damaged_blob(self):
        """A blob that is lost cannot be made again: the image loses its name, so that a pull brings it back."""
        with sqlite3.connect(f"{self.root}/state.db") as db:
            digest = db.execute("SELECT digest FROM blobs ORDER BY size LIMIT 1").fetchone()[0]
        db.close()
        path = pathlib.Path(self.root, "blobs/sha256", digest[7:])
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.assertTrue(self.check("--quick")["Healthy"])
        report = self.check()
        self.assertEqual([(p["Kind"], p["Id"], p["Problem"]) for p in report["Problems"] if p["Kind"] == "blob"],
                         [("blob", digest, "its contents do not have its digest")])
        self.assertTrue(self.check("--repair")["Healthy"])
        self.assertNotIn("img", self.scow("images").stdout)
        self.assertFalse(path.exists())
        self.assertEqual(self.check()["Problems"], [])

    def test_orphans_and_data(self):
        """Leftovers go; a volume's directory that nobody knows is told of and stays."""
        os.mkdir(f"{self.root}/layers/0123456789abcdef01234567")
        pathlib.Path(self.root, "blobs/sha256", "ab" * 32).write_bytes(b"x")
        data = pathlib.Path(self.root, "volumes/unknown/_data")
        data.mkdir(parents=True)
        (data / "file").write_bytes(b"precious")
        self.assertEqual(self.scow("volume", "create", "known").returncode, 0)
        report = self.check("--repair")
        self.assertFalse(report["Healthy"])
        self.assertEqual({(p["Kind"], p["Repaired"]) for p in report["Problems"]}, {("layer", True), ("blob", True), ("volume", False)})
        self.assertEqual((data / "file").read_bytes(), b"precious")
        report = self.check()
        self.assertEqual([p["Id"] for p in report["Problems"]], ["unknown"])
        shutil.rmtree(data.parent)
        os.rename(f"{self.root}/volumes/known/_data", f"{self.root}/volumes/known/moved")
        report = self.check("--repair")
        self.assertEqual([(p["Kind"], p["Id"], p["Problem"]) for p in report["Problems"]], [("volume", "known", "its directory is missing")])
        os.rename(f"{self.root}/volumes/known/moved", f"{self.root}/volumes/known/_data")
        self.scow("volume", "rm", "known")

    def test_in_use(self):
        """What runs on a layer keeps it."""
        self.make_image("busy", [(cli.entry("file"), b"x")])
        self.assertEqual(self.scow("run", "-d", "--network", "none", "--name", "busy", "busy", "sleep", "100").returncode, 0)
        next(pathlib.Path(self.root, "layers").glob("*/file")).write_bytes(b"longer")
        report = self.check("--repair")
        self.assertEqual([p["Repaired"] for p in report["Problems"]], [False], report)
        self.assertEqual(self.scow("exec", "busy", "true").returncode, 0)
        self.scow("rm", "-f", "busy")
        self.assertTrue(self.check("--repair")["Healthy"])
        self.assertEqual(self.check()["Problems"], [])


if __name__ == "__main__":
    unittest.main()
