#!/usr/bin/env python3
"""What Docker's users rely on, told by what a container sees and how it ends, through the scow command."""
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402
from cli import entry  # noqa: E402

ROOT = os.geteuid() == 0
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def setUpModule():
    cli.Cli.WORK = cli.make_work("semantics-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


class Process(cli.Cli):
    def test_entrypoint_and_command(self):
        self.make_image("both", Entrypoint=["echo", "E"], Cmd=["C"])
        for flags, args, output in [([], [], "E C\n"), ([], ["x"], "E x\n"), (["--entrypoint", "echo"], [], "\n"),
                                    (["--entrypoint", "echo"], ["x"], "x\n"), (["--entrypoint", ""], ["echo", "z"], "z\n")]:
            with self.subTest(flags=flags, args=args):
                self.assertEqual(self.run_ok(*flags, "both", *args), output)
        self.run_fails(125, "no command specified", "--entrypoint", "", "both")
        self.make_image("none", Entrypoint=None, Cmd=None)
        self.run_fails(125, "no command specified", "none")

    def test_shell_forms(self):
        self.make_image("exec-shell", Entrypoint=["echo"], Cmd=["/bin/sh", "-c", "echo x y"])
        self.assertEqual(self.run_ok("exec-shell"), "/bin/sh -c echo x y\n")
        self.make_image("shell", Entrypoint=["/bin/sh", "-c", "echo shell"], Cmd=["ignored"])
        self.assertEqual(self.run_ok("shell"), "shell\n")
        self.assertEqual(self.run_ok("shell", "ignored", "too"), "shell\n")

    def test_arguments_are_not_for_a_shell(self):
        words = ["", "a b", "*", "$HOME", ";", "'", "\\", "\n", "é", ""]
        out = self.run_ok(*self.with_probe(), "base", "/probe", "arguments", *words)
        self.assertEqual(out, "".join(f"[{word}]" for word in words) + "\n")

    def test_environment(self):
        self.make_image("env", Env=["A=image", "B=image", "C=image", "PATH=/bin:/image"], Cmd=["env"])
        out = self.run_ok("-e", "A=user", "-e", "C", "-e", "D=new", "env").splitlines()
        self.assertEqual({line for line in out if line[0] in "ABCDP"}, {"A=user", "B=image", "D=new", "PATH=/bin:/image"})
        self.assertLess(out.index("D=new"), out.index("B=image"))  # the user's come first
        out = self.run_ok("-h", "box", "base", "env").splitlines()
        self.assertEqual(sorted(out), ["HOME=/root", "HOSTNAME=box", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
        self.make_image("bare", Env=[], Cmd=["env"])
        self.assertIn("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.run_ok("bare").splitlines())

    def test_other_settings_of_the_image(self):
        self.make_image("settings", User="1000" if ROOT else "0", WorkingDir="/tmp", StopSignal="SIGUSR1", Labels={"a": "image", "b": "image"},
                        ExposedPorts={"80/tcp": {}}, Cmd=["pwd"])
        self.assertEqual(self.run_ok("settings"), "/tmp\n")
        self.assertEqual(self.run_ok("-w", "/var", "settings"), "/var\n")
        self.assertEqual(self.run_ok("-u", "0", "settings", "id", "-u"), "0\n")
        self.scow("create", "--name", "set", "-l", "a=user", "-l", "c=user", "settings")
        document = json.loads(self.scow("inspect", "set").stdout)[0]
        self.assertEqual(document["Config"]["Labels"], {"a": "user", "b": "image", "c": "user"})
        self.assertEqual(document["Config"]["StopSignal"], "SIGUSR1")
        self.scow("rm", "set")

    @unittest.skipUnless(ROOT, "needs many ids")
    def test_users_and_groups(self):
        probe = [*self.with_probe(), "base", "sh", "-c", "id -u; id -g; /probe groups; echo $HOME"]
        for flags, output in [
            (["-u", "user", "--group-add", "7", "--group-add", "daemon"], "1000 1000 1000 29 44 7 1 /home/user"),
            (["-u", "user:video", "--group-add", "7"], "1000 44 44 7 /home/user"),
            (["-u", "1000"], "1000 1000 1000 29 44 /home/user"),
            (["-u", "1000:29"], "1000 29 29 /home/user"),
            (["-u", "4321"], "4321 0 0 /"),
        ]:
            with self.subTest(flags=flags):
                uid, gid, *groups, home = self.run_ok(*flags, *probe).split()
                wanted = output.split()  # the kernel sorts the groups
                self.assertEqual([uid, gid, sorted(groups), home], [*wanted[:2], sorted(wanted[2:-1]), wanted[-1]])
        self.run_fails(125, "unable to find user 'ghost'", "-u", "ghost", "base", "true")
        self.run_fails(125, "group", "-u", "0:ghosts", "base", "true")
        self.run_fails(125, "group", "--group-add", "ghosts", "base", "true")
        self.make_image("no-passwd", [("etc/.wh.passwd", b""), ("etc/.wh.group", b"")])
        self.assertEqual(self.run_ok("-u", "5:6", "no-passwd", "sh", "-c", "echo $(id -u) $(id -g) $HOME"), "5 6 /\n")
        self.run_fails(125, "unable to find user 'user'", "-u", "user", "no-passwd", "true")
        self.make_image("linked", [(entry("etc/passwd", tarfile.SYMTYPE, linkname="/var/passwd"), b""), ("var/passwd", b"own:x:77:78::/own:/bin/sh\n")])
        self.assertEqual(self.run_ok("-u", "own", "linked", "sh", "-c", "echo $(id -u) $(id -g) $HOME"), "77 78 /own\n")

    def test_working_directory(self):
        user = ["-u", "user"] if ROOT else []
        self.assertEqual(self.run_ok(*user, "-w", "/new/deep", "base", "sh", "-c", "pwd; stat -c '%a %u %g' . .."),
                         "/new/deep\n755 0 0\n755 0 0\n")
        self.run_fails(125, "/etc/passwd", "-w", "/etc/passwd", "base", "true")
        self.run_fails(125, "not an absolute path", "-w", "relative", "base", "true")
        self.make_image("relative", WorkingDir="some/where", Cmd=["pwd"])
        self.assertEqual(self.run_ok("relative"), "/some/where\n")
        self.scow("create", "--name", "work", "-w", "/made", "base", "sh", "-c", "pwd; cd /; rmdir /made")
        for _ in range(2):  # made again at each start
            self.assertEqual(self.scow("start", "-a", "work").stdout, "/made\n")
        self.scow("rm", "work")

    def test_streams_belong_to_the_user(self):
        user = ["-u", "user"] if ROOT else []
        done = self.scow("run", "--rm", *user, "base", "sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "out\n", "err\n"))

    def test_short_runs_lose_nothing(self):
        for n in range(30):
            done = self.scow("run", "--rm", "base", "sh", "-c", f"echo {n}; exit {n}")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (n, f"{n}\n", ""))

    def test_much_through_stdin(self):
        data = os.urandom(1 << 20)
        total = hashlib.sha256()
        process = self.spawn("run", "--rm", "-i", "base", "sha256sum", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(256):
            process.stdin.buffer.write(data)
            total.update(data)
        process.stdin.close()
        self.assertEqual(process.stdout.read().split()[0], total.hexdigest())
        self.assertEqual(process.wait(10), 0)

    def test_orphans_are_reaped(self):
        script = "/probe orphans 10000; sleep 0.1; ps -o stat | grep -c Z; exit 0"
        self.assertEqual(self.run_ok("--init", *self.with_probe(), "base", "sh", "-c", script), "0\n")

    def test_ulimits(self):
        out = self.run_ok("--ulimit", "nofile=99:100", "--ulimit", "core=0", "--ulimit", "fsize=1000:2000", *self.with_probe(), "base", "/probe", "limits")
        self.assertEqual(out, "99 100\n0 0\n1000 2000\n")


class Endings(cli.Cli):
    def test_stop(self):
        """The signal, the time, and SIGKILL."""
        def begin(script, *flags):
            process = self.spawn("run", "--rm", "--name", "stopped", *flags, "base", "sh", "-c", script, stdout=subprocess.PIPE)
            self.assertEqual(process.stdout.readline(), "ready\n")
            return process
        deaf = "echo ready; while :; do sleep 0.1; done"
        for flags, stop, code, least, most in [
            ([], ["-t", "1"], 137, 1.0, 6), (["--stop-timeout", "1"], [], 137, 1.0, 6), ([], ["-t", "0"], 137, 0, 4),
            (["--init"], [], 143, 0, 4), (["--stop-signal", "KILL"], [], 137, 0, 4),
        ]:
            with self.subTest(flags=flags, stop=stop):
                process = begin(deaf, *flags)
                start = time.monotonic()
                done = self.scow("stop", *stop, "stopped")
                self.assertEqual((done.returncode, process.wait(10)), (0, code), done)
                self.assertTrue(least <= time.monotonic() - start < most, time.monotonic() - start)
        process = begin("trap 'echo bye; exit 5' USR1; " + deaf, "--stop-signal", "USR1")
        self.scow("stop", "stopped")
        self.assertEqual((process.stdout.read(), process.wait(10)), ("bye\n", 5))

    def test_signals_that_are_not_passed_on(self):
        process = self.spawn("run", "--rm", "base", "sh", "-c", "trap 'echo URG' URG; trap 'echo PIPE' PIPE; trap 'echo USR1; exit 0' USR1; echo ready; "
                             "while :; do sleep 0.05; done", stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), "ready\n")
        for number in signal.SIGURG, signal.SIGCHLD, signal.SIGPIPE:
            process.send_signal(number)
        time.sleep(0.3)
        process.send_signal(signal.SIGUSR1)
        self.assertEqual((process.stdout.read(), process.wait(10)), ("USR1\n", 0))

    @unittest.skipUnless(ROOT, "limits need root")
    def test_out_of_memory(self):
        """A child is killed while PID 1 lives on; that is told, and so is who was killed alone."""
        hog = "tail /dev/zero"
        for script, code in (f"{hog}; echo survived", 0), (f"exec {hog}", 137):
            self.scow("rm", "oom")
            done = self.scow("run", "--name", "oom", "-m", "24m", "--memory-swap", "24m", "base", "sh", "-c", script)
            self.assertEqual(done.returncode, code, done)
            self.assertEqual(self.scow("inspect", "-f", "{{.State.OOMKilled}}", "oom").stdout, "true\n")
        self.scow("rm", "oom")
        self.assertEqual(self.scow("run", "--name", "oom", "-m", "24m", "base", "sh", "-c", "kill -9 0; exit 137").returncode, 137)
        self.assertEqual(self.scow("inspect", "-f", "{{.State.OOMKilled}}", "oom").stdout, "false\n")
        self.scow("rm", "oom")
        self.assertEqual(self.scow("run", "--rm", "-m", "16m", "--memory-swap", "16m", "--tmpfs", "/t", "base", "dd", "if=/dev/zero", "of=/t/x", "bs=1M",
                                   "count=32").returncode, 137)

    def test_terminal(self):
        """Its size, its owner and its mount from the first moment on."""
        master, slave = pty.openpty()
        user = ["-u", "user"] if ROOT else []
        process = self.spawn("run", "--rm", "-t", *user, "base", "sh", "-c",
                             "tty; stat -c %u /dev/pts/0; grep -o 'gid=5.*ptmxmode=666' /proc/mounts; [ -c /dev/console ] && echo console; "
                             "[ $(stat -c %t:%T /dev/console) = $(stat -c %t:%T /dev/pts/0) ] && echo same; echo tty >/dev/tty; echo $TERM",
                             stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        seen = ""
        while select.select([master], [], [], 10)[0]:
            try:
                data = os.read(master, 4096).decode()
            except OSError:
                break
            seen += data
        os.close(master)
        self.assertEqual(process.wait(10), 0)
        lines = seen.replace("\r", "").splitlines()
        self.assertEqual([lines[0], lines[1], *lines[-4:]], ["/dev/pts/0", "1000" if ROOT else "0", "console", "same", "tty", "xterm"], seen)
        if ROOT:
            self.assertIn("gid=5", lines[2])


class Mounts(cli.Cli):
    def test_default_file_systems(self):
        """The list of mounts, as Docker's containers have it."""
        wanted = {"/": "overlay", "/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/sys": "sysfs"}
        lines = [line.split() for line in self.run_ok("base", "cat", "/proc/mounts").splitlines()]
        seen = {fields[1]: (fields[2], set(fields[3].split(","))) for fields in lines}
        for target, kind in wanted.items():
            if ROOT or target != "/sys":
                self.assertEqual(seen[target][0], kind, target)
        self.assertLessEqual({"nosuid", "nodev", "noexec"}, seen["/proc"][1] & seen["/dev/shm"][1])
        self.assertIn("size=65536k", seen["/dev/shm"][1])
        self.assertIn("ro", seen["/sys"][1])
        self.assertNotIn(self.root, "\n".join(" ".join(fields) for fields in lines if fields[1] != "/"))
        self.assertEqual(self.run_ok("base", "sh", "-c", "cd /dev; ls -d fd full null ptmx pts random shm stderr stdin stdout tty urandom zero | wc -l"), "13\n")
        self.assertIn("size=1024k", self.run_ok("--shm-size", "1m", "base", "grep", "/dev/shm", "/proc/mounts"))

    def test_order_and_replacement(self):
        a, b = (pathlib.Path(tempfile.mkdtemp(dir=self.WORK)) for _ in range(2))
        (a / "name").write_text("a")
        (b / "name").write_text("b")
        (b / "y").mkdir()
        self.assertEqual(self.run_ok("-v", f"{a}:/x/y", "-v", f"{b}:/x", "base", "cat", "/x/name", "/x/y/name"), "ba")
        self.assertEqual(self.run_ok("-v", f"{a}:/dev/shm", "base", "cat", "/dev/shm/name"), "a")
        self.run_fails(125, "two mounts on '/x'", "-v", f"{a}:/x", "-v", f"{b}:/x", "base", "true")

    def test_file_and_directory(self):
        """A file cannot be mounted on a directory, nor the reverse: an error that says so."""
        self.run_fails(127, "Is a directory", "-v", f"{self.WORK}/base.tar:/etc", "base", "true")
        self.run_fails(127, "Not a directory", "-v", f"{self.WORK}/tmp:/etc/passwd", "base", "true")

    @unittest.skipUnless(ROOT, "needs root to mount below the source")
    def test_read_only_is_recursive(self):
        source = pathlib.Path(tempfile.mkdtemp(dir=self.WORK))
        (source / "below").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "scow-test-below", source / "below"], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", source / "below"], check=True)
        script = "for d in /x /x/below; do touch $d/f 2>/dev/null && echo $d; done; rm -f /x/f /x/below/f; true"
        self.assertEqual(self.run_ok("-v", f"{source}:/x", "base", "sh", "-c", script), "/x\n/x/below\n")
        self.assertEqual(self.run_ok("-v", f"{source}:/x:ro", "base", "sh", "-c", script), "")
        self.assertEqual(self.run_ok("-v", f"{source}:/x:ro,ro-nonrecursive", "base", "sh", "-c", script), "/x/below\n")

    @unittest.skipUnless(ROOT, "needs root to mount below the source")
    def test_propagation(self):
        """What is mounted on the host later is seen through a slave or shared bind, and what the container mounts through a shared one."""
        source = pathlib.Path(tempfile.mkdtemp(dir=self.WORK))
        subprocess.run(["mount", "-t", "tmpfs", "scow-test-shared", source], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", source], check=True)
        subprocess.run(["mount", "--make-shared", source], check=True)
        (source / "host").mkdir()
        (source / "box").mkdir()
        for mode, host_seen, box_seen in ("rprivate", False, False), ("rslave", True, False), ("rshared", True, True):
            with self.subTest(mode=mode):
                process = self.spawn("run", "--rm", "-i", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "-v", f"{source}:/x:{mode}",
                                     "base", "sh", "-c", "mount -t tmpfs inside /x/box && echo ready; read x; grep -c ' /x/host ' /proc/mounts; read x; "
                                     "umount /x/box", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                self.assertEqual(process.stdout.readline(), "ready\n")
                self.assertEqual(f"{source}/box" in pathlib.Path("/proc/self/mounts").read_text(), box_seen)
                subprocess.run(["mount", "-t", "tmpfs", "scow-test-host", source / "host"], check=True)
                process.stdin.write("\n")
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), f"{int(host_seen)}\n")
                subprocess.run(["umount", source / "host"], check=True)
                process.stdin.write("\n")
                process.stdin.close()
                process.wait(10)

    def test_many_layers(self):
        """More than fit into one page of mount options."""
        self.make_image("deep", *([(f"layers/{n}", b"%d" % n)] for n in range(130)))
        out = self.run_ok("deep", "sh", "-c", "ls /layers | wc -l; cat /layers/0 /layers/129")
        self.assertEqual(out, "130\n0129")

    def test_directories_are_merged_and_renamed(self):
        self.make_image("upper", [("d/a", b"1"), ("d/b", b"2"), ("e/f", b"3")], [("d/.wh.a", b""), ("e/.wh..wh..opq", b""), ("e/g", b"4")])
        self.assertEqual(self.run_ok("upper", "sh", "-c", "ls /d /e; mv /d /moved && cat /moved/b"), "/d:\nb\n\n/e:\ng\n2")

    def test_writable_parts(self):
        for flags, place, code in ([], "/x", 0), (["--read-only"], "/x", 1), (["--read-only"], "/dev/shm/x", 0), (["--read-only", "--tmpfs", "/t"], "/t/x", 0):
            with self.subTest(flags=flags, place=place):
                self.assertEqual(self.scow("run", "--rm", *flags, "base", "touch", place).returncode, code)
        out = self.run_ok("--tmpfs", "/t:size=1m,mode=1700", "base", "sh", "-c", "stat -c %a /t; dd if=/dev/zero of=/t/x bs=1M count=2 2>&1 | grep -o 'No space.*'")
        self.assertEqual(out, "1700\nNo space left on device\n")


class Isolation(cli.Cli):
    def links(self, *flags, image="base"):
        out = self.run_ok(*flags, image, "sh", "-c", "cd /proc/self/ns; for n in *; do echo $n $(readlink $n); done")
        return dict(line.split() for line in out.splitlines())

    def test_namespaces(self):
        """New, the host's, or another container's: each namespace by itself."""
        host = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
        seen = self.links()
        for name in NAMESPACES:
            same = name == "time" or (name == "user" and ROOT)
            self.assertEqual(seen[name] == host[name], same, name)
        if not ROOT:
            return
        for flag, name in ("--pid", "pid"), ("--network", "net"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup"):
            with self.subTest(flag=flag):
                self.assertEqual(self.links(flag, "host")[name], host[name])
        process = self.spawn("run", "--rm", "-i", "--name", "other", "base", "sh", "-c", "cd /proc/self/ns; for n in pid net ipc; do readlink $n; done; hostname; read x",
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        other = [process.stdout.readline().strip() for _ in range(4)]
        for _ in range(100):
            if self.scow("inspect", "-f", "{{.State.Running}}", "other").stdout == "true\n":
                break
            time.sleep(0.05)
        for flag, name, link in ("--pid", "pid", other[0]), ("--network", "net", other[1]), ("--ipc", "ipc", other[2]):
            with self.subTest(flag=flag):
                self.assertEqual(self.links(flag, "container:other")[name], link)
        # Who shares the network has the other's names.
        self.assertEqual(self.run_ok("--network", "container:other", "base", "cat", "/etc/hostname").strip(), other[3])
        self.run_fails(125, "hostname", "--network", "container:other", "-h", "mine", "base", "true")
        process.stdin.close()
        process.wait(10)
        self.run_fails(125, "other", "--pid", "container:other", "base", "true")

    def test_network_none(self):
        self.assertEqual(self.run_ok("--network", "none", "base", "ls", "/sys/class/net") if ROOT else "lo\n", "lo\n")
        self.assertRegex(self.run_ok("--network", "none", "base", "ip", "addr", "show", "lo"), r"(?s)LOOPBACK,UP.*inet 127\.0\.0\.1/8")
        self.assertEqual(self.run_ok("--network", "none", "base", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n")
        if ROOT:
            self.assertEqual(self.run_ok("--network", "none", "base", "cat", "/proc/sys/net/ipv4/ping_group_range").split(), ["0", "2147483647"])
        self.assertIn("127.0.0.1\tlocalhost\n", self.run_ok("--network", "none", "base", "cat", "/etc/hosts"))

    def test_capabilities(self):
        for flags, mask in [([], 0xa80425fb), (["--cap-drop", "ALL"], 0), (["--cap-drop", "ALL", "--cap-add", "chown"], 1),
                            (["--cap-add", "CAP_CHOWN", "--cap-drop", "all"], 1), (["--cap-drop", "CHOWN"], 0xa80425fa),
                            (["--cap-add", "SYS_ADMIN"], 0xa80425fb | 1 << 21)]:
            with self.subTest(flags=flags):
                out = self.run_ok(*flags, "base", "grep", "-E", "Cap(Prm|Eff|Bnd)", "/proc/self/status")
                self.assertEqual({int(line.split()[1], 16) for line in out.splitlines()}, {mask})
        if ROOT:
            out = self.run_ok("-u", "user", "--cap-add", "SYS_ADMIN", "base", "grep", "Cap", "/proc/self/status")
            sets = {line.split()[0]: int(line.split()[1], 16) for line in out.splitlines()}
            self.assertEqual((sets["CapEff:"], sets["CapPrm:"], sets["CapAmb:"], sets["CapInh:"]), (0, 0, 0, 0))
            self.assertEqual(sets["CapBnd:"], 0xa80425fb | 1 << 21)
        self.run_fails(125, "NOSUCH", "--cap-add", "NOSUCH", "base", "true")

    @unittest.skipUnless(ROOT, "a set-user-id program of root's")
    def test_no_new_privileges(self):
        self.scow("create", "--name", "nnp", "--security-opt", "no-new-privileges", "base", "grep", "NoNewPrivs", "/proc/self/status")
        self.assertEqual(self.scow("start", "-a", "nnp").stdout.split(), ["NoNewPrivs:", "1"])
        self.scow("rm", "nnp")
        for flags, ids in ([], "1000 0\n"), (["--security-opt", "no-new-privileges"], "1000 1000\n"):
            out = self.run_ok(*flags, *self.with_probe(), "base", "sh", "-c", "cp /probe /tmp/p; chmod 4755 /tmp/p; su user -c '/tmp/p ids'")
            self.assertEqual(out, ids)

    @unittest.skipUnless(ROOT, "devices and limits need root")
    def test_privileged_and_devices(self):
        out = self.run_ok("--privileged", "base", "sh", "-c", "grep -E 'CapEff|Seccomp:' /proc/self/status; grep -c ' /proc/keys ' /proc/mounts; ls /dev | wc -l")
        caps, seccomp, masked, devices = [line.split()[-1] for line in out.splitlines()]
        bounding = re.search(r"CapBnd:\s+(\w+)", pathlib.Path("/proc/self/status").read_text()).group(1)
        self.assertEqual((caps, seccomp, masked), (bounding, "0", "0"))
        self.assertGreater(int(devices), 13)
        device = next((path for path in ("/dev/loop-control", "/dev/fuse", "/dev/ppp") if os.path.exists(path)), None)
        if device:
            script = "exec 3</dev/mine && echo read; echo x >/dev/mine"
            done = self.scow("run", "--rm", "--device", f"{device}:/dev/mine:r", "base", "sh", "-c", script)
            self.assertEqual(done.stdout, "read\n", done)
            self.assertNotEqual(done.returncode, 0)

    def test_sysctls(self):
        self.assertEqual(self.run_ok("--sysctl", "net.ipv4.ip_forward=1", "base", "cat", "/proc/sys/net/ipv4/ip_forward"), "1\n")
        self.run_fails(125, "kernel.panic", "--sysctl", "kernel.panic=1", "base", "true")
        self.run_fails(125, "net.ipv4.ip_forward", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "base", "true")

    def test_names(self):
        for name in "ok", "a.b_c-d9":
            self.assertEqual(self.scow("create", "--name", name, "base").returncode, 0)
            self.assertEqual(self.scow("rm", name).returncode, 0)
        for name in "a", "-a", "a/b", "ä", "a b", ".", "_x":
            done = self.scow("create", "--name", name, "base")
            self.assertNotEqual(done.returncode, 0, (name, done))
        ids = [self.scow("create", "base").stdout.strip() for _ in range(17)]
        shared = next(prefix for prefix in "0123456789abcdef" if sum(name.startswith(prefix) for name in ids) > 1)
        done = self.scow("inspect", "--type", "container", shared)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.scow("inspect", "-f", "{{.Id}}", ids[0][:20]).stdout.strip(), ids[0])
        self.assertEqual(self.scow("rm", *ids).returncode, 0)

    def test_what_is_not_there_is_refused(self):
        """Nothing that was asked for is dropped without a word."""
        for flags in [["--userns", "keep-id"]] if ROOT else [["--userns", "host"]]:
            self.run_fails(125, "plain user's container", *flags, "base", "true")
        for flags in ["--gpus", "all"], ["--security-opt", "apparmor=x"], ["--runtime", "runsc"], ["--storage-opt", "size=1g"], ["--isolation", "hyperv"]:
            with self.subTest(flags=flags):
                done = self.scow("run", "--rm", *flags, "base", "true")
                self.assertEqual((done.returncode, done.stdout), (125, ""), done)
                self.assertTrue(done.stderr, done)


if __name__ == "__main__":
    unittest.main()
