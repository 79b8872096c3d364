#!/usr/bin/env python3
"""kill -9 of the caller at any moment: nothing runs on, and the next engine finds a store that is whole."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import snapshot  # noqa: E402

SCOW = os.environ.get("SCOW", str(TOP / "build/examples/scow/scow"))
ROUNDS = int(os.environ.get("SCOW_KILLS", "60"))


class Crash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="scow-crash.")
        cls.root = f"{cls.work}/root"
        cls.env = {**os.environ, "SCOW_ROOT": cls.root}
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{cls.work}/base.tar", "base:latest"], check=True)
        cls.scow("load", "-q", "-i", f"{cls.work}/base.tar", check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def scow(cls, *args, **kwargs):
        return subprocess.run([SCOW, *args], env=cls.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **kwargs)

    def leftovers(self):
        return sorted(os.listdir(f"{self.root}/containers")), sorted(os.listdir(f"{self.root}/owners"))

    def kill_at_random(self, args, longest):
        for number in range(ROUNDS):
            process = subprocess.Popen([SCOW, *args], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(random.Random(number).uniform(0, longest))
            process.send_signal(signal.SIGKILL)
            process.wait()

    def test_run_is_killed(self):
        before = snapshot.Snapshot(self.root)
        self.kill_at_random(["run", "--rm", "base", "sleep", "1000"], 0.25)
        listed = self.scow("ps", "-aq")
        self.assertEqual((listed.stdout, listed.stderr), ("", ""))
        self.assertEqual(self.leftovers(), ([], []))
        before.check()

    def test_what_was_not_ephemeral_is_exited(self):
        before = snapshot.Snapshot(self.root)
        process = subprocess.Popen([SCOW, "run", "--name", "kept", "base", "sh", "-c", "echo up; sleep 1000"], env=self.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        process.stdout.readline()
        for _ in range(200):  # it may print before its start is written down
            if self.scow("inspect", "-f", "{{.State.Status}}", "kept").stdout == "running\n":
                break
            time.sleep(0.02)
        process.kill()
        process.wait()
        process.stdout.close()
        self.assertEqual(self.scow("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "kept").stdout, "exited 137\n")
        self.assertEqual(self.scow("start", "--help").returncode, 0)
        self.assertEqual(self.scow("rm", "kept").returncode, 0)
        self.assertEqual(self.leftovers(), ([], []))
        before.check()

    def test_load_is_killed(self):
        self.kill_at_random(["load", "-q", "-i", f"{self.work}/base.tar"], 0.06)
        done = self.scow("run", "--rm", "base", "echo", "whole")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "whole\n", ""))
        self.assertEqual([name for name in os.listdir(f"{self.root}/tmp") if not name.startswith("lock-")], [])

    def test_removal_is_killed(self):
        before = snapshot.Snapshot(self.root)
        for number in range(max(ROUNDS // 6, 5)):
            made = self.scow("create", "base", "true").stdout.strip()
            process = subprocess.Popen([SCOW, "rm", made], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.Random(number).uniform(0, 0.03))
            process.kill()
            process.wait()
        self.scow("ps")
        for name in self.scow("ps", "-aq").stdout.split():
            self.assertEqual(self.scow("rm", name).returncode, 0)
        self.assertEqual(self.leftovers(), ([], []))
        before.check()

    def test_two_processes_at_once(self):
        """Creates, runs and removes from several processes: each sees whole objects or none."""
        before = snapshot.Snapshot(self.root)
        script = ("import subprocess,sys\n"
                  "for i in range(8):\n"
                  " r=subprocess.run([sys.argv[1],'run','--rm','base','sh','-c','exit 5'],capture_output=True,text=True)\n"
                  " assert (r.returncode,r.stderr)==(5,''),r\n"
                  " r=subprocess.run([sys.argv[1],'ps','-a'],capture_output=True,text=True)\n"
                  " assert (r.returncode,r.stderr)==(0,''),r\n"
                  " n=subprocess.run([sys.argv[1],'create','base','true'],capture_output=True,text=True).stdout.strip()\n"
                  " r=subprocess.run([sys.argv[1],'start','-a',n],capture_output=True,text=True)\n"
                  " assert (r.returncode,r.stderr)==(0,''),r\n"
                  " r=subprocess.run([sys.argv[1],'rm',n],capture_output=True,text=True)\n"
                  " assert (r.returncode,r.stderr)==(0,''),r\n")
        several = [subprocess.Popen([sys.executable, "-c", script, SCOW], env=self.env, stderr=subprocess.PIPE, text=True) for _ in range(6)]
        for process in several:
            _, errors = process.communicate(timeout=240)
            self.assertEqual((process.returncode, errors), (0, ""))
        before.check()


if __name__ == "__main__":
    unittest.main()
