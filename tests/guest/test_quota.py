#!/usr/bin/env python3
"""In a guest, whose kernel has them: project quotas on ext4 and XFS, and what is said where they are off. Also many layers by mount(2), since it
is older than lowerdir+. Prints TAP."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "tests/support"))
import cli  # noqa: E402

MODULES = f"/usr/lib/uml/modules/{os.uname().release}"


def mount(image, path, options=""):
    subprocess.run(["mount", "-o", f"loop{options}", image, path], check=True)


class Quota:
    MAKE = None
    BEYOND = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.MAKE[0]):
            raise unittest.SkipTest(f"{cls.MAKE[0]} is not here")
        cls.work = tempfile.mkdtemp(prefix="scow-quota.", dir=os.environ.get("SCOW_TEST_TMP", "/tmp"))
        os.makedirs(f"{cls.work}/lib/modules")
        os.symlink(MODULES, f"{cls.work}/lib/modules/{os.uname().release}")
        subprocess.run(["modprobe", "-q", "-d", cls.work, "quota_v2"], check=False)
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{cls.work}/base.tar", "base:latest"], check=True)
        cls.image, cls.at = f"{cls.work}/disk", f"{cls.work}/at"
        os.mkdir(cls.at)
        with open(cls.image, "wb") as disk:
            disk.truncate(320 << 20)
        subprocess.run([*cls.MAKE, cls.image], check=True, stdout=subprocess.DEVNULL)
        cls.root = f"{cls.at}/root"
        mount(cls.image, cls.at, ",prjquota")
        assert cls.scow("load", "-q", "-i", f"{cls.work}/base.tar").returncode == 0

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["umount", "-l", cls.at], check=False)
        shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def scow(cls, *args):
        return subprocess.run([cli.SCOW, *args], env={**os.environ, "SCOW_ROOT": cls.root}, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)

    def projects(self):
        listed = subprocess.run(["python3", "-c", "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("
                                 "'SELECT id FROM projects').fetchall())", f"{self.root}/state.db"], capture_output=True, text=True, check=True)
        return eval(listed.stdout)

    def test_limit(self):
        """What it writes ends at the limit, others go on; the limit outlives the run and goes with the container."""
        fill = "dd if=/dev/zero of=/big bs=1M count=20 2>&1; stat -c %s /big; df -m / | tail -1"
        for name in ("one", "two"):
            done = self.scow("create", "--network", "none", "--name", name, "--storage-opt", "size=10m", "base", "sh", "-c", fill)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = self.scow("start", "-a", name)
            self.assertIn(self.BEYOND, done.stdout, done)
            size = int(done.stdout.splitlines()[-2])
            self.assertTrue(9 << 20 <= size <= 10 << 20, done)
            self.assertEqual(done.stdout.splitlines()[-1].split()[1], "10")
        self.assertEqual(len(set(self.projects())), 2)
        done = self.scow("run", "--rm", "--network", "none", "base", "sh", "-c", fill)
        self.assertEqual(done.stdout.splitlines()[-2], str(20 << 20), done)
        # The second run has what the first wrote, and no more room: XFS has not even that for the overlay's own directory.
        self.assertRegex(self.scow("start", "-a", "one").stdout, f"{self.BEYOND}|Read-only")
        self.assertIn('"size": "10m"', self.scow("inspect", "one").stdout)
        for name in ("one", "two"):
            self.assertEqual(self.scow("rm", name).returncode, 0)
        self.assertEqual(self.projects(), [])

    def test_limit_of_a_volume(self):
        """All who use it together; the limit goes with it."""
        done = self.scow("volume", "create", "-o", "size=10m", "vol")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        fill = "dd if=/dev/zero of=/v/$0 bs=1M count=8 2>&1; du -sm /v"
        self.scow("run", "--rm", "--network", "none", "-v", "vol:/v", "base", "sh", "-c", fill, "one")
        done = self.scow("run", "--rm", "--network", "none", "-v", "vol:/v", "base", "sh", "-c", fill, "two")
        self.assertIn(self.BEYOND, done.stdout, done)
        self.assertIn(done.stdout.splitlines()[-1].split()[0], ("9", "10"))
        self.assertEqual(len(self.projects()), 1)
        self.assertEqual(self.scow("volume", "rm", "vol").returncode, 0)
        self.assertEqual(self.projects(), [])

    def test_refused(self):
        subprocess.run(["umount", self.at], check=True)
        try:
            mount(self.image, self.at)
            done = self.scow("run", "--rm", "--network", "none", "--storage-opt", "size=10m", "base", "true")
            self.assertEqual(done.returncode, 125)
            self.assertIn("mounted without prjquota", done.stderr)
            self.assertIn("mount it with the option prjquota", done.stderr)
            done = self.scow("volume", "create", "-o", "size=10m", "vol")
            self.assertIn("the volume option 'size' cannot be", done.stderr)
            self.assertIn("mounted without prjquota", done.stderr)
        finally:
            subprocess.run(["umount", self.at], check=False)
            mount(self.image, self.at, ",prjquota")


class Ext4(Quota, unittest.TestCase):
    MAKE = ("mkfs.ext4", "-q", "-O", "project,quota")
    BEYOND = "Disk quota exceeded"


class Xfs(Quota, unittest.TestCase):
    MAKE = ("mkfs.xfs", "-q")
    BEYOND = "No space left on device"

    def test_many_layers_by_mount(self):
        layers = [cli.tar_of([(cli.entry(f"many/{n:03}"), b"%d" % n), (cli.entry("top"), b"%d\n" % n)]) for n in range(1, 300)]
        with cli.tarfile.open(f"{self.work}/base.tar") as base:
            bottom = next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))
        for count in (130, 300):
            pathlib.Path(self.work, "many.tar").write_bytes(cli.docker_archive([bottom, *layers[:count - 1]], {}, f"of-{count}:latest"))
            self.assertEqual(self.scow("load", "-q", "-i", f"{self.work}/many.tar").returncode, 0)
            done = self.scow("run", "--rm", "--network", "none", f"of-{count}", "sh", "-c", "ls /many | wc -l; cat /top")
            self.assertEqual(done.stdout.split(), [str(count - 1), str(count - 1)], done)


class Tap(unittest.TextTestResult):
    count = 0

    def line(self, word, test, remark=""):
        Tap.count += 1
        print(f"{word} {Tap.count} - {test.id().removeprefix('__main__.') if hasattr(test, 'id') else test}{remark}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, f" # SKIP {reason}")

    def addError(self, test, err):
        super().addError(test, err)
        self.line("not ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("not ok", test)


if __name__ == "__main__":
    result = unittest.main(testRunner=unittest.TextTestRunner(stream=sys.stderr, resultclass=Tap), exit=False).result
    print(f"1..{Tap.count}")
    sys.exit(not result.wasSuccessful())
