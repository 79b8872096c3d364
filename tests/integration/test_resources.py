#!/usr/bin/env python3
"""Limits, scheduling and devices by name, on the command line: what is asked for is there inside, or named in the error."""
import json
import os
import pathlib
import shutil
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cli  # noqa: E402

V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
RT_BANDWIDTH = os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
ROOT = os.geteuid() == 0


def setUpModule():
    cli.Cli.WORK = cli.make_work("resources-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


class Quiet(cli.Cli):
    """Without networks: they are not what this is about."""

    @classmethod
    def scow(cls, *args, **kwargs):
        at = next((i for i, word in enumerate(args) if word in ("run", "create")), None)
        if at is not None:
            args = (*args[:at + 1], "--network", "none", *args[at + 1:])
        return super().scow(*args, **kwargs)


class Resources(Quiet):
    def inspect(self, name):
        return json.loads(self.scow("inspect", name).stdout)[0]["HostConfig"]

    def inside(self, *args):
        """policy, nice, priority, flags | class, level | mode, nodes | CPUs"""
        return self.run_ok(*self.with_probe(), "--cap-add", "SYS_NICE", *args, "base", "/probe", "scheduling").strip()

    @unittest.skipIf(V2, "cgroup v1")
    def test_v1_only(self):
        flags = ["-m", "64m", "--memory-swappiness", "7", "--oom-kill-disable", "--cpu-quota", "20000", "--cpu-period", "40000"]
        out = self.run_ok(*flags, "base", "sh", "-c", "cd /sys/fs/cgroup; cat memory/memory.swappiness memory/memory.oom_control "
                          "cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us")
        lines = out.split("\n")
        self.assertEqual((lines[0], lines[1], lines[-3:]), ("7", "oom_kill_disable 1", ["20000", "40000", ""]))
        self.run_fails(125, "set 'memory.high': this host's controllers are of cgroup v1", "--cgroup-conf", "memory.high=64M", "base", "true")

    @unittest.skipUnless(os.path.isdir("/sys/fs/cgroup/memory"), "cgroup v1")
    def test_without_the_killer_it_waits(self):
        done = self.scow("run", "-d", "--name", "hog", "-m", "24m", "--memory-swap", "24m", "--oom-kill-disable", "base", "sh", "-c", "a=xxxxxxxx; while :; do a=$a$a; done")
        self.assertEqual(done.stderr, "")
        # Its own cgroup, from outside: nothing inside can run any more.
        pid = self.scow("inspect", "-f", "{{.State.Pid}}", "hog").stdout.strip()
        line = next(line for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().split("\n") if ":memory:" in line)
        control = pathlib.Path("/sys/fs/cgroup/memory" + line.split(":", 2)[2], "memory.oom_control")
        for _ in range(200):
            if "under_oom 1" in control.read_text():
                break
            time.sleep(0.1)
        self.assertIn("under_oom 1\noom_kill 0", control.read_text())
        self.assertEqual(self.scow("inspect", "-f", "{{.State.Status}}", "hog").stdout, "running\n")
        self.assertEqual(self.scow("update", "-m", "48m", "--memory-swap", "48m", "hog").stderr, "")
        self.assertEqual(self.scow("rm", "-f", "hog").returncode, 0)

    @unittest.skipUnless(RT_BANDWIDTH, "no time for real-time policies is shared out here")
    def test_realtime(self):
        # Without time of its own a cgroup runs nothing by such a policy.
        done = self.run_fails(125, "set the scheduling policy 'SCHED_FIFO'", "--scheduler", "fifo,priority=3", "base", "true")
        self.assertIn("--cpu-rt-runtime", done.stderr)
        out = self.inside("--scheduler", "fifo,priority=3,flags=reset-on-fork", "--cpu-rt-runtime", "10000", "--cpu-rt-period", "500000")
        self.assertTrue(out.startswith("1 0 3 1 |"), out)

    def test_scheduling(self):
        self.assertTrue(self.inside("--scheduler", "batch,nice=5").startswith("3 5 0 0 |"))
        self.assertTrue(self.inside("--scheduler", "idle").startswith("5 0 0 0 |"))
        self.assertEqual(self.inside("--io-priority", "be:6").split(" | ")[1], "2 6")
        self.assertEqual(self.inside("--io-priority", "idle").split(" | ")[1].split()[0], "3")
        # Not what a container has by itself.
        self.assertTrue(self.inside().startswith("0 0 0 0 | 0 "), self.inside())

    def test_deadline(self):
        out = self.inside("--scheduler", "deadline,runtime=1000000,deadline=20000000,period=40000000,flags=reclaim")
        self.assertTrue(out.startswith("6 0 0 2 |") and out.endswith("\n1000000 20000000 40000000"), out)

    @unittest.skipUnless(os.path.isdir("/sys/devices/system/node/node0"), "this kernel knows no memory nodes")
    def test_memory_policy(self):
        self.assertEqual(self.inside("--memory-policy", "bind:0").split(" | ")[2], "2 1")
        self.assertEqual(self.inside("--memory-policy", "interleave:0:static-nodes").split(" | ")[2], f"{3 | 1 << 15} 1")
        self.run_fails(125, "set the memory policy 'MPOL_BIND' on nodes '777'", "--memory-policy", "bind:777", "base", "true")

    def test_exec_shares_scheduling(self):
        done = self.scow("run", "-d", "--name", "box", *self.with_probe(), "--cap-add", "SYS_NICE", "--scheduler", "batch,nice=3", "--exec-cpus", "0", "base", "sleep", "60")
        self.assertEqual(done.stderr, "")
        out = self.scow("exec", "box", "/probe", "scheduling").stdout
        self.assertTrue(out.startswith("3 3 0 0 |") and out.endswith("| 1\n"), out)
        self.scow("rm", "-f", "box")

    @unittest.skipIf(os.path.exists("/sys/fs/resctrl/tasks"), "resctrl is mounted")
    def test_rdt_class(self):
        self.run_fails(125, "class of resource control 'gold': no resctrl file system is mounted on '/sys/fs/resctrl'",
                       "--rdt-class", "gold", "base", "true")

    def test_conflicts_and_mistakes(self):
        self.run_fails(125, "conflicting options: a number of CPUs, and a quota of CPU time", "--cpus", "1", "--cpu-quota", "5000", "base")
        self.run_fails(125, "write it as DEVICE:WEIGHT", "--blkio-weight-device", "/dev/sda", "base")
        self.run_fails(125, "'/dev/null' is not a block device", "--blkio-weight-device", "/dev/null:300", "base", "true")
        self.run_fails(125, "write it as FILE=VALUE", "--cgroup-conf", "memory.high", "base")
        self.run_fails(125, "'cgroup.procs' is not a setting of a cgroup v2 controller", "--cgroup-conf", "cgroup.procs=1", "base")
        self.run_fails(125, "write it as POLICY", "--scheduler", "fifo,urgent=1", "base")
        self.run_fails(125, "either a count or devices", "--gpus", "count=1,device=0", "base")

    def test_update_and_inspect(self):
        self.scow("create", "--name", "made", "--cpu-quota", "20000", "--cgroup-conf", "memory.high=1G", "--gpus", "device=0,1", "base")
        done = self.scow("update", "--cpu-quota", "30000", "--cpu-period", "60000", "--blkio-weight-device", "/dev/sda:300", "made")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        host = self.inspect("made")
        self.assertEqual((host["CpuQuota"], host["CpuPeriod"], host["BlkioWeightDevice"]), (30000, 60000, [{"Path": "/dev/sda", "Weight": 300}]))
        self.assertEqual(host["CgroupConf"], {"memory.high": "1G"})
        self.assertEqual(host["DeviceRequests"],
                         [{"Driver": "", "Count": 0, "DeviceIDs": ["0", "1"], "Capabilities": [["gpu"]]}])
        self.scow("rm", "made")

    @unittest.skipIf(V2, "cgroup v1")
    def test_update_a_running_one(self):
        self.assertEqual(self.scow("run", "-d", "--name", "box", "-m", "64m", "base", "sleep", "60").stderr, "")
        done = self.scow("update", "--cpu-quota", "30000", "--memory-swappiness", "11", "box")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        out = self.scow("exec", "box", "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/memory/memory.swappiness").stdout
        self.assertEqual(out, "30000\n11\n")
        self.scow("update", "--cpu-quota", "-1", "box")
        self.assertEqual(self.scow("exec", "box", "cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us").stdout, "-1\n")
        self.scow("rm", "-f", "box")


class Cdi(Quiet):
    """Documents in a directory of the test's."""

    def setUp(self):
        self.dir = f"{self.WORK}/cdi"
        os.mkdir(self.dir)
        self.addCleanup(shutil.rmtree, self.dir)

    def document(self, devices, name="vendor.json", kind="example.com/thing", **more):
        pathlib.Path(self.dir, name).write_text(json.dumps({"cdiVersion": "0.7.0", "kind": kind, **more, "devices": [
            {"name": key, "containerEdits": edits} for key, edits in devices.items()]}))

    def with_cdi(self, *args):
        return self.scow("--cdi-spec-dir", self.dir, "run", "--rm", *args)

    def test_all_of_a_device(self):
        self.document({"zero": {"env": ["ZERO=yes"], "mounts": [{"hostPath": self.dir, "containerPath": "/cdi", "options": ["ro", "rbind"]}],
                                "deviceNodes": [{"path": "/dev/things/zero", "hostPath": "/dev/zero", "fileMode": 0o640, "gid": 7}]}},
                      containerEdits={"env": ["ALL=1"], "additionalGids": [1234]})
        done = self.with_cdi("--device", "example.com/thing=zero", "base", "sh", "-c",
                             "echo $ZERO $ALL; id -G; stat -c '%a %g %t:%T' /dev/things/zero; head -c 3 /dev/things/zero | wc -c; ls /cdi; "
                             "touch /cdi/x 2>/dev/null || echo read-only")
        self.assertEqual((done.stdout, done.stderr), ("yes 1\n0 1234\n640 7 1:5\n3\nvendor.json\nread-only\n", ""))

    def test_access_is_the_documents(self):
        """A node that no rule gives by default: as its permissions say, and not at all without the device."""
        self.document({"fuse": {"deviceNodes": [{"path": "/dev/note", "hostPath": "/dev/fuse", "permissions": "r"}]}})
        script = "head -c 0 /dev/note && echo read; echo x 2>/dev/null >/dev/note || echo no write"
        done = self.with_cdi("--device", "example.com/thing=fuse", "base", "sh", "-c", script)
        self.assertEqual(done.stdout, "read\nno write\n", done.stderr)
        done = self.scow("run", "--rm", "base", "sh", "-c", "mknod /tmp/note c 10 229; head -c 0 /tmp/note")
        self.assertIn("not permitted", done.stderr)

    def test_hooks(self):
        hook = {"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", f"cat >{self.dir}/state; echo $WHAT >{self.dir}/what"],
                "env": ["WHAT=x"]}
        self.document({"good": {"hooks": [hook]}, "bad": {"hooks": [{**hook, "path": "/bin/false", "args": ["false"]}]},
                       "late": {"hooks": [{**hook, "hookName": "poststop"}]}})
        done = self.with_cdi("--device", "example.com/thing=good", "base", "echo", "ran")
        self.assertEqual((done.stdout, done.stderr), ("ran\n", ""))
        self.assertEqual(pathlib.Path(self.dir, "what").read_text(), "x\n")
        self.assertIn("pid", json.loads(pathlib.Path(self.dir, "state").read_text()))
        done = self.with_cdi("--device", "example.com/thing=bad", "base", "echo", "ran")
        self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
        self.assertIn("/bin/false", done.stderr)
        done = self.with_cdi("--device", "example.com/thing=late", "base", "true")
        self.assertIn("a device's hooks of the stage poststop are not run", done.stderr)

    def test_gpus(self):
        self.document({name: {"env": [f"GPU_{name}=1"]} for name in ("all", "0", "1", "GPU-7f")}, kind="nvidia.com/gpu")
        for flag, wanted in (("all", "GPU_all"), ("1", "GPU_0"), ("2", "GPU_0 GPU_1"), ("device=1", "GPU_1"), ("device=GPU-7f", "GPU_GPU-7f"),
                             ('"device=0,1"', "GPU_0 GPU_1"), ("count=2,capabilities=compute,utility", "GPU_0 GPU_1")):
            done = self.with_cdi("--gpus", flag, "base", "env")
            found = sorted(line.removesuffix("=1") for line in done.stdout.split("\n") if line.startswith("GPU_"))
            self.assertEqual(found, wanted.split(), (flag, done.stderr))
        done = self.with_cdi("--gpus", "3", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("device 'nvidia.com/gpu=2': no CDI document in", done.stderr)

    def test_mistakes(self):
        done = self.with_cdi("--device", "example.com/thing=none", "base", "true")
        self.assertIn("device 'example.com/thing=none': no CDI document in '" + self.dir + "' has it", done.stderr)
        done = self.with_cdi("--device", "thing=none", "base", "true")
        self.assertIn("'thing=none' is not the name of a device such as 'vendor.com/class=name'", done.stderr)
        self.document({"bad": {"deviceNodes": [{"path": "/dev/x", "major": "7"}]}})
        done = self.with_cdi("--device", "example.com/thing=bad", "base", "true")
        self.assertIn("vendor.json': devices[0].containerEdits.deviceNodes[0].major: expected a whole number", done.stderr)
        self.document({"gone": {"deviceNodes": [{"path": "/dev/never"}]}, "two": {"mounts": [{"hostPath": "/tmp", "containerPath": "/cdi"}]}})
        done = self.with_cdi("--device", "example.com/thing=gone", "base", "true")
        self.assertIn("look up '/dev/never' of the CDI document", done.stderr)
        done = self.with_cdi("--device", "example.com/thing=two", "-v", "/tmp:/cdi", "base", "true")
        self.assertIn("two mounts on '/cdi', one of them a device's", done.stderr)


if __name__ == "__main__":
    unittest.main()
