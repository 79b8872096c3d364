"""A plain user of a test's own, with an outside world to reach: a second network namespace, of which he sees one address."""
import contextlib
import ctypes
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import netns  # noqa: F401
import snapshot

TOP = pathlib.Path(__file__).resolve().parents[2]
SCOW = pathlib.Path(os.environ.get("SCOW", TOP / "build/examples/scow/scow"))
BUILD = pathlib.Path(os.environ.get("SCOW_BUILD_DIR", SCOW.parents[2]))
OUTSIDE, INSIDE = "198.51.100.1", "198.51.100.2"
CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x20000


def run(*command):
    subprocess.run([str(part) for part in command], check=True)


def eventually(check, seconds=10):
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@unittest.skipIf(os.geteuid() != 0, "needs root to make a user and an outside world")
@unittest.skipIf(os.environ.get("SCOW_TEST_NETNS") == "host", "needs a network namespace of its own")
class PlainUser(unittest.TestCase):
    NAME = "scowtest4"
    LEFT = ("pasta", "slirp4netns", "scow-tether", "scow-networks", "scow-names", "scow-usernet")  # to be gone after each test

    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="scow-user.")
        os.chmod(cls.work, 0o755)
        # The tun device is root's on some machines: here it is everybody's, in a mount namespace of our own.
        if not os.path.exists("/dev/net/tun") or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) < 0:
            raise unittest.SkipTest("no /dev/net/tun, or no mount namespace")
        run("mount", "--make-rprivate", "/")
        os.mkdir(f"{cls.work}/dev")
        run("mount", "-t", "tmpfs", "dev", f"{cls.work}/dev")
        run("mknod", f"{cls.work}/dev/tun", "c", "10", "200")
        os.chmod(f"{cls.work}/dev/tun", 0o666)
        run("mount", "--bind", f"{cls.work}/dev/tun", "/dev/net/tun")
        cls.make_outside()
        cls.make_user()

    @classmethod
    def make_outside(cls):
        cls.outside = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        own = os.readlink("/proc/self/ns/net")
        assert eventually(lambda: os.readlink(f"/proc/{cls.outside.pid}/ns/net") != own)
        run("ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1")
        run("ip", "link", "set", "out1", "netns", cls.outside.pid)
        run("ip", "addr", "add", f"{INSIDE}/24", "dev", "out0")
        run("ip", "link", "set", "out0", "up")
        run("ip", "route", "add", "default", "via", OUTSIDE)
        enter = ("nsenter", "-t", cls.outside.pid, "-n")
        run(*enter, "ip", "addr", "add", f"{OUTSIDE}/24", "dev", "out1")
        run(*enter, "ip", "link", "set", "out1", "up")

    @classmethod
    def make_user(cls):
        subprocess.run(["userdel", "-f", cls.NAME], capture_output=True)
        run("useradd", "--create-home", "--home-dir", f"{cls.work}/home", "--shell", "/bin/sh", cls.NAME)
        cls.user = pwd.getpwnam(cls.NAME)
        for name in ("examples/scow/scow", "lib/libscow.so.0"):
            to = pathlib.Path(cls.work, "build", name)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(BUILD / name, to)
        run(TOP / "tests/support/make-base-image.sh", f"{cls.work}/base.tar", "base:latest")
        os.chmod(f"{cls.work}/base.tar", 0o644)
        done = cls.scow("load", "-q", "-i", f"{cls.work}/base.tar")
        assert done.returncode == 0, done
        cls.before = snapshot.Snapshot(f"{cls.work}/home/.local/share/scow")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.before.check()
        finally:
            cls.outside.kill()
            cls.outside.wait()
            subprocess.run(["ip", "link", "del", "out0"], capture_output=True)
            run("umount", "-l", "/dev/net/tun")
            run("umount", "-l", f"{cls.work}/dev")
            subprocess.run(["userdel", "-f", cls.NAME], capture_output=True)
            shutil.rmtree(cls.work, ignore_errors=True)

    def tearDown(self):
        for name in self.scow("ps", "-aq").stdout.split():
            self.scow("rm", "-f", name)
        for name in self.scow("network", "ls", "-q", "-f", "type=custom").stdout.split():
            self.scow("network", "rm", name)
        self.assertTrue(eventually(lambda: not any(map(self.processes, self.LEFT))), [self.processes(word) for word in self.LEFT])

    @classmethod
    def start(cls, *args, **kwargs):
        """The command, as the user."""
        env = {"PATH": os.environ["PATH"], "HOME": f"{cls.work}/home", "LANG": "C", "TMPDIR": f"{cls.work}/home"}
        env.update({name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")})
        env.update(kwargs.pop("env", {}))
        return subprocess.Popen([f"{cls.work}/build/examples/scow/scow", *map(str, args)], user=cls.user.pw_uid, group=cls.user.pw_gid,
                                extra_groups=[], env=env, cwd=f"{cls.work}/home", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **kwargs)

    @classmethod
    def scow(cls, *args, **kwargs):
        process = cls.start(*args, **kwargs)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def ok(self, *args, **kwargs):
        done = self.scow(*args, **kwargs)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def processes(self, word):
        """The user's, but zombies, that have @word in their command line or name."""
        found = []
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
                command = status.with_name("cmdline").read_bytes().decode(errors="replace") + lines["Name"]
            except OSError:
                continue
            if word in command and int(lines["Uid"].split()[0]) == self.user.pw_uid and not lines["State"].startswith("Z"):
                found.append(int(lines["Pid"]))
        return found

    def in_outside(self, action):
        return self.in_network_of(self.outside.pid, action)

    def in_network_of(self, pid, action):
        """Calls @action in the network namespace of a process, on a thread of its own; returns what it does, or its OSError."""
        result = []

        def work():
            try:
                with open(f"/proc/{pid}/ns/net") as file:
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) < 0:
                        raise OSError(ctypes.get_errno(), "setns")
                result.append(action())
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return result[0]

    def ask(self, port):
        """One line of what a published port says to somebody outside."""
        def connect():
            with socket.create_connection((INSIDE, port), timeout=2) as peer:
                peer.sendall(b"\n")
                return peer.recv(64)
        return self.in_outside(connect)

    # Says "outside". Again, if need be: pasta of 2023 now and then never tells that the other side has said all.
    ASK_OUTSIDE = f"for i in 1 2 3; do (echo ask; sleep 0.3) | timeout 3 nc -w 2 {OUTSIDE} 7777 >/tmp/said && break; done; cat /tmp/said"

    @contextlib.contextmanager
    def outside_server(self):
        tcp = self.in_outside(lambda: socket.create_server((OUTSIDE, 7777)))

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = tcp.accept()
                    peer.settimeout(2)
                    with peer, contextlib.suppress(OSError):
                        peer.recv(16)
                        peer.sendall(b"outside\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            tcp.shutdown(socket.SHUT_RDWR)
            tcp.close()
            thread.join()
