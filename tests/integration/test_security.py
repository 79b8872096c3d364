#!/usr/bin/env python3
"""Attacks that worked on container engines once, tried on this one through the scow command. None may work."""
import ctypes
import hashlib
import os
import pathlib
import re
import resource
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


def setUpModule():
    cli.Cli.WORK = cli.make_work("security-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


class Inside(cli.Cli):
    """What a hostile program, or a hostile image, finds."""

    def test_helper_cannot_be_overwritten(self):
        """CVE-2019-5736: through /proc/PID/exe of whatever the engine executes in the container."""
        files = [pathlib.Path(cli.SCOW), *pathlib.Path(cli.SCOW).parents[2].glob("lib/libscow.so.0")]
        before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        out = self.scow("run", "--rm", "--init", "--cap-add", "ALL", "base", "sh", "-c",
                        "echo evil >/proc/1/exe; cp /bin/busybox /proc/1/exe; dd if=/bin/busybox of=/proc/1/exe conv=notrunc; echo done")
        self.assertEqual(out.stdout, "done\n", out)
        self.assertGreaterEqual(len(re.findall("/proc/1/exe", out.stderr)), 3, out.stderr)
        # The engine's own program, run again as the container's: by name, and as an interpreter that waits for it to end.
        self.make_image("reexec", [(entry("evil", mode=0o755), b"#!/proc/self/exe\n"), (entry("loop", tarfile.SYMTYPE, linkname="/proc/self/exe"), b"")])
        for program in "/proc/self/exe", "/evil", "/loop":
            done = self.scow("run", "--rm", "reexec", program)
            self.assertNotEqual(done.returncode, 0, done)
        self.assertEqual([hashlib.sha256(path.read_bytes()).hexdigest() for path in files], before)

    def test_copies_load_nothing_of_the_container(self):
        """CVE-2019-14271: who copies looks up names with the container's own libraries, and so runs them on the host."""
        canary, here = pathlib.Path(self.WORK, "loaded"), pathlib.Path(tempfile.mkdtemp(prefix="copies.", dir=self.WORK))
        source = here / "evil.c"
        source.write_text('#include <fcntl.h>\n__attribute__((constructor)) static void run(void) { open("%s", O_CREAT | O_WRONLY, 0600); }\n' % canary)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", here / "evil.so", source], check=True)
        evil = (here / "evil.so").read_bytes()
        names = ["libnss_files.so.2", "libnss_compat.so.2", "libnss_systemd.so.2", "libc.so.6", "libgcc_s.so.1", "libselinux.so.1"]
        places = "lib", "lib64", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"
        self.make_image("libraries", [(entry(f"{place}/{name}", mode=0o755), evil) for name in names for place in places] +
                        [("etc/nsswitch.conf", b"passwd: files systemd\ngroup: files compat\nhosts: files\n"), ("etc/ld.so.preload", b"/lib/libc.so.6\n"),
                         ("etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:7:7::/:/bin/sh\n")])
        self.addCleanup(self.scow, "rm", "-f", "-v", "still")
        self.assertEqual(self.scow("create", "--name", "still", "-v", "/data", "-u", "user", "libraries", "sleep", "100").returncode, 0)
        for running in False, True:
            if running:
                self.assertEqual(self.scow("start", "still").returncode, 0)
                self.assertEqual(self.scow("exec", "-u", "user", "still", "true").returncode, 0)
            for command in (["cp", "-a", source, "still:/data/"], ["cp", "-a", "still:/etc", here / "out"], ["diff", "still"],
                            ["export", "-o", here / "all.tar", "still"], ["commit", "still", "made"]):
                done = self.scow(*command)
                self.assertEqual(done.returncode, 0, done)
        self.assertFalse(canary.exists())

    def test_working_directory_by_descriptor(self):
        """CVE-2024-21626: a descriptor of the host as the working directory."""
        leak = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, leak)
        inside = sorted(self.run_ok("base", "ls", "/").split())
        for number in range(3, 21):
            os.dup2(leak, 100 + number)
            os.set_inheritable(100 + number, True)
            self.addCleanup(os.close, 100 + number)
        self.make_image("workdir", WorkingDir="/proc/self/fd/7")
        tries = [["-w", f"/proc/self/fd/{number}", "base"] for number in range(3, 21)]
        tries += [["-w", path, "base"] for path in ("/proc/self/fd/107", "/proc/1/fd/4", "/proc/thread-self/fd/5", "/dev/fd/6", "/proc/1/root")]
        for flags in [*tries, ["workdir"]]:
            with self.subTest(flags=flags):
                done = self.scow("run", "--rm", *flags, "sh", "-c", "ls . ..", pass_fds=range(103, 121))
                if done.returncode == 0:  # only the container's own root may be seen
                    self.assertLessEqual(set(done.stdout.split()), {".:", "..:", *inside}, done)
        self.assertEqual(self.run_ok("base", "sh", "-c", "cd /proc/self/fd; for i in *; do test -e $i && echo $i; done; true",
                                     pass_fds=range(103, 121)).split(), ["0", "1", "2"])

    def test_no_inheritable_capabilities(self):
        """CVE-2022-24769, CVE-2022-29162."""
        for flags in [], ["--cap-add", "ALL"], ["--privileged"], ["--init"]:
            for user in ["0", "user", "4321:29"] if ROOT else ["0"]:
                with self.subTest(flags=flags, user=user):
                    out = self.run_ok(*flags, "-u", user, "base", "grep", "-E", "Cap(Inh|Amb|Eff)", "/proc/self/status")
                    sets = dict(line.split() for line in out.splitlines())
                    self.assertEqual((int(sets["CapInh:"], 16), int(sets["CapAmb:"], 16)), (0, 0))
                    self.assertEqual(int(sets["CapEff:"], 16) == 0, user != "0", sets)

    def test_exec(self):
        """The same by a second program: nothing of the host comes along, and it holds no more than the first."""
        leak = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, leak)
        os.set_inheritable(leak, True)
        process = self.spawn("run", "--rm", "-i", "--name", "first", *self.with_probe(), "base", "sh", "-c", "echo up; read x", stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), "up\n")
        deadline = time.monotonic() + 10
        while self.scow("inspect", "-f", "{{.State.Running}}", "first").stdout != "true\n":
            self.assertLess(time.monotonic(), deadline)
        inside = sorted(self.scow("exec", "first", "ls", "/").stdout.split())
        for number in range(3, 21):
            done = self.scow("exec", "-w", f"/proc/self/fd/{number}", "first", "ls", ".", "..", pass_fds=[leak])
            if done.returncode == 0:
                self.assertLessEqual(set(done.stdout.split()), {".:", "..:", *inside}, done)
        done = self.scow("exec", "first", "sh", "-c", "cd /proc/self/fd; for i in *; do test -e $i && echo $i; done; true", pass_fds=[leak])
        self.assertEqual((done.stdout.split(), done.stderr), (["0", "1", "2"], ""))
        masks = [self.scow("exec", "first", "grep", "-E", "Cap|NoNew|Seccomp:", f"/proc/{pid}/status").stdout for pid in ("1", "self")]
        self.assertEqual(*masks)
        self.assertIn("CapInh:\t0000000000000000", masks[0])
        out = dict(line.split() for line in self.scow("exec", "first", "/probe", "calls").stdout.splitlines())
        self.assertEqual((out.pop("clone3"), out.pop("unknown"), set(out.values())), ("ENOSYS", "ENOSYS", {"EPERM"}))
        for program in "/proc/self/exe", "/proc/1/exe":
            done = self.scow("exec", "first", "sh", "-c", f"echo x >{program}")
            self.assertNotEqual(done.returncode, 0, done)
        self.assertNotEqual(self.scow("exec", "first", "/proc/self/exe").returncode, 0)
        process.stdin.close()
        self.assertEqual(process.wait(10), 1)

    def test_keyring_is_new(self):
        out = self.run_ok(*self.with_probe(), "--security-opt", "seccomp=unconfined", "base", "/probe", "keyring")
        mine = ctypes.CDLL(None, use_errno=True).syscall(250, 0, -3, 0)  # KEYCTL_GET_KEYRING_ID of the session
        self.assertGreater(int(out), 0)
        self.assertNotEqual(int(out), mine)
        self.assertNotEqual(out, self.run_ok(*self.with_probe(), "--security-opt", "seccomp=unconfined", "base", "/probe", "keyring"))
        self.assertEqual(self.run_ok("base", "cat", "/proc/keys"), "")

    def test_system_calls_of_the_default_profile(self):
        out = dict(line.split() for line in self.run_ok(*self.with_probe(), "base", "/probe", "calls").splitlines())
        self.assertEqual((out.pop("clone3"), out.pop("unknown")), ("ENOSYS", "ENOSYS"))  # what makes glibc fall back
        self.assertEqual(set(out.values()), {"EPERM"}, out)

    def test_masked_and_read_only_paths(self):
        masked = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
                  "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"]
        script = "for p; do if test -d $p; then echo $p $(ls -A $p | wc -l) $(touch $p/x 2>/dev/null && echo written); " \
                 "elif test -e $p; then echo $p $(head -c 100 $p | wc -c); fi; done"
        out = self.run_ok("base", "sh", "-c", script, "sh", *masked)
        seen = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
        self.assertEqual({path: what for path, what in seen.items() if what != ["0"]}, {})
        self.assertGreaterEqual(set(seen), {path for path in masked if os.path.exists(path)} if ROOT else {"/proc/keys"})
        paths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        mounts = [line.split() for line in self.run_ok("base", "cat", "/proc/mounts").splitlines()]
        read_only = {fields[1] for fields in mounts if "ro" in fields[3].split(",")}
        self.assertLessEqual({path for path in paths if os.path.exists(path)}, read_only)
        self.assertLessEqual({"/sys"}, read_only)
        self.assertNotEqual(self.scow("run", "--rm", "base", "sh", "-c", "echo 1 >/proc/sys/kernel/core_uses_pid").returncode, 0)
        unmasked = self.run_ok("--security-opt", "systempaths=unconfined", "base", "cat", "/proc/mounts")
        self.assertNotIn(" /proc/keys ", unmasked)
        self.assertNotIn(" /proc/sys ", unmasked)

    def test_null_device_is_not_theirs(self):
        """CVE-2025-31133, CVE-2025-52565: /dev/null or /dev/console is a link when something is masked with it or mounted on it."""
        secret = pathlib.Path(self.WORK, "secret")
        secret.write_text("secret\n")
        for kind in "file", "link", "link out":
            dev = pathlib.Path(tempfile.mkdtemp(prefix="dev.", dir=self.WORK))
            (dev / "pts").mkdir()
            for name in "null", "console", "ptmx", "tty", "pts/0":
                if kind == "file":
                    (dev / name).write_text("forged\n")
                else:
                    (dev / name).symlink_to("/etc/issue" if kind == "link" else os.path.relpath(secret, "/dev"))
            for flags in ["-v", f"{dev}:/dev"], ["--mount", f"type=bind,source={dev},target=/dev,readonly"]:
                with self.subTest(kind=kind, flags=flags):
                    done = self.scow("run", "--rm", *flags, "base", "sh", "-c", "cat /proc/keys /proc/timer_list /proc/kcore; cat /etc/issue")
                    if done.returncode == 0:
                        self.assertEqual(done.stdout, "a base image of busybox\n", done)
        self.make_image("dev-is-a-link", [(entry("dev", tarfile.SYMTYPE, linkname="/proc/self"), b"")])
        done = self.scow("run", "--rm", "dev-is-a-link", "sh", "-c", "cat /proc/keys")
        self.assertEqual(done.stdout, "", done)
        self.assertEqual(secret.read_text(), "secret\n")

    def test_links_of_the_image(self):
        """Where the engine writes files, mounts and makes directories, an image may have put links that lead out."""
        canary = pathlib.Path(tempfile.mkdtemp(prefix="canary.", dir=self.WORK))
        out = os.path.relpath(canary, "/")
        up = "../" * 12 + out
        names = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "work", "mnt", "run", "tmp/x"]
        self.make_image("links", [(entry(name, tarfile.SYMTYPE, linkname=f"{up}/{name.replace('/', '-')}"), b"") for name in names])
        done = self.scow("run", "--rm", "-w", "/work/below", "-v", f"{self.WORK}/base.tar:/mnt/base.tar", "--tmpfs", "/run/deep", "links",
                         "sh", "-c", "echo x >/work/x; echo x >/etc/hosts; echo x >/tmp/x/y; true")
        self.assertEqual(os.listdir(canary), [], done)
        for name in "proc", "sys", "proc/sys", "dev", "etc":
            self.make_image("one-link", [(entry(name, tarfile.SYMTYPE, linkname=up), b"")])
            done = self.scow("run", "--rm", "--sysctl", "net.ipv4.ip_forward=1", "one-link", "true")
            self.assertEqual(os.listdir(canary), [], (name, done))
        # Nothing but a proc may be where the engine looks for one (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
        for target in "/proc", "/proc/sys", "/proc/self/attr", "/proc/./sys/kernel", "//proc":
            with self.subTest(target=target):
                self.run_fails(125, "proc", "-v", f"{canary}:{target}", "base", "true")
                self.run_fails(125, "proc", "--tmpfs", target, "base", "true")

    def test_users_of_the_image(self):
        """passwd and group files that are none."""
        for name, files in {
            "fifo": [(entry("etc/passwd", tarfile.FIFOTYPE), b"")],
            "directory": [(entry("etc/passwd", tarfile.DIRTYPE), b"")],
            "link to proc": [(entry("etc/passwd", tarfile.SYMTYPE, linkname="/proc/self/fd/3"), b"")],
            "link to itself": [(entry("etc/passwd", tarfile.SYMTYPE, linkname="passwd"), b"")],
            "long line": [("etc/passwd", b"user:" * 200000)],
            "odd numbers": [("etc/passwd", b"user:x:-1:0:::\nuser:x:4294967295:0:::\nuser:x:99999999999:0:::\nuser:x:0x0:0:::\nuser:x: 0:0:::\n")],
        }.items():
            with self.subTest(passwd=name):
                self.make_image("passwd", files)
                self.assertEqual(self.scow("run", "--rm", "-u", "user", "passwd", "true").returncode, 125)
                self.scow("run", "--rm", "-u", "0", "passwd", "true")  # ends, whatever it says

    def test_hostile_config(self):
        """What an image says of itself is data: no format, no line of ours, no command to a terminal."""
        nasty = "a\033[31m%s%n\nb\r\x07"
        self.make_image("nasty", User="0", Env=["EVIL=" + nasty, "=x", "NOVALUE"], Labels={nasty: nasty}, WorkingDir="/tmp/\033[2J%n",
                        Cmd=["printf", "%s", nasty], Volumes={"/../../../etc": {}, nasty: {}}, ExposedPorts={nasty: {}}, Entrypoint=[])
        done = self.scow("run", "--rm", "nasty")
        self.assertEqual((done.returncode, done.stdout), (0, nasty.replace("\r", "\n")), done)
        for args in ["images"], ["images", "--format", "json"], ["inspect", "nasty"], ["history", "nasty"]:
            done = self.scow(*args)
            self.assertEqual(done.returncode, 0, done)
            self.assertNotIn("\033", done.stdout, args)
        # A volume of its own, on its own /etc, with what the image has there.
        self.assertEqual(self.run_ok("nasty", "ls", "/etc"), self.run_ok("base", "ls", "/etc"))
        for field, value in ("User", nasty), ("User", "0:" + nasty), ("User", "x" * 5000), ("Cmd", [nasty]), ("Entrypoint", ["/" + nasty]):
            with self.subTest(field=field):
                self.make_image("nasty2", **{field: value})
                done = self.scow("run", "--rm", "nasty2")
                self.assertIn(done.returncode, (125, 126, 127), done)
                self.assertFalse(re.search(r"[\0-\x08\x0b-\x1f]", done.stderr), done.stderr)
                self.assertEqual(done.stderr.count("\n"), len(done.stderr.splitlines()))
        for name in "\033[31mred", "a\nb", "../x", "x" * 300:
            done = self.scow("create", "--name", name, "base")
            self.assertNotEqual(done.returncode, 0, done)
            self.assertNotIn("\033", done.stderr)

    @unittest.skipUnless(ROOT, "device nodes and limits need root")
    def test_devices_are_denied(self):
        """A node of the host's disk in an image, or made by the program, opens for nobody."""
        disk = next((os.stat(f"/dev/{name}").st_rdev for name in os.listdir("/sys/block") if os.path.exists(f"/dev/{name}")), os.makedev(8, 0))
        node = entry("disk", tarfile.BLKTYPE, devmajor=os.major(disk), devminor=os.minor(disk), mode=0o666)
        kmem = entry("kmem", tarfile.CHRTYPE, devmajor=1, devminor=2, mode=0o666)
        self.make_image("disk", [(node, b""), (kmem, b"")])
        for script in "dd if=/disk count=1", "cat /kmem", f"mknod /x b {os.major(disk)} {os.minor(disk)} && dd if=/x count=1":
            done = self.scow("run", "--rm", "disk", "sh", "-c", script)
            self.assertNotEqual(done.returncode, 0, done)
            self.assertIn("not permitted", done.stderr)

    @unittest.skipUnless(ROOT, "the limit needs root")
    def test_fork_bomb(self):
        """It can neither outrun a kill nor hold up a removal."""
        for verb in ["kill"], ["rm", "-f"], ["stop", "-t", "0"]:
            with self.subTest(verb=verb):
                process = self.spawn("run", "--rm", "--name", "bomb", "--pids-limit", "300", *self.with_probe(), "base",
                                     "/probe", "bomb", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                self.assertEqual(process.stdout.readline(), "ready\n")
                time.sleep(0.5)
                start = time.monotonic()
                done = self.scow(*verb, "bomb")
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual(process.wait(20), 137)
                self.assertLess(time.monotonic() - start, 15)
        self.assertEqual(self.scow("ps", "-aq").stdout, "")

    @unittest.skipUnless(ROOT, "two containers that write to one directory")
    def test_mount_targets_raced(self):
        """CVE-2021-30465: one container swaps a link into the path at which another's mount is being made."""
        shared, canary, payload = (pathlib.Path(tempfile.mkdtemp(prefix=name, dir=self.WORK)) for name in ("shared.", "canary.", "payload."))
        (shared / "real").mkdir()
        (shared / "link").symlink_to("../" * 12 + str(canary)[1:])
        (payload / "mark").write_text("payload\n")
        swapper = self.spawn("run", "--rm", *self.with_probe(), "-v", f"{shared}:/shared", "base", "/probe", "swap", "/shared/real", "/shared/link", "9",
                             stdout=subprocess.PIPE)
        rounds, deadline = 0, time.monotonic() + 8
        while time.monotonic() < deadline:
            done = self.scow("run", "--rm", "-v", f"{shared}:/shared", "-v", f"{payload}:/shared/real/deep/in", "--tmpfs", f"/shared/real/t{rounds}", "base",
                             "sh", "-c", "cat /proc/self/mountinfo; find / -xdev -name mark 2>/dev/null | head -3; true")
            rounds += 1
            self.assertIn(done.returncode, (0, 125), done)
            points = [line.split()[4] for line in done.stdout.splitlines() if " - " in line]
            self.assertFalse([point for point in points if str(canary) in point and not point.startswith("/")], done)
            self.assertEqual(os.listdir(canary), [])
        self.assertGreater(rounds, 3)
        self.assertGreater(int(swapper.communicate()[0]), 1000)
        mounted = pathlib.Path("/proc/self/mountinfo").read_text()
        self.assertNotIn(str(canary), mounted)
        self.assertNotIn(str(shared), mounted)


class Archives(cli.Cli):
    """Hostile tars through `scow load`: refused with the entry's name, and nothing is kept."""

    def load(self, data):
        path = pathlib.Path(self.WORK, "hostile.tar")
        path.write_bytes(data)
        try:
            return self.scow("load", "-q", "-i", path)
        finally:
            path.unlink()

    def kept(self):
        return sorted(os.listdir(f"{self.root}/layers")), sorted(os.listdir(f"{self.root}/blobs/sha256")), os.listdir(f"{self.root}/tmp"), self.scow("images", "-aq").stdout

    def test_layers(self):
        canary = pathlib.Path(tempfile.mkdtemp(prefix="canary.", dir=self.WORK))
        target = canary / "target"
        target.write_text("mine\n")
        before, up = self.kept(), "../" * 12
        for name, files in {
            "dot-dot": [("../../../evil", b"x")],
            "dot-dot inside": [("a/../../../../evil", b"x")],
            "hard link out": [(entry("evil", tarfile.LNKTYPE, linkname=f"{up}{str(target)[1:]}"), b"")],
            "hard link to a link out": [(entry("l", tarfile.SYMTYPE, linkname=str(target)), b""), (entry("evil", tarfile.LNKTYPE, linkname="l/x"), b"")],
            "whiteout of dot-dot": [("a/.wh...", b"")],
            "long name": [("x" * 5000, b"x")],
            "huge": [(entry("evil", size=1 << 62, pax_headers={"GNU.sparse.major": "1"}), b"")],
        }.items():
            with self.subTest(name=name):
                done = self.load(cli.docker_archive([cli.tar_of(files)], {"Cmd": ["sh"]}, "evil:1"))
                self.assertEqual((done.returncode, done.stdout), (1, ""), done)
                self.assertTrue(done.stderr.startswith("scow: "), done.stderr)
                self.assertEqual(self.kept(), before)
        # Absolute names and links are the root's own, as tar's; what is written through them stays inside.
        for name, files in {
            "absolute": [(f"{target}", b"x")],
            "through an absolute link": [(entry("l", tarfile.SYMTYPE, linkname=str(canary)), b""), ("l/evil", b"x")],
            "through a link up": [(entry("l", tarfile.SYMTYPE, linkname=f"{up}{str(canary)[1:]}"), b""), ("l/evil", b"x")],
            "over a link": [(entry("l", tarfile.SYMTYPE, linkname=str(target)), b""), ("l", b"x")],
        }.items():
            with self.subTest(name=name):
                self.load(cli.docker_archive([cli.tar_of(files)], {"Cmd": ["sh"]}, "evil:1"))
                self.assertEqual((os.listdir(canary), target.read_text()), (["target"], "mine\n"))
                self.scow("rmi", "evil:1")
                self.assertEqual(self.kept(), before)

    def test_in_two_layers(self):
        """A link in one layer and a file through it in the next."""
        canary = pathlib.Path(tempfile.mkdtemp(prefix="canary.", dir=self.WORK))
        self.make_image("two", [(entry("l", tarfile.SYMTYPE, linkname=str(canary)), b"")], [("l/evil", b"x")])
        self.assertEqual(os.listdir(canary), [])
        self.assertEqual(self.run_ok("two", "cat", "/l/evil"), "x")
        self.scow("rmi", "two")

    @unittest.skipUnless(ROOT, "needs root to mount a small file system")
    def test_full_disk(self):
        small = pathlib.Path(self.WORK, "small")
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "scow-test-small", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        env = {**self.env, "SCOW_ROOT": str(small / "root")}
        bomb = pathlib.Path(self.WORK, "bomb.tar")
        bomb.write_bytes(cli.oci_archive([cli.zeros(256 << 20)], "bomb:1"))
        self.assertLess(bomb.stat().st_size, 1 << 20)
        done = self.scow("load", "-q", "-i", bomb, env=env)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("No space left on device", done.stderr)
        for name in "layers", "tmp", "blobs/sha256":
            self.assertEqual(os.listdir(small / "root" / name), [])
        self.assertEqual(self.scow("images", "-q", env=env).stdout, "")
        done = self.scow("load", "-q", "-i", f"{self.WORK}/base.tar", env=env)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)

        # The program fills the disk: it is told so, everything of it can be removed, and the next one works.
        done = self.scow("run", "--name", "filler", "base", "sh", "-c", "dd if=/dev/zero of=/fill bs=64k; echo still here", env=env)
        self.assertEqual((done.returncode, done.stdout), (0, "still here\n"), done)
        self.assertIn("No space left on device", done.stderr)
        done = self.scow("run", "--rm", "base", "true", env=env)
        self.assertIn(done.returncode, (0, 125))
        done = self.scow("create", "--name", "x", "base", "true", env=env)
        if done.returncode:
            self.assertIn("scow: ", done.stderr)
        done = self.scow("rm", "filler", env=env)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertEqual(self.scow("run", "--rm", "base", "echo", "again", env=env).stdout, "again\n")

        # Full by others: even then nothing is left half-made.
        with open(small / "ballast", "wb") as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 16))
                    ballast.flush()
            except OSError:
                pass
        listed = self.scow("ps", "-aq", env=env).stdout
        done = self.scow("run", "--rm", "base", "true", env=env)
        self.assertIn(done.returncode, (0, 125), done)
        if done.returncode:
            self.assertRegex(done.stderr, "No space left|full")
        os.unlink(small / "ballast")
        self.assertEqual(self.scow("ps", "-aq", env=env).stdout, listed)
        self.assertEqual(os.listdir(small / "root/tmp"), [])
        self.assertEqual(self.scow("run", "--rm", "base", "echo", "again", env=env).stdout, "again\n")


