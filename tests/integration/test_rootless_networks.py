#!/usr/bin/env python3
"""A plain user's networks: bridges in a namespace that a holder keeps, their ports, and what he has who says nothing of networks."""
import os
import pathlib
import shutil
import signal
import socket
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import plain_user  # noqa: E402
from plain_user import INSIDE, eventually  # noqa: E402


@unittest.skipUnless(shutil.which("pasta"), "pasta is not installed (package passt)")
class RootlessNetworks(plain_user.PlainUser):
    def programs(self, *names):
        """A PATH that has only these."""
        directory = pathlib.Path(self.work, "programs")
        directory.mkdir(exist_ok=True)
        for name in names:
            (directory / name).unlink(missing_ok=True)
            (directory / name).symlink_to(shutil.which(name))
        return str(directory)

    def test_who_says_nothing(self):
        """A way out by the best that can be had: with nothing installed, scow-init's own."""
        with self.outside_server():
            self.assertEqual(self.ok("run", "--rm", "base", "sh", "-c", self.ASK_OUTSIDE), "outside\n")
            self.ok("run", "-d", "--name", "ask", "-p", "8070:80", "base", "sh", "-c", self.ASK_OUTSIDE + "; sleep 100")
            self.assertTrue(eventually(lambda: self.ok("logs", "ask") == "outside\n"))
            self.assertEqual(self.ok("port", "ask"), "80/tcp -> 0.0.0.0:8070\n")
            self.assertEqual(self.ok("ps", "--format", "{{.Ports}}"), "0.0.0.0:8070->80/tcp\n")
            done = self.scow("run", "--rm", "-p", "8070:80", "base", "true")
            self.assertIn("port 8070/tcp of this host is taken by container 'ask'", done.stderr)
            if shutil.which("slirp4netns"):
                path = self.programs("slirp4netns")
                done = self.scow("run", "--rm", "base", "sh", "-c", self.ASK_OUTSIDE + "; ls /sys/class/net", env={"PATH": path})
                self.assertEqual((done.returncode, done.stdout), (0, "outside\nlo\ntap0\n"), done)
        self.last_resort(self.programs("slirp4netns") if shutil.which("slirp4netns") else "/nowhere")
        # On bridges there is one in any case.
        self.ok("network", "create", "mine")
        with self.outside_server():
            done = self.scow("run", "--rm", "--network", "mine", "base", "sh", "-c", self.ASK_OUTSIDE, env={"PATH": "/nowhere"})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "outside\n", ""))
        self.assertIn("have usernet: a way out needs the program", self.ok("info", env={"PATH": "/nowhere"}))

    def last_resort(self, path):
        """Where no program can be had; nor one that publishes ports, in @path; nor one that the host's processes may see."""
        show = self.ASK_OUTSIDE + "; ls /sys/class/net; grep -c 10.255.42.3 /etc/resolv.conf"
        with self.outside_server():
            self.assertEqual(self.ok("run", "--rm", "base", "sh", "-c", show, env={"PATH": "/nowhere"}), "outside\neth0\nlo\n1\n")
            self.assertEqual(self.ok("run", "--rm", "--pid", "host", "base", "sh", "-c", show), "outside\neth0\nlo\n1\n")
            os.chmod(f"{self.work}/dev/tun", 0)
            try:
                self.assertEqual(self.ok("run", "--rm", "base", "sh", "-c", show), "outside\neth0\nlo\n1\n")
            finally:
                os.chmod(f"{self.work}/dev/tun", 0o666)
        self.ok("run", "-d", "--name", "last", "-p", "8071:80", "base", "nc", "-ll", "-p", "80", "-e", "echo", "served", env={"PATH": path})
        self.assertTrue(eventually(lambda: self.ask(8071) == b"served\n"))
        self.assertEqual(self.ok("exec", "last", "ls", "/sys/class/net"), "eth0\nlo\n")
        self.assertEqual(self.ok("port", "last"), "80/tcp -> 0.0.0.0:8071\n")
        self.assertIn("0.0.0.0:8071->80/tcp\n", self.ok("ps", "--format", "{{.Ports}}"))
        self.assertEqual(self.ok("inspect", "-f", "{{.HostConfig.NetworkMode}}", "last"), "default\n")
        # A run that its supervisor begins; and nobody runs without the ports that he has asked for.
        os.kill(int(self.ok("inspect", "-f", "{{.State.Pid}}", "last")), signal.SIGKILL)
        self.ok("wait", "last")
        self.ok("start", "last", env={"PATH": path})
        self.assertTrue(eventually(lambda: self.ask(8071) == b"served\n"))
        with socket.create_server(("127.0.0.1", 8072)):
            done = self.scow("run", "--rm", "-p", "127.0.0.1:8072:80", "base", "true", env={"PATH": path})
        self.assertEqual(done.returncode, 125)
        self.assertIn("bind port '8072' of the host", done.stderr)
        self.assertIn("has the network 'usernet'", self.scow("network", "connect", "bridge", "last", env={"PATH": "/nowhere"}).stderr)

    def test_networks(self):
        """Names, addresses, the way out, several networks, connected while a container runs."""
        self.ok("network", "create", "--subnet", "10.77.0.0/24", "mine")
        self.ok("network", "create", "--internal", "inner")
        self.assertFalse(self.processes("scow-networks"), "nobody runs")
        self.ok("run", "-d", "--name", "web", "--network", "name=mine,alias=www,ip=10.77.0.9", "base", "sh", "-c",
                "exec nc -ll -p 80 -e echo served")
        self.assertEqual(self.ok("inspect", "-f", "{{.NetworkSettings.Networks.mine.IPAddress}}", "web"), "10.77.0.9\n")
        with self.outside_server():
            out = self.ok("run", "--rm", "--network", "mine", "base", "sh", "-c",
                          "for name in web www; do (echo; sleep 0.2) | nc -w 2 $name 80; done; " + self.ASK_OUTSIDE)
            self.assertEqual(out, "served\nserved\noutside\n")
            # Two at once, and no more than one of what they share.
            both = [self.start("run", "--rm", "--network", "mine", "base", "sh", "-c", self.ASK_OUTSIDE) for _ in range(2)]
            self.assertEqual([process.communicate(timeout=30)[0] for process in both], ["outside\n"] * 2)
        self.assertEqual((len(self.processes("scow-networks")), len(self.processes("scow-usernet"))), (1, 1))
        self.ok("network", "connect", "inner", "web")
        out = self.ok("run", "--rm", "--network", "inner", "base", "sh", "-c", "(echo; sleep 0.2) | nc -w 2 web 80; ip route")
        self.assertTrue(out.startswith("served\n"), out)
        self.assertNotIn("default", out)
        self.ok("network", "disconnect", "inner", "web")
        self.assertEqual(self.ok("exec", "web", "ls", "/sys/class/net"), "eth0\nlo\n")
        self.assertIn('"IPv4Address": "10.77.0.9/24"', self.ok("network", "inspect", "mine"))
        # Whatever it may do in there, the bridges belong to another user namespace.
        done = self.scow("run", "--rm", "--privileged", "--network", "mine", "base", "cat", "/proc/self/uid_map")
        self.assertRegex(done.stdout, r"^ +0 +0 +1\n")
        self.assertIn("in use by container 'web'", self.scow("network", "rm", "mine").stderr)
        self.ok("rm", "-f", "web")
        self.ok("network", "rm", "mine")
        self.assertIn("not macvlan", self.scow("network", "create", "-d", "macvlan", "-o", "parent=out0", "--subnet", "10.78.0.0/24", "links").stderr)

    def test_ports(self):
        self.ok("network", "create", "mine")
        self.ok("run", "-d", "--name", "web", "--network", "mine", "-p", "8090:80", "-p", "127.0.0.1:8091:80", "-p", "8092:92/udp", "base",
                "sh", "-c", "exec nc -ll -p 80 -e sh -c 'read line; echo served'")
        self.assertEqual(self.ok("port", "web", "80/tcp"), "0.0.0.0:8090\n127.0.0.1:8091\n")
        self.assertTrue(eventually(lambda: self.ask(8090) == b"served\n"))
        self.assertIsInstance(self.ask(8091), OSError)
        with socket.create_connection(("127.0.0.1", 8091), timeout=2) as peer:
            peer.sendall(b"\n")
            self.assertEqual(peer.recv(64), b"served\n")

        self.echo_datagrams("web")
        done = self.scow("run", "--rm", "--network", "mine", "-p", "8090:80", "base", "true")
        self.assertIn("port 8090/tcp of this host is taken by container 'web'", done.stderr)
        self.ok("restart", "-t", "0", "web")
        self.assertTrue(eventually(lambda: self.ask(8090) == b"served\n"))
        self.ok("stop", "-t", "0", "web")
        self.assertIsInstance(self.ask(8090), OSError)
        self.carry_much()

    def echo_datagrams(self, name):
        pid = self.ok("inspect", "-f", "{{.State.Pid}}", name).strip()
        server = self.in_network_of(pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind(("", 92))
        server.settimeout(10)

        def echo():
            data, peer = server.recvfrom(64)
            server.sendto(data + b" back", peer)

        def ask():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.settimeout(10)
                peer.sendto(b"there and", (INSIDE, 8092))
                return peer.recv(64)

        thread = threading.Thread(target=echo)
        thread.start()
        self.assertEqual(self.in_outside(ask), b"there and back")
        thread.join()
        server.close()

    def carry_much(self):
        """In both directions at once, and the end of each."""
        self.ok("run", "-d", "--name", "echo", "--network", "mine", "-p", "8090:80", "base", "nc", "-ll", "-p", "80", "-e", "cat")
        data = os.urandom(4 << 20)

        def converse():
            with socket.create_connection((INSIDE, 8090), timeout=10) as peer:
                sender = threading.Thread(target=lambda: (peer.sendall(data), peer.shutdown(socket.SHUT_WR)))
                sender.start()
                got = b"".join(iter(lambda: peer.recv(1 << 16), b""))
                sender.join()
                return got

        self.assertTrue(eventually(lambda: isinstance(self.ask(8090), bytes)))
        self.assertTrue(self.in_outside(converse) == data)

    def test_whoever_is_killed(self):
        self.ok("network", "create", "mine")
        self.ok("run", "-d", "--name", "one", "--network", "mine", "base", "sleep", "1000")
        self.ok("run", "-d", "--name", "again", "--restart", "always", "--network", "mine", "base", "sleep", "1000")
        ask = "run", "--rm", "--network", "mine", "base", "sh", "-c", self.ASK_OUTSIDE
        with self.outside_server():
            # The way out: the next who starts has a new one made, for all.
            for pid in self.processes("scow-usernet"):
                os.kill(pid, signal.SIGKILL)
            self.assertTrue(eventually(lambda: not self.processes("scow-tether")))
            self.assertEqual(self.ok(*ask), "outside\n")
            self.assertEqual(self.ok("exec", "one", "sh", "-c", self.ASK_OUTSIDE), "outside\n")
            # The holder: who runs has no network any more, who starts again is on a new one.
            for pid in self.processes("scow-networks"):
                os.kill(pid, signal.SIGKILL)
            self.assertEqual(self.ok(*ask), "outside\n")
            self.ok("restart", "-t", "0", "one")
            os.kill(int(self.ok("inspect", "-f", "{{.State.Pid}}", "again")), signal.SIGKILL)
            self.assertTrue(eventually(lambda: self.ok("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "again") == "1 running\n"))
            self.assertEqual(self.ok("exec", "again", "sh", "-c", self.ASK_OUTSIDE), "outside\n")
            self.assertEqual(self.ok("exec", "again", "ping", "-c", "1", "-W", "2", "one").count("bytes from"), 1)
        # The caller of an owned one.
        caller = self.start("run", "--network", "mine", "base", "sleep", "999")
        self.assertTrue(eventually(lambda: self.processes("sleep\x00999")))
        caller.send_signal(signal.SIGKILL)
        caller.communicate()
        self.assertTrue(eventually(lambda: not self.processes("sleep\x00999")))


if __name__ == "__main__":
    unittest.main()
