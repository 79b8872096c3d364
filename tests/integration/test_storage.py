#!/usr/bin/env python3
"""Storage options: changes in memory, and what is refused. Quotas of a disk: tests/guest/test_quota.py."""
import json
import os
import pathlib
import shutil
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

WORK = None
MEMORY = ("--network", "none", "--storage-opt", "backing=tmpfs")


def setUpModule():
    global WORK
    WORK = cli.make_work("scow-storage.")


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


class Storage(cli.Cli):
    @classmethod
    def setUpClass(cls):
        cls.WORK = WORK
        super().setUpClass()

    def test_in_memory(self):
        """The image's files can be changed, nothing reaches the disk, and the size is the tmpfs's."""
        out = self.run_ok(*MEMORY, "--storage-opt", "size=2m", "base", "sh", "-c",
                          "df -k / | tail -1 | awk '{print $2}'; echo x >>/etc/passwd; tail -1 /etc/passwd; rm -r /home && mkdir /home && ls /home;"
                          "stat -c '%a %u' /; head -c 3000000 /dev/zero >/big 2>/dev/null || echo full; ls -d /work /diff 2>/dev/null; true")
        self.assertEqual(out.split("\n"), ["2048", "x", "755 0", "full", ""])
        self.assertEqual(os.listdir(f"{self.root}/containers"), [])
        with open("/proc/mounts") as mounts:
            self.assertNotIn(self.root, mounts.read())

    def test_user_namespace(self):
        out = self.run_ok(*MEMORY, "--userns", "private", "base", "sh", "-c", "echo x >/x; stat -c '%u %g' /x / /etc; rm -r /var; ! ls -d /var 2>/dev/null")
        self.assertEqual(out.splitlines(), ["0 0"] * 3)

    def test_each_run_begins_with_the_image(self):
        name = "again"
        done = self.scow("create", *MEMORY, "--name", name, "base", "sh", "-c", "cat /kept 2>/dev/null; echo kept >/kept; cat /kept")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for _ in range(2):
            self.assertEqual(self.scow("start", "-a", name).stdout, "kept\n")
        host = json.loads(self.scow("inspect", name).stdout)[0]["HostConfig"]
        self.assertEqual(host["StorageOpt"], {"backing": "tmpfs"})
        self.assertEqual(self.scow("rm", name).returncode, 0)

    def test_detached(self):
        """The log and the state are on the disk; what runs is reached through its process."""
        done = self.scow("run", "-d", *MEMORY, "--name", "far", "base", "sh", "-c", "echo said; echo inside >/file; sleep 100")
        self.assertEqual(done.returncode, 0, done)
        for _ in range(100):
            if self.scow("exec", "far", "cat", "/file").stdout == "inside\n":
                break
            time.sleep(0.05)
        self.assertEqual(self.scow("exec", "far", "cat", "/file").stdout, "inside\n")
        self.assertEqual(self.scow("logs", "far").stdout, "said\n")
        for command in (("diff", "far"), ("commit", "far", "never")):
            refused = self.scow(*command)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("in memory (backing=tmpfs)", refused.stderr)
        self.assertEqual(self.scow("cp", "far:/file", f"{WORK}/copied").returncode, 0)
        self.assertEqual(pathlib.Path(WORK, "copied").read_text(), "inside\n")
        diff = pathlib.Path(self.root, "containers", done.stdout.strip(), "diff")
        self.assertEqual(list(diff.iterdir()) if diff.exists() else [], [])
        self.assertEqual(self.scow("rm", "-f", "far").returncode, 0)

    def test_half_made(self):
        """Who died over making its directory left that without what a start needs."""
        done = self.scow("create", "--name", "half", "--network", "none", "base", "echo", "whole")
        os.mkdir(f"{self.root}/containers/{done.stdout.strip()}", 0o700)
        self.assertEqual(self.scow("start", "-a", "half").stdout, "whole\n")
        self.assertEqual(self.scow("rm", "half").returncode, 0)

    def test_refused(self):
        for option, words in (("size=much", "no size"), ("size=1", "64 KiB"), ("backing=nfs", "neither disk nor tmpfs"),
                              ("dm.basesize=1G", "size and backing are known"), ("size", "NAME=VALUE")):
            self.run_fails(125, words, "--storage-opt", option, "base", "true")
        # Neither the tmpfs nor the ext4 that tests are on has quotas.
        self.run_fails(125, "the storage option 'size' cannot be", "--storage-opt", "size=1G", "base", "true")
        self.assertEqual(self.scow("ps", "-aq").stdout, "")


if __name__ == "__main__":
    unittest.main()
