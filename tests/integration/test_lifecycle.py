#!/usr/bin/env python3
"""The rest of a container's life by the scow command: pause, rename, update, wait, top, stats, lists with filters, pruning.

SCOW names the program under test (default: build/examples/scow/scow).
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

ROOT = os.geteuid() == 0
V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
PATIENT = "trap 'exit 7' TERM; sleep 1000 & echo ready; wait"
WORK = None


def setUpModule():
    global WORK
    WORK = cli.make_work("lifecycle-test.")
    Life.WORK = WORK


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Life(cli.Cli):
    def start(self, name, script=PATIENT, *options, **kwargs):
        process = self.spawn("run", "--name", name, "--network", "none", *options, "base", "sh", "-c", script, stdout=subprocess.PIPE, **kwargs)
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.addCleanup(self.scow, "rm", "-f", name)
        self.until(lambda: self.state(name) != "created")  # the program may be quicker than the rows
        return process

    def refused(self, words, *args, code=1):
        done = self.scow(*args)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done)
        self.assertIn(words, done.stderr)

    def state(self, name):
        return self.ok("inspect", "-f", "{{.State.Status}}", name).strip()


class Signals(Life):
    def test_signals_to_what_has_just_begun(self):
        """The program prints before its start is recorded: kill and stop wait for that."""
        for i in range(12):
            process = self.start(f"quick{i}", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done")
            begun = time.monotonic()
            if i % 2:
                self.assertEqual(self.ok("kill", f"quick{i}"), f"quick{i}\n")
                self.assertEqual(process.wait(10), 137)
            else:
                self.assertEqual(self.ok("stop", f"quick{i}"), f"quick{i}\n")
                self.assertEqual(process.wait(10), 5)
                self.assertLess(time.monotonic() - begun, 8)
            self.ok("rm", f"quick{i}")

    @unittest.skipUnless(ROOT, "needs root")
    def test_paused(self):
        process = self.start("frozen")
        self.assertEqual(self.ok("pause", "frozen"), "frozen\n")
        self.assertEqual(self.state("frozen"), "paused")
        self.assertIn("(Paused)", self.ok("ps"))
        self.refused("is paused and cannot be paused", "pause", "frozen")
        self.refused("is paused and cannot be removed", "rm", "frozen")
        self.assertEqual(self.ok("unpause", "frozen"), "frozen\n")
        self.refused("is running and cannot be unpaused", "unpause", "frozen")
        self.ok("pause", "frozen")
        self.assertEqual(self.ok("stop", "frozen"), "frozen\n")
        self.assertEqual(process.wait(10), 7)
        self.refused("is exited, not running", "pause", "frozen")
        process = self.start("cold")
        self.ok("pause", "cold")
        self.ok("kill", "cold")
        self.assertEqual(process.wait(10), 137)
        process = self.start("colder")
        self.ok("pause", "colder")
        self.ok("rm", "-f", "colder")
        process.wait(10)

    @unittest.skipUnless(ROOT, "needs root")
    def test_owner_of_a_paused_one_is_killed(self):
        process = self.start("left")
        pid = int(self.ok("inspect", "-f", "{{.State.Pid}}", "left"))
        self.ok("pause", "left")
        process.kill()
        process.wait()
        self.assertEqual(self.state("left"), "exited")
        self.assertTrue(wait_until(lambda: not os.path.exists(f"/proc/{pid}")), pid)


class Cgroups(Life):
    def enter(self, name):
        """A child of our cgroup in the hierarchy where that is easiest; what preexec_fn does to get into it."""
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.strip().split(":", 2)
            if controllers == ("" if V2 else "pids"):
                top = pathlib.Path("/sys/fs/cgroup" if V2 else "/sys/fs/cgroup/pids")
                child = pathlib.Path(f"{top}{path}", name)
                child.mkdir()
                return child, lambda: (child / "cgroup.procs").write_text(str(os.getpid()))
        self.skipTest("no cgroup to make a child of")

    @unittest.skipUnless(ROOT, "needs root")
    def test_swept_from_another_cgroup(self):
        """Whoever sweeps, stops or looks may be in another cgroup than whoever started."""
        child, enter = self.enter(f"life-{os.getpid()}-scow-parent")

        def leave():
            for _ in range(100):
                try:
                    for below in child.glob("scow-*"):
                        below.rmdir()
                    return child.rmdir()
                except OSError:
                    time.sleep(0.05)
            child.rmdir()
        self.addCleanup(leave)
        process = self.start("elsewhere", PATIENT, preexec_fn=enter)
        pid = self.ok("inspect", "-f", "{{.State.Pid}}", "elsewhere").strip()
        cgroup = pathlib.Path(f"/proc/{pid}/cgroup").read_text()
        if not V2:
            self.assertIn(f"{child.name}/scow-", cgroup)
        # Seen from here: its processes, its figures, its limits, its pause.
        self.assertIn("sleep 1000", self.ok("top", "elsewhere"))
        self.ok("update", "--pids-limit", "44", "elsewhere")
        stats = json.loads(self.ok("stats", "--no-stream", "--format", "json", "elsewhere"))
        self.assertEqual(stats["PIDs"], "2")
        self.ok("pause", "elsewhere")
        self.ok("unpause", "elsewhere")
        process.kill()
        process.wait()
        self.assertEqual(self.state("elsewhere"), "exited")
        self.assertEqual(list(child.glob("scow-*")), [])

    @unittest.skipUnless(ROOT, "needs root")
    def test_update(self):
        self.start("limited", PATIENT, "-m", "64m", "--pids-limit", "20")
        pid = self.ok("inspect", "-f", "{{.State.Pid}}", "limited").strip()

        def limit(controller, v1, v2):
            for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
                _, names, path = line.strip().split(":", 2)
                if names == ("" if V2 else controller):
                    return pathlib.Path(f"/sys/fs/cgroup/{'' if V2 else names}{path}/{v2 if V2 else v1}").read_text().strip()
        self.assertEqual(limit("memory", "memory.limit_in_bytes", "memory.max"), str(64 << 20))
        self.assertEqual(self.ok("update", "-m", "32m", "--memory-swap", "40m", "--cpus", "0.5", "--pids-limit", "30", "-c", "100",
                                 "--cpuset-cpus", "0", "limited"), "limited\n")
        self.assertEqual(limit("memory", "memory.limit_in_bytes", "memory.max"), str(32 << 20))
        self.assertEqual(limit("pids", "pids.max", "pids.max"), "30")
        self.assertEqual(limit("cpuset", "cpuset.cpus", "cpuset.cpus"), "0")
        if not V2:
            self.assertEqual(limit("cpu", "cpu.cfs_quota_us", ""), "50000")
            self.assertEqual(limit("cpu", "cpu.shares", ""), "100")
        host = json.loads(self.ok("inspect", "limited"))[0]["HostConfig"]
        self.assertEqual((host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"], host["CpuShares"], host["CpusetCpus"]),
                         (32 << 20, 40 << 20, 500000000, 30, 100, "0"))
        self.refused("smaller than the one on memory", "update", "--memory-swap", "16m", "limited")
        self.assertEqual(limit("memory", "memory.limit_in_bytes", "memory.max"), str(32 << 20))
        self.refused("it is no number", "update", "--cpus", "lots", "limited")

    def test_update_restart_policy(self):
        self.ok("create", "--name", "policy", "base", "true")
        self.ok("update", "--restart", "on-failure:4", "policy")
        self.assertEqual(json.loads(self.ok("inspect", "-f", "{{json .HostConfig.RestartPolicy}}", "policy")),
                         {"Name": "on-failure", "MaximumRetryCount": 4})
        self.ok("update", "--restart", "no", "policy")
        self.assertEqual(self.ok("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "policy"), "no\n")


class Names(Life):
    def test_rename(self):
        self.ok("create", "--name", "old", "base", "true")
        self.ok("create", "--name", "other", "base", "true")
        self.assertEqual(self.ok("rename", "old", "new"), "")
        self.assertEqual(self.ok("ps", "-a", "--filter", "name=new", "--format", "{{.Names}} {{.State}}"), "new created\n")
        self.refused("no such container: 'old'", "rename", "old", "newer")
        self.refused("is in use by container", "rename", "new", "other")
        self.refused("already", "rename", "new", "new")
        self.refused("is not a name", "rename", "new", "x y")
        self.ok("create", "--name", "old", "base", "true")
        self.ok("rm", "old", "new", "other")

    def test_wait(self):
        ended = self.start("ended", "echo ready; exit 6")
        self.assertEqual(ended.wait(10), 6)
        self.assertEqual(self.ok("wait", "ended"), "6\n")
        waiting = self.spawn("wait", "--condition", "removed", "ended", stdout=subprocess.PIPE)
        time.sleep(0.1)
        self.assertIsNone(waiting.poll())
        self.ok("rm", "ended")
        self.assertEqual(waiting.wait(10), 0)
        self.assertEqual(waiting.stdout.read(), "6\n")
        self.ok("create", "--name", "later", "base", "sh", "-c", "exit 9")
        waiting = self.spawn("wait", "--condition", "next-exit", "later", stdout=subprocess.PIPE)
        time.sleep(0.2)
        self.assertIsNone(waiting.poll())
        self.ok("rename", "later", "renamed")
        self.assertEqual(self.scow("start", "-a", "renamed").returncode, 9)
        self.assertEqual(waiting.wait(10), 0)
        self.assertEqual(waiting.stdout.read(), "9\n")
        self.refused("--condition", "wait", "--condition", "rain", "renamed", code=125)


class Lists(Life):
    def test_filters(self):
        for name, label in ("one", "a=1"), ("two", "a=2"), ("three", "b=1"):
            self.ok("create", "--name", name, "--label", label, "-v", f"of-{name}:/data", "base", "sh", "-c", "exit 3\n")
        self.assertEqual(self.scow("start", "-a", "two").returncode, 3)

        def names(*filters):
            return self.ok("ps", "--format", "{{.Names}}", *(word for text in filters for word in ("-f", text))).split()
        self.assertEqual(names(), [])
        self.assertEqual(names("status=exited"), ["two"])
        self.assertEqual(names("status=exited", "status=created"), ["three", "two", "one"])
        self.assertEqual(names("exited=3"), ["two"])
        self.assertEqual(names("status=created", "label=a"), ["one"])
        self.assertEqual(names("since=one"), ["three", "two"])
        self.assertEqual(names("before=three", "label=a=1"), ["one"])
        self.assertEqual(names("status=created", "name=^t"), ["three"])
        self.assertEqual(names("status=created", "ancestor=base:latest"), ["three", "one"])
        self.assertEqual(names("status=created", "ancestor=nothing"), [])
        self.assertEqual(names("status=created", "status=exited", "volume=of-two"), ["two"])
        self.assertEqual(names("status=created", "volume=/data"), ["three", "one"])
        self.assertEqual(names("status=created", "volume=of"), [])
        self.ok("create", "--name", "alone", "--network", "none", "base")
        self.assertEqual(names("status=created", "network=none"), ["alone"])
        self.assertEqual(self.ok("inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", "alone"), "none\n")
        self.ok("rm", "alone")
        self.assertEqual(self.ok("ps", "-l", "--format", "{{.Names}}"), "three\n")
        self.assertEqual(self.ok("ps", "-n", "2", "--format", "{{.Names}}"), "three\ntwo\n")
        self.assertRegex(self.ok("ps", "-as"), r"SIZE\n(.* 0B \(virtual [\d.]+MB\)\n){3}$")
        self.assertEqual(self.ok("ps", "-f", "exited=3", "--format", '{{.Label "a"}} {{.Mounts}} {{.LocalVolumes}} {{.Command}}'),
                         "2 of-two 1 \"sh -c 'exit 3\\n'\"\n")
        self.refused("'colour' is not a filter", "ps", "-f", "colour=red")
        self.refused("NAME=VALUE", "ps", "-f", "status")
        self.refused("'nobody'", "ps", "-f", "since=nobody")
        self.ok("rm", "one", "two", "three")
        self.ok("volume", "rm", "of-one", "of-two", "of-three")

    def test_templates(self):
        self.ok("create", "--name", "shaped", "-p", "8080:80", "--label", "words=one two", "-e", "OWN=1", "-v", "/tmp:/mnt:ro", "base", "true")

        def shown(template):
            return self.ok("inspect", "-f", template, "shaped").rstrip("\n")
        for template, text in {
            '{{(index (index .HostConfig.PortBindings "80/tcp") 0).HostPort}}': "8080",
            '{{index .HostConfig.PortBindings "80/tcp" 0 "HostPort"}}': "8080",
            "{{range $p, $at := .HostConfig.PortBindings}}{{$p}} -> {{(index $at 0).HostPort}}{{end}}": "80/tcp -> 8080",
            "{{range $i, $word := split .Config.Labels.words \" \"}}{{$i}}{{$word}} {{$.Name}};{{end}}": "0one /shaped;1two /shaped;",
            "{{title .Config.Labels.words}} {{truncate .Name 3}} [{{pad .Platform 1 2}}]": "One Two /sh [ linux  ]",
            '{{printf "%s: %d%% %q" .Name .State.Pid .Platform}}': '/shaped: 0% "linux"',
            "{{with .State}}{{.Status}}{{end}}{{$x := .Name}}{{with .Config.Domainname}}no{{else}}{{$x}}{{end}}": "created/shaped",
            # What the start adds is no setting of the container's.
            "{{index .Config.Env 0}} {{range .Config.Env}}{{index (split . \"=\") 0}},{{end}}": "OWN=1 OWN,PATH,",
            "{{range .Mounts}}{{.Mode}} {{.RW}}{{end}}": "ro false",
            "{{len .HostConfig.ReadonlyPaths}} {{index .HostConfig.MaskedPaths 0}}": "5 /proc/acpi",
            "{{if and .Name (not .State.Running) (eq .State.ExitCode 0)}}idle{{end}}{{.Name | upper | json}}": 'idle"/SHAPED"',
        }.items():
            self.assertEqual(shown(template), text)
        for template, problem in {"{{(.Name}}": "not closed", "{{.Name)}}": "cannot read", "{{$x}}": "undefined variable",
                                  "{{nothing}}": "not defined", "{{printf \"%x\" .Id}}": "printf", "{{.Nope}}": "no field"}.items():
            self.refused(problem, "inspect", "-f", template, "shaped")
        self.assertRegex(self.ok("inspect", "-s", "-f", "{{.SizeRw}} {{.SizeRootFs}}", "shaped"), r"^0 \d{6,}\n$")
        self.refused("one or more flags", "update", "shaped")
        done = self.scow("rm", "-f", "shaped", "absent")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "shaped\n", "scow: no such container: 'absent'\n"))

    def test_top_and_stats(self):
        self.start("seen")
        lines = self.ok("top", "seen").splitlines()
        self.assertEqual(lines[0].split(), ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"])
        self.assertEqual(len(lines), 3)
        self.assertTrue(wait_until(lambda: self.ok("top", "seen").endswith("sleep 1000\n")))
        if shutil.which("ps"):
            pids = [line.split()[1] for line in self.ok("top", "seen").splitlines()[1:]]
            lines = [line.split() for line in self.ok("top", "seen", "-o", "pid,comm").splitlines()]
            self.assertEqual((lines[0], sorted(line[0] for line in lines[1:])), (["PID", "COMMAND"], sorted(pids)))
            self.refused("no column PID", "top", "seen", "-o", "comm")
        if ROOT:
            row = json.loads(self.ok("stats", "--no-stream", "--format", "json", "seen"))
            self.assertEqual((row["Name"], row["PIDs"], row["NetIO"]), ("seen", "2", "0B / 0B"))
            self.assertRegex(row["MemUsage"], r"^[\d.]+[KM]iB / [\d.]+GiB$")
            table = self.ok("stats", "--no-stream")
            self.assertRegex(table, r"^CONTAINER ID +NAME +CPU % +MEM USAGE / LIMIT +MEM % +NET I/O +BLOCK I/O +PIDS\n")
        watching = self.spawn("stats", "--format", "{{.Name}} {{.CPUPerc}}", "seen", stdout=subprocess.PIPE)
        self.assertRegex(watching.stdout.readline(), r"^seen [\d.]+%\n$")
        self.assertRegex(watching.stdout.readline(), r"^seen [\d.]+%\n$")
        self.ok("stop", "-t", "0", "seen")
        self.refused("is exited, not running", "top", "seen")
        self.ok("rm", "seen")
        self.assertEqual(watching.wait(20), 0)


class Images(Life):
    def test_dangling_images(self):
        """Without -a only images that have lost their names go, and filters choose among them."""
        for content in b"1", b"2", b"3":
            self.make_image("moves", {"file": content}, Labels={"number": content.decode()})
        self.assertEqual(self.ok("images", "-aq").count("\n"), 4)
        self.ok("tag", "base", "other/base:1")

        def listed(*filters):
            return self.ok("images", "--format", "{{.Repository}}", *(word for text in filters for word in ("-f", text))).split()
        self.assertEqual(listed("dangling=true"), ["<none>"] * 2)
        self.assertEqual(sorted(listed("dangling=false")), ["base", "moves", "other/base"])
        self.assertEqual((listed("label=number=3"), listed("label=number=1")), (["moves"], ["<none>"]))
        self.assertEqual(listed("label!=number", "reference=b*"), ["base", "other/base"])
        self.assertEqual(self.ok("images", "-q", "moves").count("\n"), 1)
        self.assertEqual(listed("reference=*/base"), ["base", "other/base"])
        self.assertEqual(listed("since=base", "reference=base"), [])
        self.refused("'nothing'", "images", "-f", "since=nothing")
        self.refused("neither true nor false", "images", "-f", "dangling=perhaps")
        self.refused("is not a filter", "images", "-f", "colour=red")
        self.ok("rmi", "other/base:1")
        self.assertEqual(self.ok("image", "prune", "-f", "--filter", "label=number=3"), "Total reclaimed space: 0B\n")
        self.assertEqual(self.ok("image", "prune", "-f", "--filter", "label!=number=1", "--filter", "label!=number=2"),
                         "Total reclaimed space: 0B\n")
        done = self.ok("image", "prune", "-f", "--filter", "label=number=1")
        self.assertEqual(done.count("deleted: sha256:"), 2, done)  # the image and its own layer
        self.assertEqual(self.ok("images", "-aq").count("\n"), 3)
        self.ok("system", "prune", "-f")
        self.assertEqual(self.ok("images", "-aq").count("\n"), 2)
        self.assertEqual(self.ok("run", "--rm", "moves", "cat", "/file"), "3")
        self.ok("rmi", "moves")


class Room(Life):
    def test_df_and_prune(self):
        self.start("stays")
        self.assertEqual(self.scow("run", "--name", "writer", "base", "sh", "-c", "head -c 100000 /dev/zero >/f").returncode, 0)
        writer = self.ok("ps", "-aqf", "name=writer", "--no-trunc").strip()
        rows = {row["Type"]: row for row in map(json.loads, self.ok("system", "df", "--format", "json").splitlines())}
        self.assertEqual((rows["Images"]["TotalCount"], rows["Images"]["Active"]), ("1", "1"))
        self.assertEqual((rows["Containers"]["TotalCount"], rows["Containers"]["Active"], rows["Containers"]["Size"]), ("2", "1", "100kB"))
        self.assertRegex(rows["Containers"]["Reclaimable"], r"^100kB \(100%\)$")
        self.assertTrue(re.match(r"TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE\n", self.ok("system", "df")))
        self.assertEqual(json.loads(self.ok("system", "df", "-v", "--format", "json"))["Volumes"], [])
        self.assertRegex(self.ok("system", "df", "-v"), r"(?s)^Images space.*\nbase +latest .*\nContainers space.* .sh -c 'head -c 1000…. .* writer\n")
        self.assertIn("[y/N]", self.ok("container", "prune", input="n\n"))
        self.assertIn("Total reclaimed space: 0B", self.ok("container", "prune", "-f", "--filter", "until=1h"))
        done = self.ok("container", "prune", input="y\n")
        self.assertIn(f"Deleted Containers:\n{writer}\n\nTotal reclaimed space: 100kB\n", done)
        self.assertEqual(self.ok("ps", "-a", "--format", "{{.Names}}"), "stays\n")
        self.assertEqual(self.ok("system", "prune", "-af"), "Total reclaimed space: 0B\n")
        self.ok("rm", "-f", "stays")
        done = self.ok("image", "prune", "-af")
        self.assertRegex(done, r"^Deleted Images:\nuntagged: base:latest\ndeleted: sha256:\w+\n")
        self.assertNotIn("space: 0B", done)
        self.assertEqual(self.ok("images", "-q"), "")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    unittest.main()
