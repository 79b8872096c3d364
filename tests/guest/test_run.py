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
        if args[0] == "run" and "--network" not in args:
            args = ("run", "--network", "none", *args[1:])  # the guest's kernel has no bridges
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

    def limits(self, *flags, files):
        done = self.scow("run", "--rm", *flags, "base", "sh", "-c", f"cd /sys/fs/cgroup && cat {' '.join(files)}")
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1]

    def test_settings_by_name(self):
        """What has no flag of its own, by the name of its file: written, after all others."""
        self.assertEqual(self.limits("-m", "64m", "--memory-reservation", "16m", "--cgroup-conf", "memory.high=32M", "--cgroup-conf", "pids.max=77",
                                     "--cgroup-conf", "cgroup.max.descendants=0", "--pids-limit", "9",
                                     files=["memory.max", "memory.low", "memory.high", "pids.max", "cgroup.max.descendants"]),
                         ["67108864", "16777216", "33554432", "77", "0"])

    def test_cpu_quota(self):
        self.assertEqual(self.limits("--cpu-quota", "20000", "--cpu-period", "40000", "--cpu-shares", "512", files=["cpu.max", "cpu.weight"]),
                         ["20000 40000", "59"])

    def test_swap_is_alone(self):
        if not pathlib.Path("/proc/swaps").exists():
            self.skipTest("no swap")
        self.assertEqual(self.limits("-m", "32m", "--memory-swap", "48m", files=["memory.max", "memory.swap.max"]), ["33554432", "16777216"])

    def test_what_only_v1_has_is_named(self):
        for flags, words in ((["--memory-swappiness", "5"], "cgroup v2 has no memory.swappiness"),
                             (["--oom-kill-disable"], "cgroup v2 has no way to disable the out-of-memory killer"),
                             (["--cpu-rt-runtime", "1000"], "cgroup v2 has no cpu.rt_runtime_us"),
                             (["--cpuset-cpus", "0"], "cpuset"),
                             (["--cgroup-conf", "hugetlb.2MB.max=0"], "hugetlb"),
                             (["--cgroup-conf", "rdma.max=x hca_handle=1"], "rdma"),
                             (["--cgroup-conf", "misc.max=x 1"], "misc")):
            done = self.scow("run", "--rm", *flags, "base", "true")
            if done.returncode and words in done.stderr:
                continue
            controllers = pathlib.Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
            self.assertIn(words, controllers, (flags, done))

    def test_oom_killed_is_what_the_kernel_says(self):
        script = "head -c 200m /dev/zero | tail | wc -c"
        self.scow("run", "--name", "oom", "-m", "32m", "--memory-swap", "32m", "base", "sh", "-c", f"{script}; exit 9")
        self.assertEqual(self.scow("inspect", "-f", "{{.State.OOMKilled}}", "oom").stdout, "true\n")
        done = self.scow("run", "--name", "killed", "-m", "32m", "base", "sh", "-c", "kill -9 0; exit 137")
        self.assertEqual((done.returncode, self.scow("inspect", "-f", "{{.State.OOMKilled}}", "killed").stdout), (137, "false\n"))
        self.scow("rm", "oom", "killed")

    def test_group_kill(self):
        """One is out of memory: with memory.oom.group all of them go, and without only that one."""
        script = "sh -c 'head -c 200m /dev/zero | tail' >/dev/null 2>&1; echo survived"
        flags = ["-m", "32m", "--memory-swap", "32m", "base", "sh", "-c", script]
        self.assertEqual(self.scow("run", "--rm", *flags).stdout, "survived\n")
        done = self.scow("run", "--rm", "--cgroup-conf", "memory.oom.group=1", *flags)
        self.assertEqual((done.returncode, done.stdout), (137, ""), done)

    def test_update_on_v2(self):
        self.assertEqual(self.scow("run", "-d", "--name", "box", "-m", "64m", "base", "sleep", "60").stderr, "")
        self.assertEqual(self.scow("update", "--cpu-quota", "30000", "-m", "96m", "box").stderr, "")
        done = self.scow("exec", "box", "cat", "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.swap.max")
        self.assertEqual(done.stdout.split("\n")[:2], ["30000 100000", "100663296"], done)
        self.scow("update", "--cpu-quota", "-1", "box")
        self.assertEqual(self.scow("exec", "box", "cat", "/sys/fs/cgroup/cpu.max").stdout, "max 100000\n")
        self.scow("rm", "-f", "box")

    def test_user_namespace(self):
        """With the overlay mounted as before Linux 6.5, born in a cgroup of v2; and what this kernel cannot idmap is named."""
        done = self.scow("run", "--rm", "--network", "none", "--userns", "private", "base", "true")
        if done.returncode:
            self.assertIn("cannot make an idmapped mount of this tmpfs file system", done.stderr)
        image, disk = f"{self.work}/disk.img", f"{self.work}/disk"
        with open(image, "wb") as file:
            file.truncate(48 << 20)
        os.mkdir(disk)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        env = {**self.env, "SCOW_ROOT": f"{disk}/root"}
        try:
            for command in (["load", "-q", "-i", f"{self.work}/base.tar"],
                            ["run", "--rm", "--network", "none", "--userns", "private", "-m", "64m", "base", "sh", "-c",
                             "touch /x && rm /etc/group && [ $(stat -c %u /x) = 0 ] && [ $(cat /proc/self/cgroup) = 0::/ ]"],
                            ["run", "-d", "--name", "mapped", "--network", "none", "--userns", "private", "base", "sleep", "100"],
                            ["exec", "mapped", "sh", "-c", "id -u >/dev/stdout"], ["rm", "-f", "mapped"]):
                done = subprocess.run([SCOW, *command], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        finally:
            subprocess.run(["umount", disk], check=True)

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
