#!/usr/bin/env python3
"""In a guest with cgroup v2 controllers: containers run, limits hold, nothing is left. Prints TAP."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCOW = os.environ["SCOW"]


class Guest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="scow-guest.", dir=os.environ.get("SCOW_TEST_TMP", "/tmp"))
        cls.env = {**os.environ, "SCOW_ROOT": f"{cls.work}/root"}
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{cls.work}/base.tar", "base:latest"], check=True)
        done = cls.scow("load", "-q", "-i", f"{cls.work}/base.tar")
        assert done.returncode == 0, done

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def scow(cls, *args):
        return subprocess.run([SCOW, *args], env=cls.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    def tearDown(self):
        left = [path for path in pathlib.Path("/sys/fs/cgroup").rglob("scow-*")]
        self.assertEqual(left, [])

    def test_hello(self):
        done = self.scow("run", "--rm", "base", "echo", "hello")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))

    def test_cgroup_view_is_v2(self):
        done = self.scow("run", "--rm", "base", "sh", "-c", "cat /proc/self/cgroup; ls /sys/fs/cgroup/cgroup.controllers")
        self.assertEqual(done.stdout, "0::/\n/sys/fs/cgroup/cgroup.controllers\n", done.stderr)

    def test_memory_limit_kills(self):
        done = self.scow("run", "--rm", "--memory", "32m", "--memory-swap", "32m", "base", "sh", "-c",
                         "head -c 200m /dev/zero | tail | wc -c; echo survived")
        self.assertNotIn("209715200", done.stdout, done)

    def test_pids_limit_holds(self):
        done = self.scow("run", "--rm", "--pids-limit", "8", "base", "sh", "-c",
                         "i=0; while [ $i -lt 30 ]; do sleep 1 & i=$((i+1)); done; wait; echo all")
        self.assertIn("fork", done.stderr + done.stdout)

    def test_cpu_limit_is_set(self):
        done = self.scow("run", "--rm", "--cpus", "0.5", "base", "cat", "/sys/fs/cgroup/cpu.max")
        self.assertEqual((done.stdout, done.stderr), ("50000 100000\n", ""))

    def test_devices_are_denied(self):
        done = self.scow("run", "--rm", "base", "sh", "-c", "mknod /tmp/sda b 8 0 && cat /tmp/sda")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not permitted", done.stderr)


class Tap(unittest.TextTestResult):
    count = 0

    def line(self, ok, test, note=""):
        Tap.count += 1
        print(f"{ok} {Tap.count} - {test.id().split('.')[-1]}{note}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        self.line("not ok", test)
        print("# " + self._exc_info_to_string(err, test).replace("\n", "\n# "), flush=True)

    addError = addFailure


unittest.main(testRunner=unittest.TextTestRunner(resultclass=Tap, stream=sys.stderr), exit=False)
