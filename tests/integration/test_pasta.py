#!/usr/bin/env python3
"""A plain user's way out: the networks "pasta" and "usernet", with an outside world of the test's own; dial and listen as a plain user."""
import ctypes
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import netns  # noqa: E402,F401
import snapshot  # noqa: E402

SCOW = pathlib.Path(os.environ.get("SCOW", TOP / "build/examples/scow/scow"))
BUILD = pathlib.Path(os.environ.get("SCOW_BUILD_DIR", SCOW.parents[2]))
NAME = "scowtest3"
OUTSIDE, INSIDE = "198.51.100.1", "198.51.100.2"
CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x20000


def run(*command):
    subprocess.run([str(part) for part in command], check=True)


def in_outside(action):
    """Calls @action in the network namespace of the outside, on a thread of its own; returns what it does."""
    result = []

    def work():
        try:
            with open(f"/proc/{Pasta.outside.pid}/ns/net") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) < 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append(action())
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return result[0]


def processes(word):
    """Those that are not zombies and have @word in their command line or name, below this test's user."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            command = status.with_name("cmdline").read_bytes().decode(errors="replace") + lines["Name"]
        except OSError:
            continue
        if word in command and int(lines["Uid"].split()[0]) == Pasta.user.pw_uid and not lines["State"].startswith("Z"):
            found.append(int(lines["Pid"]))
    return found


def eventually(check, seconds=10):
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@unittest.skipIf(os.geteuid() != 0, "needs root to make a user and an outside world")
@unittest.skipIf(os.environ.get("SCOW_TEST_NETNS") == "host", "needs a network namespace of its own")
@unittest.skipUnless(shutil.which("pasta"), "pasta is not installed (package passt)")
class Pasta(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="scow-pasta.")
        os.chmod(cls.work, 0o755)
        # The tun device is root's on some machines: here it is everybody's, in a mount namespace of our own.
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) < 0:
            raise unittest.SkipTest("no mount namespace")
        run("mount", "--make-rprivate", "/")
        os.mkdir(f"{cls.work}/dev")
        run("mount", "-t", "tmpfs", "dev", f"{cls.work}/dev")
        run("mknod", f"{cls.work}/dev/tun", "c", "10", "200")
        os.chmod(f"{cls.work}/dev/tun", 0o666)
        if not os.path.exists("/dev/net/tun"):
            raise unittest.SkipTest("no /dev/net/tun")
        run("mount", "--bind", f"{cls.work}/dev/tun", "/dev/net/tun")
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
        cls.make_user()

    @classmethod
    def make_user(cls):
        subprocess.run(["userdel", "-f", NAME], capture_output=True)
        run("useradd", "--create-home", "--home-dir", f"{cls.work}/home", "--shell", "/bin/sh", NAME)
        cls.user = pwd.getpwnam(NAME)
        for name in ("examples/scow/scow", "lib/libscow.so.0", "tests/api/test_api_dial"):
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
            subprocess.run(["userdel", "-f", NAME], capture_output=True)
            shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def start(cls, *command, **kwargs):
        env = {"PATH": os.environ["PATH"], "HOME": f"{cls.work}/home", "LANG": "C", "TMPDIR": f"{cls.work}/home"}
        env.update({name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")})
        env.update(kwargs.pop("env", {}))
        return subprocess.Popen([str(part) for part in command], user=cls.user.pw_uid, group=cls.user.pw_gid, extra_groups=[], env=env,
                                cwd=f"{cls.work}/home", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **kwargs)

    @classmethod
    def scow(cls, *args, **kwargs):
        process = cls.start(f"{cls.work}/build/examples/scow/scow", *args, **kwargs)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def ok(self, *args):
        done = self.scow(*args)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def tearDown(self):
        for name in self.scow("ps", "-aq").stdout.split():
            self.scow("rm", "-f", name)
        self.assertTrue(eventually(lambda: not processes("pasta") and not processes("scow-tether")), "pasta is left")
        self.assertTrue(eventually(lambda: not processes("scow-usernet")), "usernet is left")

    def ask(self, port):
        """One line of what a published port says to somebody outside."""
        def connect():
            # To one who says nothing pasta of 2023 passes nothing on.
            with socket.create_connection((INSIDE, port), timeout=2) as peer:
                peer.sendall(b"\n")
                return peer.recv(64)
        return in_outside(connect)

    def test_outbound(self):
        tcp = in_outside(lambda: socket.create_server((OUTSIDE, 7777)))

        def serve():
            peer, _ = tcp.accept()
            with peer:
                peer.recv(16)
                peer.sendall(b"outside\n")

        thread = threading.Thread(target=serve)
        thread.start()
        out = self.ok("run", "--rm", "--network", "pasta", "base", "sh", "-c",
                      f"(echo ask; sleep 1) | nc {OUTSIDE} 7777; cat /etc/resolv.conf; ls /sys/class/net; cat /proc/*/cmdline | tr '\\0' ' '")
        thread.join()
        tcp.close()
        self.assertTrue(out.startswith("outside\n"), out)
        self.assertIn("nameserver", out)
        self.assertIn("out0", out)
        self.assertNotIn("/pasta", out)

    def test_published_ports(self):
        self.ok("run", "-d", "--name", "web", "--network", "pasta", "-p", "8080:80", "base", "sh", "-c", "exec nc -ll -p 80 -e echo served")
        self.assertTrue(eventually(lambda: self.ask(8080) == b"served\n"))
        for _ in range(2):
            self.ok("restart", "-t", "0", "web")
            self.assertTrue(eventually(lambda: self.ask(8080) == b"served\n"))
        self.assertEqual(len(processes("/pasta")), 1)
        self.ok("kill", "web")
        self.assertTrue(eventually(lambda: not processes("/pasta")))
        self.ok("start", "web")
        self.assertTrue(eventually(lambda: self.ask(8080) == b"served\n"))
        # The port is taken, and who says so names it.
        done = self.scow("run", "--rm", "--network", "pasta", "-p", "8080:80", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("8080", done.stderr)

    def test_whoever_is_killed(self):
        """The caller, the container or pasta: nothing is left."""
        caller = self.start(f"{self.work}/build/examples/scow/scow", "run", "--network", "pasta", "base", "sleep", "1000")
        self.assertTrue(eventually(lambda: processes("/pasta") and processes("sleep")))
        caller.send_signal(signal.SIGKILL)
        caller.communicate()
        self.assertTrue(eventually(lambda: not processes("/pasta") and not processes("sleep") and not processes("scow-tether")))
        self.ok("run", "-d", "--name", "quiet", "--network", "pasta", "base", "sleep", "1000")
        for pid in processes("/pasta"):
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: not processes("/pasta")))
        self.assertEqual(self.ok("inspect", "-f", "{{.State.Running}}", "quiet").strip(), "true")
        os.kill(int(self.ok("inspect", "-f", "{{.State.Pid}}", "quiet")), signal.SIGKILL)
        self.assertTrue(eventually(lambda: not processes("scow-tether")))

    def test_refusals(self):
        for args, words in ((["--network", "mine"], "no such network"),
                            (["--network", "pasta", "--network", "other"], "there is no other"),
                            (["--network", "pasta:--nonsense"], "--nonsense"),
                            (["--network", "pasta", "-p", "70:70/sctp"], "tcp and udp only")):
            done = self.scow("run", "--rm", *args, "base", "true")
            self.assertEqual(done.returncode, 125, args)
            self.assertIn(words, done.stderr)
        done = self.scow("run", "--rm", "--network", "pasta", "base", "true", env={"PATH": "/nowhere"})
        self.assertEqual(done.returncode, 125)
        self.assertIn("install passt, or use --network usernet", done.stderr)

    def test_usernet(self):
        """Without any program, and without /dev/net/tun: TCP, UDP, the host's resolver, pings; nothing of the host itself."""
        tcp = in_outside(lambda: socket.create_server((OUTSIDE, 7777)))
        udp = in_outside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind((OUTSIDE, 53))
        for server in (tcp, udp):
            server.settimeout(20)
        here = socket.create_server(("127.0.0.1", 7778))

        def serve():
            peer, _ = tcp.accept()
            with peer:
                peer.recv(16)
                peer.sendall(b"outside\n")
            found = False
            while not found:
                question, asker = udp.recvfrom(512)
                # To what is asked for by A there is one answer, to other kinds none.
                end = question.index(b"\0", 12) + 5
                found = question[end - 4:end] == b"\0\1\0\1"
                udp.sendto(question[:2] + b"\x81\x80\0\1\0" + bytes([found]) + bytes(4) + question[12:end] +
                           (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([192, 0, 2, 77]) if found else b""), asker)

        pathlib.Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")
        pathlib.Path(f"{self.work}/resolv.conf").write_text(f"nameserver {OUTSIDE}\n")
        resolv = os.path.realpath("/etc/resolv.conf")
        run("mount", "--bind", f"{self.work}/resolv.conf", resolv)
        os.chmod(f"{self.work}/dev/tun", 0)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            out = self.ok("run", "--rm", "--network", "usernet", "base", "sh", "-c",
                          f"(echo ask; sleep 1) | nc {OUTSIDE} 7777; cat /etc/resolv.conf; nslookup -type=a name.test | grep -c 192.0.2.77;"
                          f"ping -c 1 -W 2 {OUTSIDE} | grep -c 'bytes from'; ping -c 1 10.255.42.1 | grep -c 'bytes from';"
                          "for place in 10.255.42.1 0.0.0.0; do nc -w 1 $place 7778 </dev/null 2>&1 || echo refused; done;"
                          "ls /sys/class/net")
        finally:
            os.chmod(f"{self.work}/dev/tun", 0o666)
            run("umount", resolv)
            thread.join()
            for server in (tcp, udp, here):
                server.close()
        self.assertTrue(out.startswith("outside\n"), out)
        self.assertIn("nameserver 10.255.42.3\n1\n1\n1\n", out)
        self.assertEqual(out.count("\nrefused\n"), 2, out)
        self.assertTrue(out.endswith("eth0\nlo\n"), out)

    def test_usernet_ports(self):
        self.ok("run", "-d", "--name", "web", "--network", "usernet", "-p", "8080:80", "base", "sh", "-c", "exec nc -ll -p 80 -e echo served")
        self.assertTrue(eventually(lambda: self.ask(8080) == b"served\n"))
        self.ok("restart", "-t", "0", "web")
        self.assertTrue(eventually(lambda: self.ask(8080) == b"served\n"))
        self.assertTrue(eventually(lambda: len(processes("scow-usernet")) == 1))
        done = self.scow("run", "--rm", "--network", "usernet", "-p", "8080:80", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("8080", done.stderr)
        with socket.create_server(("127.0.0.1", 8083)):
            done = self.scow("run", "--rm", "--network", "usernet", "-p", "127.0.0.1:8083:80", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("bind port '8083' of the host", done.stderr)
        self.measure(self.ok("inspect", "-f", "{{.State.Pid}}", "web").strip())
        # Whoever is killed: nothing is left, and the container goes on without a network.
        for pid in processes("scow-usernet"):
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.ok("inspect", "-f", "{{.State.Running}}", "web").strip(), "true")
        self.ok("restart", "-t", "0", "web")
        self.assertTrue(eventually(lambda: self.ask(8080) == b"served\n"))
        self.ok("kill", "web")

    def measure(self, pid):
        """Figures to read; the machine may be busy."""
        if not shutil.which("iperf3"):
            return
        server = in_outside(lambda: subprocess.Popen(["iperf3", "-s"], stdout=subprocess.DEVNULL))
        try:
            for direction in ((), ("-R",)):
                command = ("nsenter", "-t", pid, "-n", "iperf3", "-J", "-t", "1", "-c", OUTSIDE, *direction)
                figures = []

                def talk():
                    done = subprocess.run(command, capture_output=True, timeout=30)
                    figures.append(json.loads(done.stdout)["end"].get("sum_received", {}).get("bits_per_second", 0) / 1e9)
                    return figures[-1]

                self.assertTrue(eventually(lambda: talk() > 0.05), figures)
                print(f"usernet {'in' if direction else 'out'}: {figures[-1]:.1f} Gbit/s", file=sys.stderr)
        finally:
            server.kill()
            server.wait()

    def test_dial_and_listen(self):
        """The API's tests of them, as this user."""
        process = self.start(f"{self.work}/build/tests/api/test_api_dial",
                             env={"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, out[-3000:] + err[-3000:])


if __name__ == "__main__":
    unittest.main()