class Host(cli.Cli):
    """The other users of the machine, and a caller that is short of everything."""

    def test_state_directory(self):
        for path in pathlib.Path(self.root).rglob("*"):
            if path.is_dir() and len(path.relative_to(self.root).parts) == 1:
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        for path in self.root, *pathlib.Path(self.root).glob("state.db*"):
            self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)

    def test_root_of_somebody_else(self):
        foreign = pathlib.Path(self.WORK, "foreign")
        foreign.mkdir()
        env = {**self.env, "SCOW_ROOT": str(foreign)}
        os.chmod(foreign, 0o777)
        done = self.scow("images", env=env)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"others may write to the root '{foreign}'", done.stderr)
        os.chmod(foreign, 0o755)
        if ROOT:
            os.chown(foreign, 1234, 1234)
            done = self.scow("images", env=env)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"the root '{foreign}' belongs to user 1234, not to user 0", done.stderr)
        self.assertEqual(os.listdir(foreign), [])
        link = pathlib.Path(self.WORK, "parts")
        link.mkdir(mode=0o700)
        (link / "layers").symlink_to(foreign)
        self.assertNotEqual(self.scow("images", env={**self.env, "SCOW_ROOT": str(link)}).returncode, 0)
        self.assertEqual(os.listdir(foreign), [])

    def test_closed_streams(self):
        """Started without descriptors 0, 1 and 2: what the engine opens must not take their places in the container."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.WORK))
        for closed in (0,), (1,), (2,), (0, 1, 2):
            def close():
                for fd in closed:
                    os.close(fd)
            self.scow("run", "--rm", "-i", "-v", f"{place}:/out", "base", "sh", "-c", "for n in 0 1 2; do readlink /proc/$$/fd/$n; done >/out/streams",
                      preexec_fn=close)
            for line in (place / "streams").read_text().splitlines():
                self.assertRegex(line, r"^(/dev/null|pipe:\[\d+\]|/out/streams)$", closed)
            (place / "streams").unlink()

    def test_few_descriptors(self):
        def limit(n):
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
        self.assertEqual(self.run_ok("base", "echo", "fine", preexec_fn=limit(64)), "fine\n")
        worked = []
        for n in range(6, 64, 6):
            done = self.scow("run", "--rm", "base", "echo", "fine", preexec_fn=limit(n))
            if done.returncode == 0:
                worked.append(n)
                self.assertEqual(done.stdout, "fine\n")
            else:
                self.assertIn(done.returncode, (125, 127) if n < 8 else (125,), (n, done))
        self.assertTrue(worked)
        self.assertEqual(self.scow("ps", "-aq").stdout, "")

    def test_many_at_once(self):
        """A hundred containers at one moment, each of a command of its own, and as many that ask."""
        processes = [self.spawn("run", "--rm", "-i", "--name", f"n{n}", "base", "sh", "-c", "echo up; read x; exit 7", stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(100)]
        for process in processes:
            self.assertEqual(process.stdout.readline(), "up\n", process.poll())
        deadline = time.monotonic() + 20
        while len(self.scow("ps", "-q").stdout.split()) < 100:
            self.assertLess(time.monotonic(), deadline)
        for process in processes:
            process.stdin.write("\n")
            process.stdin.close()
        codes = [process.wait(60) for process in processes]
        errors = [process.stderr.read() for process in processes]
        for process in processes:
            process.stderr.close()
        self.assertEqual((set(codes), set(errors)), ({7}, {""}))
        self.assertEqual(self.scow("ps", "-aq").stdout, "")

    def test_caller_is_killed_while_starting(self):
        for delay in 0, 5, 10, 20, 40, 80, 160:
            process = self.spawn("run", "--rm", "base", "sleep", "60", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay / 1000)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.assertEqual(self.scow("ps", "-aq").stdout, "")


if __name__ == "__main__":
    unittest.main()
