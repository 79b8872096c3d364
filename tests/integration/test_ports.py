#!/usr/bin/env python3
"""Published ports and the firewall: who reaches whom, under which address, and who does not; what a hostile container can do to others.

SCOW names the program under test (default: build/examples/scow/scow). All of it is in a network namespace of the test's own, joined by
a cable to another host in one of its own.
"""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402
import dns  # noqa: E402
import wire  # noqa: E402

WORK = None
HOST = None
GATEWAY = "172.17.0.1"
NFT = shutil.which("nft")
NEIGHBOUR_TABLE = """table inet neighbour {
	chain forward {
		type filter hook forward priority filter + 10; policy accept;
		ip daddr 203.0.113.9 counter packets 0 bytes 0 drop
	}
}
"""


def setUpModule():
    global WORK, HOST
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")
    dns.private_network()
    WORK = cli.make_work("ports-test.")
    HOST = wire.Outside()
    Networked.WORK = WORK


def tearDownModule():
    if HOST:
        HOST.end()
    if WORK:
        shutil.rmtree(WORK, ignore_errors=True)


def ruleset():
    return wire.run("nft", "list", "ruleset")


class Networked(cli.Cli):
    """Containers that do nothing; servers are put into their network namespaces."""
    @classmethod
    def tearDownClass(cls):
        for name in cls.scow("ps", "-aq").stdout.split():
            cls.scow("rm", "-f", name)
        cls.scow("network", "prune", "-f")
        super().tearDownClass()

    def start(self, name, *args, serve=(), command=("sleep", "1000")):
        """Its pid. @serve: ports of IPv4 TCP that say its name."""
        done = self.scow("run", "-d", "--name", name, *args, "base", *command)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.scow, "rm", "-f", name)
        pid = int(self.inspect(name, "{{.State.Pid}}"))
        for port in serve:
            self.serve(name, port, pid)
        return pid

    def serve(self, name, port, pid, **kwargs):
        self.addCleanup(wire.Server(name, port, pid, **kwargs).end)

    def inspect(self, name, template):
        done = self.scow("inspect", "-f", template, name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def network(self, name, *args):
        done = self.scow("network", "create", *args, name)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.scow, "network", "rm", name)

    def address(self, name, network="bridge", field="IPAddress"):
        return json.loads(self.inspect(name, "{{json .NetworkSettings.Networks}}"))[network][field]

    def port(self, name, port):
        done = self.scow("port", name, port)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def refused(self, words, *args):
        done = self.scow("run", "--rm", *args, "base", "true")
        self.assertEqual(done.returncode, 125, done)
        for word in words:
            self.assertIn(word, done.stderr)


class Ports(Networked):
    def test_any_address(self):
        pid = self.start("web", "-p", "8080:80", serve=[80])
        outside = wire.ask(HOST.ours, 8080, HOST.pid)
        self.assertEqual(outside, f"web {HOST.address}", "the client's address is kept")
        self.assertEqual(wire.ask("127.0.0.1", 8080), f"web {GATEWAY}")
        self.assertEqual(wire.ask("127.0.0.7", 8080), f"web {GATEWAY}")
        self.assertEqual(wire.ask(HOST.ours, 8080), f"web {HOST.ours}")
        self.assertEqual(wire.ask(GATEWAY, 8080), f"web {GATEWAY}")
        # Nobody listens there: what tries ::1 first goes on to 127.0.0.1 at once.
        self.assertEqual(wire.ask("::1", 8080), "refused")
        self.assertEqual(wire.ask(HOST.ours, 80, HOST.pid), "refused")
        # Its own address is no way in from outside.
        self.assertEqual(wire.ask(self.address("web"), 80, HOST.pid, timeout=wire.SILENCE), "nothing")
        self.assertEqual(wire.ask(self.address("web"), 80), f"web {GATEWAY}")
        self.assertEqual(self.port("web", "80"), ["0.0.0.0:8080"])
        self.assertEqual(json.loads(self.inspect("web", "{{json .NetworkSettings.Ports}}")),
                         {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]})
        self.scow("rm", "-f", "web")
        self.assertEqual(wire.ask(HOST.ours, 8080, HOST.pid), "refused")
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())

    def test_hairpin(self):
        """A container reaches published ports by the host's addresses: its own, a neighbour's, another network's."""
        self.network("hairpin-other")
        mine = self.start("web", "-p", "8080:80", serve=[80])
        near = self.start("near")
        far = self.start("far", "--network", "hairpin-other")
        bridged = pathlib.Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
        modes = [1, 0] if bridged.exists() else [None]
        self.addCleanup(wire.sysctl, "net/bridge/bridge-nf-call-iptables", bridged.read_text().strip() if bridged.exists() else 0)
        for mode in modes:
            if mode is not None:
                wire.sysctl("net/bridge/bridge-nf-call-iptables", mode)
            for pid in mine, near, far:
                for address in HOST.ours, GATEWAY:
                    with self.subTest(mode=mode, pid=pid, address=address):
                        self.assertEqual(wire.ask(address, 8080, pid), f"web {GATEWAY}")

    def test_loopback_only(self):
        self.start("web", "-p", "127.0.0.1:8081:80", serve=[80])
        near = self.start("near")
        self.assertEqual(wire.ask("127.0.0.1", 8081), f"web {GATEWAY}")
        for pid in HOST.pid, near, None:
            self.assertEqual(wire.ask(HOST.ours, 8081, pid), "refused")
        # A neighbour on the cable who writes 127.0.0.1 into his packets.
        target = wire.link_mac("uplink")
        source = "02:00:00:00:00:09"
        pid = int(self.inspect("web", "{{.State.Pid}}"))
        syn = wire.udp4(HOST.address, "127.0.0.1", 8081, b"hostile")
        with wire.Listener(pid, "eth0") as listener:
            wire.send(HOST.pid, "eth0", wire.ether(source, target, 0x0800, syn))
            wire.ask(self.address("web"), 9, udp=True, timeout=0)
            frames = listener.until(b"?")
        self.assertFalse([frame for frame in frames if b"hostile" in frame])

    def test_one_address(self):
        self.start("web", "-p", f"{HOST.ours}:8082:80", "-p", f"{HOST.ours}::81", serve=[80, 81])
        self.assertEqual(wire.ask(HOST.ours, 8082, HOST.pid), f"web {HOST.address}")
        self.assertEqual(wire.ask("127.0.0.1", 8082), "refused")
        random = int(self.port("web", "81")[0].split(":")[1])
        self.assertEqual(wire.ask(HOST.ours, random, HOST.pid), f"web {HOST.address}")
        # On another address of the host the same port is another one.
        self.start("other", "-p", "127.0.0.1:8082:80", serve=[80])
        self.assertEqual(wire.ask("127.0.0.1", 8082), f"other {GATEWAY}")
        self.assertEqual(wire.ask(HOST.ours, 8082), f"web {HOST.ours}")

    def test_ranges(self):
        self.start("one", "-p", "8100-8102:80", serve=[80])
        self.start("two", "-p", "8100-8102:80", serve=[80])
        self.start("three", "-p", "8100-8102:80", serve=[80])
        for name, port in ("one", 8100), ("two", 8101), ("three", 8102):
            self.assertEqual(wire.ask(HOST.ours, port, HOST.pid).split()[0], name)
        self.refused(["8100-8102/tcp", "taken"], "-p", "8100-8102:80")
        self.start("pairs", "-p", "8200-8202:80-82", "-p", "9000-9001:9000-9001/udp", serve=[80, 82])
        self.assertEqual(wire.ask(HOST.ours, 8200, HOST.pid).split()[0], "pairs")
        self.assertEqual(wire.ask(HOST.ours, 8202, HOST.pid).split()[0], "pairs")
        self.assertEqual(wire.ask(HOST.ours, 8201, HOST.pid), "refused")
        ports = self.scow("ps", "--filter", "name=pairs", "--format", "{{.Ports}}").stdout.strip()
        self.assertEqual(ports, "0.0.0.0:8200->80/tcp, 0.0.0.0:8201->81/tcp, 0.0.0.0:8202->82/tcp, 0.0.0.0:9000-9001->9000-9001/udp")

    def test_udp(self):
        pid = self.start("names", "-p", "5353:53/udp", "-p", "5353:54/tcp", serve=[54])
        self.serve("names", 53, pid, udp=True)
        self.assertEqual(wire.ask(HOST.ours, 5353, HOST.pid, udp=True), f"names {HOST.address}")
        self.assertEqual(wire.ask("127.0.0.1", 5353, udp=True), f"names {GATEWAY}")
        self.assertEqual(wire.ask(HOST.ours, 5353, HOST.pid), f"names {HOST.address}")
        self.assertEqual(self.port("names", "53/udp"), ["0.0.0.0:5353"])

    def test_udp_client_that_was_there_first(self):
        """One who sends without a pause reaches the container as soon as it is there, and the next one after it."""
        sock = wire.make(HOST.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.addCleanup(sock.close)
        sock.settimeout(0.1)
        sock.connect((HOST.ours, 5454))

        def until(name):
            end = time.monotonic() + wire.TIMEOUT
            while time.monotonic() < end:
                try:
                    sock.send(b"?")
                    if sock.recv(64).decode().startswith(name):
                        return True
                except OSError:
                    time.sleep(0.02)
            return False
        self.assertFalse(any(self.quiet(sock) for _ in range(3)))
        for name in "first", "second":
            pid = self.start(name, "-p", "5454:53/udp")
            self.serve(name, 53, pid, udp=True)
            self.assertTrue(until(name))
            self.scow("rm", "-f", name)

    @staticmethod
    def quiet(sock):
        try:
            sock.send(b"?")
            return sock.recv(64)
        except OSError:
            return b""

    def test_ipv6(self):
        self.network("six", "--ipv6")
        pid = self.start("web", "--network", "six", "-p", "8083:80", "-p", f"[{HOST.ours6}]:8084:80", serve=[80])
        near = self.start("near", "--network", "six")
        self.serve("web", 80, pid, family=socket.AF_INET6)
        gateway = self.address("web", "six", "IPv6Gateway")
        self.assertEqual(wire.ask(HOST.ours6, 8083, HOST.pid), f"web {HOST.address6}")
        self.assertEqual(wire.ask(HOST.ours, 8083, HOST.pid), f"web {HOST.address}")
        self.assertEqual(wire.ask(HOST.ours6, 8083), f"web {HOST.ours6}")
        self.assertEqual(wire.ask(HOST.ours6, 8083, near), f"web {gateway}")
        self.assertEqual(wire.ask(HOST.ours6, 8083, pid), f"web {gateway}")
        self.assertEqual(wire.ask(HOST.ours6, 8084, HOST.pid), f"web {HOST.address6}")
        self.assertEqual(wire.ask(HOST.ours, 8084, HOST.pid), "refused")
        self.assertEqual(wire.ask("::1", 8083), "refused")
        inside = self.address("web", "six", "GlobalIPv6Address")
        self.assertEqual(wire.ask(inside, 80, HOST.pid, timeout=wire.SILENCE), "nothing")
        self.assertEqual(self.port("web", "80"), ["0.0.0.0:8083", "[::]:8083", f"[{HOST.ours6}]:8084"])
        self.serve("outside", 80, HOST.pid, family=socket.AF_INET6)
        self.assertEqual(wire.ask(HOST.address6, 80, near), f"outside {HOST.ours6}")

    def test_publish_all(self):
        image = self.make_image("exposing", {"x": b""}, ExposedPorts={"80/tcp": {}, "53/udp": {}, "7000-7001/tcp": {}}, Cmd=["sleep", "1000"])
        done = self.scow("run", "-d", "--name", "all", "-P", "-p", "8300:53/udp", "--expose", "443", image)
        self.addCleanup(self.scow, "rm", "-f", "all")
        self.assertEqual(done.returncode, 0, done.stderr)
        ports = json.loads(self.inspect("all", "{{json .NetworkSettings.Ports}}"))
        self.assertEqual(sorted(ports), ["443/tcp", "53/udp", "7000/tcp", "7001/tcp", "80/tcp"])
        low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        for port, places in ports.items():
            self.assertEqual(len(places), 1)
            number = int(places[0]["HostPort"])
            self.assertTrue(number == 8300 if port == "53/udp" else low <= number <= high, ports)
        self.serve("all", 443, int(self.inspect("all", "{{.State.Pid}}")))
        self.assertEqual(wire.ask(HOST.ours, int(ports["443/tcp"][0]["HostPort"]), HOST.pid).split()[0], "all")

    def test_exposed_only(self):
        self.start("quiet", "--expose", "80", "--expose", "7000-7001/udp", serve=[80])
        self.assertEqual(json.loads(self.inspect("quiet", "{{json .NetworkSettings.Ports}}")),
                         {"80/tcp": None, "7000/udp": None, "7001/udp": None})
        self.assertEqual(self.scow("ps", "--format", "{{.Ports}}").stdout.strip(), "80/tcp, 7000-7001/udp")
        self.assertEqual(self.scow("port", "quiet").stdout, "")
        done = self.scow("port", "quiet", "80")
        self.assertEqual((done.returncode, "80/tcp is not published" in done.stderr), (1, True), done)

    def test_sctp(self):
        """The rules are there; this kernel may have nobody to talk to."""
        self.start("web", "-p", "8085:80/sctp")
        self.assertEqual(self.port("web", "80/sctp"), ["0.0.0.0:8085"])
        self.refused(["8085/sctp", "container 'web'"], "-p", "8085:81/sctp")
        if NFT:
            self.assertIn("sctp . 8085 : 172.17.0.", ruleset())

    def test_taken(self):
        self.start("web", "-p", "8086:80")
        self.refused(["port 8086/tcp of this host is taken by container 'web'", "publish another port"], "-p", "8086:80")
        self.refused(["taken by container 'web'"], "-p", "127.0.0.1:8086:80")
        self.refused(["published twice"], "-p", "8087:80", "-p", "8087:81")
        server = wire.Server("host", 8088, address="127.0.0.1")
        self.addCleanup(server.end)
        self.refused(["8088/tcp", "process %d" % os.getpid()], "-p", "8088:80")
        self.refused(["8088/tcp of 127.0.0.1", "process %d" % os.getpid()], "-p", "127.0.0.1:8088:80")
        udp = wire.Server("host", 8088, udp=True)
        self.addCleanup(udp.end)
        self.refused(["8088/udp", "process %d" % os.getpid()], "-p", "8088:80/udp")
        self.refused(["10.77.0.1", "address of this host"], "-p", "10.77.0.1:80:80")
        self.refused(["[::1]", "127.0.0.1"], "-p", "[::1]:8089:80")
        # And others find ours taken.
        for reuse in 0, 1:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
                with self.assertRaises(OSError):
                    sock.bind(("0.0.0.0", 8086))
                    sock.listen()
        # What failed has left nothing behind.
        self.start("after", "-p", "8087:80", serve=[80])
        self.assertEqual(wire.ask(HOST.ours, 8087, HOST.pid).split()[0], "after")

    def test_taken_over(self):
        """A port is free as soon as its container is gone, whoever had started it and however it went."""
        for way in "rm", "kill", "stop":
            front = self.spawn("run", "--rm", "--name", "front", "-p", "8090:80", "base", "sleep", "1000", stdout=subprocess.DEVNULL)
            end = time.monotonic() + wire.TIMEOUT
            while self.scow("port", "front", "80").returncode and time.monotonic() < end:
                time.sleep(0.02)
            if way == "kill":
                front.kill()
                front.wait(wire.TIMEOUT)
            else:
                self.scow(*(["rm", "-f"] if way == "rm" else ["stop", "-t0"]), "front")
            self.start(f"next-{way}", "-p", "8090:80", serve=[80])
            self.assertEqual(wire.ask(HOST.ours, 8090, HOST.pid).split()[0], f"next-{way}")
            front.wait(wire.TIMEOUT)
            self.assertEqual(wire.ask(HOST.ours, 8090, HOST.pid).split()[0], f"next-{way}", "not cut off by the end of the first")
            self.scow("rm", "-f", f"next-{way}")

    def test_restarts(self):
        pid = self.start("web", "--restart", "always", "-p", "8091:80", serve=[80])
        os.kill(pid, 9)
        end = time.monotonic() + wire.TIMEOUT
        while self.inspect("web", "{{.State.Pid}}") in ("0", str(pid)) and time.monotonic() < end:
            time.sleep(0.02)
        self.serve("again", 80, int(self.inspect("web", "{{.State.Pid}}")))
        self.assertEqual(wire.ask(HOST.ours, 8091, HOST.pid), f"again {HOST.address}")
        with socket.socket() as sock, self.assertRaises(OSError):
            sock.bind(("0.0.0.0", 8091))

    def test_killed_supervisor(self):
        pid = self.start("web", "-p", "8092:80", serve=[80])
        supervisor = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(supervisor, 9)
        end = time.monotonic() + wire.TIMEOUT
        while self.inspect("web", "{{.State.Status}}") == "running" and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(wire.ask(HOST.ours, 8092, HOST.pid), "refused")
        if NFT:
            self.assertNotIn("8092", ruleset())
        self.scow("start", "web")
        self.assertEqual(self.port("web", "80"), ["0.0.0.0:8092"])

    def test_modes(self):
        """With another's network there are no ports of one's own."""
        done = self.scow("run", "--rm", "--network", "host", "-p", "8093:80", "base", "true")
        self.assertEqual((done.returncode, "nothing is published" in done.stderr), (0, True), done)
        self.start("host", "--network", "host", "-p", "8093:80")
        self.assertEqual(self.scow("port", "host").stdout, "")
        self.start("none", "--network", "none", "-p", "8093:80")
        self.start("web", "-p", "8093:80")
        self.refused(["container"], "--network", "container:web", "-p", "8094:80")

    def test_filters(self):
        self.start("web", "-p", "8095:80", "-p", "8096:53/udp")
        self.start("quiet", "--expose", "7000-7002")
        for text, names in (("publish=8095", ["web"]), ("publish=80", []), ("publish=8096/udp", ["web"]), ("publish=8096/tcp", []),
                            ("publish=8000-8095", ["web"]), ("expose=80", ["web"]), ("expose=7001", ["quiet"]), ("expose=53/udp", ["web"]),
                            ("expose=6000-7000/tcp", ["quiet"])):
            with self.subTest(text):
                self.assertEqual(self.scow("ps", "-f", text, "--format", "{{.Names}}").stdout.split(), names)
        self.assertEqual(self.scow("ps", "-f", "publish=x").returncode, 1)


class Firewall(Networked):
    def test_isolation(self):
        self.network("one")
        self.network("two")
        self.network("inside", "--internal")
        self.network("strangers", "-o", "com.docker.network.bridge.enable_icc=false")
        a = self.start("aa", "--network", "one", serve=[80])
        b = self.start("bb", "--network", "one", serve=[80])
        c = self.start("cc", "--network", "two", serve=[80])
        d = self.start("dd", "--network", "inside", "-p", "8400:80", serve=[80])
        e = self.start("ee", "--network", "inside", serve=[80])
        f = self.start("ff", "--network", "strangers", "-p", "8401:80", serve=[80])
        g = self.start("gg", "--network", "strangers", serve=[80])
        self.serve("outside", 80, HOST.pid)
        where = {name: self.address(name, network) for name, network in
                 (("aa", "one"), ("bb", "one"), ("cc", "two"), ("dd", "inside"), ("ee", "inside"), ("ff", "strangers"), ("gg", "strangers"))}
        for who, name in (a, "bb"), (b, "aa"), (d, "ee"), (None, "aa"), (None, "cc"), (None, "ff"):
            with self.subTest("reaches", who=who, name=name):
                self.assertEqual(wire.ask(where[name], 80, who).split()[0], name)
        for who, name in (a, "cc"), (c, "aa"), (a, "dd"), (f, "gg"), (g, "ff"), (HOST.pid, "aa"), (HOST.pid, "dd"), (a, "ff"):
            with self.subTest("does not reach", who=who, name=name):
                self.assertEqual(wire.ask(where[name], 80, who, timeout=wire.SILENCE), "nothing")
        for who in a, c, f:
            self.assertEqual(wire.ask(HOST.address, 80, who), f"outside {HOST.ours}")
        for who in d, e:
            self.assertEqual(wire.ask(HOST.address, 80, who, timeout=wire.SILENCE), "nothing")
        self.assertEqual(wire.ask(HOST.ours, 8400, HOST.pid), "refused")
        # What is published is for all but those who have no way out.
        self.assertEqual(wire.ask(HOST.ours, 8401, a).split()[0], "ff")
        # Where the kernel takes bridged frames through its IP rules, what a published port leads to is bridged, too: strangers stay so.
        if wire.sysctl("net/bridge/bridge-nf-call-iptables", 0):
            self.addCleanup(wire.sysctl, "net/bridge/bridge-nf-call-iptables", 1)
        self.assertEqual(wire.ask(HOST.ours, 8401, g).split()[0], "ff")
        # A stranger who sends to the gateway what is for his neighbour.
        gateway = wire.link_mac(self.bridge("strangers"))
        with wire.Listener(g, "eth0") as listener:
            wire.send(f, "eth0", wire.ether(self.address("ff", "strangers", "MacAddress"), gateway, 0x0800,
                                            wire.udp4(where["ff"], where["gg"], 9, b"stranger")))
            wire.ask(where["gg"], 9, udp=True, timeout=0)
            self.assertFalse([frame for frame in listener.until(b"?") if b"stranger" in frame])

    def bridge(self, network):
        found = json.loads(self.scow("network", "inspect", network).stdout)[0]
        return found["Options"].get("com.docker.network.bridge.name") or "br-" + found["Id"][:12]

    def test_gateway_modes(self):
        mode = "com.docker.network.bridge.gateway_mode_ipv4"
        self.network("routed", "-o", f"{mode}=routed")
        self.network("open", "-o", f"{mode}=nat-unprotected")
        self.start("rr", "--network", "routed", "-p", "80", serve=[80, 81])
        o = self.start("oo", "--network", "open", serve=[80])
        self.serve("outside", 80, HOST.pid)
        r = int(self.inspect("rr", "{{.State.Pid}}"))
        self.assertEqual(wire.ask(self.address("rr", "routed"), 80, HOST.pid), f"rr {HOST.address}")
        self.assertEqual(wire.ask(self.address("rr", "routed"), 81, HOST.pid, timeout=wire.SILENCE), "nothing")
        self.assertEqual(wire.ask(self.address("oo", "open"), 80, HOST.pid), f"oo {HOST.address}")
        self.assertEqual(wire.ask(HOST.address, 80, r), f"outside {self.address('rr', 'routed')}", "no masquerade")
        self.assertEqual(wire.ask(HOST.address, 80, o), f"outside {HOST.ours}")

    def test_traffic_and_mtu(self):
        self.network("narrow", "-o", "com.docker.network.driver.mtu=1400")
        pid = self.start("web", "--network", "narrow", "--network", "bridge", serve=[80])
        self.serve("web", 53, pid, udp=True)
        links = {link["ifname"]: link for link in json.loads(wire.run("ip", "-j", "link", pid=pid))}
        self.assertEqual((links["eth0"]["mtu"], links["eth1"]["mtu"]), (1400, 1500))

        def counted():
            text = self.scow("stats", "--no-stream", "--format", "{{.NetIO}}", "web").stdout
            self.assertRegex(text, r"^[\d.]+k?B / [\d.]+k?B$")
            return text
        before = counted()
        for _ in range(50):
            wire.ask(self.address("web", "narrow"), 53, udp=True)
        self.assertNotEqual(counted(), before)

    def test_rates(self):
        """What a container gets, and what it sends, takes its time: by its own option, by its network's, and after a restart."""
        self.network("slow", "-o", "scow.rate.in=4mbit")
        self.start("web", "--network", "name=slow,driver-opt=scow.rate.out=4mbit")
        for run in range(2):
            pid = int(self.inspect("web", "{{.State.Pid}}"))
            with contextlib.ExitStack() as stack:
                inside = dns.inside(pid, lambda: stack.enter_context(socket.create_server(("", 80))))
                ours = stack.enter_context(socket.create_connection((self.address("web", "slow"), 80)))
                theirs = stack.enter_context(inside.accept()[0])
                for sender, receiver in (ours, theirs), (theirs, ours):
                    sending = threading.Thread(target=sender.sendall, args=(b"x" * 250000,))
                    begin, missing = time.monotonic(), 250000
                    sending.start()
                    while missing:
                        missing -= len(receiver.recv(65536))
                    self.assertGreater(time.monotonic() - begin, 0.4, run) # half a second, but for what the bucket had
                    sending.join()
            if run == 0:
                self.assertEqual(self.scow("restart", "-t", "0", "web").returncode, 0)
        self.run_ok("--network", "name=slow,driver-opt=scow.rate.out=1mbit", "base", "true") # which the library does by itself
        self.refused(["scow.rate.in: 'fast' is not a rate"], "--network", "name=slow,driver-opt=scow.rate.in=fast")

    def test_default_address(self):
        self.network("local", "-o", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1")
        self.start("web", "--network", "local", "-p", "8402:80", serve=[80])
        self.assertEqual(self.port("web", "80"), ["127.0.0.1:8402"])
        self.assertEqual(wire.ask("127.0.0.1", 8402).split()[0], "web")
        self.assertEqual(wire.ask(HOST.ours, 8402, HOST.pid), "refused")

    def test_host_loopback(self):
        """Neither what the host serves on 127.0.0.1, nor what trusts who comes from there, is for containers; not even for stronger ones."""
        for args in [], ["--cap-add", "NET_ADMIN"], ["--privileged"]:
            pid = self.start("hostile", *args)
            loopback, trusting = wire.Server("loopback", 8403, udp=True, address="127.0.0.1"), wire.Server("any", 8404, udp=True)
            gateway = wire.link_mac("scow0")
            own, own_mac = self.address("hostile"), self.address("hostile", "bridge", "MacAddress")
            seen = []
            trusting.sock.settimeout(wire.TIMEOUT)
            frames = [wire.udp4(own, "127.0.0.1", 8403, b"x"), wire.udp4("127.0.0.1", GATEWAY, 8404, b"x"), wire.udp4("127.0.0.1", "127.0.0.1", 8403, b"x")]
            with wire.Listener(pid, "eth0") as listener:
                wire.send(pid, "eth0", *(wire.ether(own_mac, gateway, 0x0800, frame) for frame in frames))
                self.assertEqual(wire.ask(GATEWAY, 8404, pid, udp=True), f"any {own}", "the ordinary way is there")
                wire.ask(own, 9, udp=True, timeout=0)
                seen = [frame for frame in listener.until(b"?") if b"loopback" in frame or b"any 127" in frame]
            self.assertEqual(seen, [])
            loopback.end()
            trusting.end()
            self.scow("rm", "-f", "hostile")

    def test_hostile_frames(self):
        """A container's frames have its own addresses, or do not get beyond its port."""
        hostile, victim = self.start("hostile"), self.start("victim")
        own, own_mac = self.address("hostile"), self.address("hostile", "bridge", "MacAddress")
        other, other_mac = self.address("victim"), self.address("victim", "bridge", "MacAddress")
        made_up, everyone = "02:42:00:00:be:ef", "ff:ff:ff:ff:ff:ff"
        mark = b"hostile frame"
        bad = [
            wire.ether(own_mac, other_mac, 0x0800, wire.udp4("172.17.99.99", other, 9, mark)),
            wire.ether(own_mac, other_mac, 0x0800, wire.udp4(GATEWAY, other, 9, mark)),
            wire.ether(own_mac, other_mac, 0x0800, wire.udp4("8.8.8.8", other, 53, mark)),
            wire.ether(made_up, other_mac, 0x0800, wire.udp4(own, other, 9, mark)),
            wire.ether(other_mac, other_mac, 0x0800, wire.udp4(other, other, 9, mark)),
            wire.ether(own_mac, everyone, 0x0806, wire.arp(2, own_mac, GATEWAY, everyone, GATEWAY) + mark),
            wire.ether(own_mac, other_mac, 0x0806, wire.arp(2, own_mac, GATEWAY, other_mac, other) + mark),
            wire.ether(own_mac, other_mac, 0x0806, wire.arp(2, made_up, own, other_mac, other) + mark),
            wire.ether(made_up, other_mac, 0x0806, wire.arp(1, made_up, own, other_mac, other) + mark),
            wire.ether(own_mac, everyone, 0x0806, wire.arp(1, own_mac, other, everyone, GATEWAY) + mark),
            wire.ether(own_mac, everyone, 0x86dd, wire.icmp6("fe80::1", "ff02::1", 134, bytes(12) + mark)),
            wire.ether(own_mac, other_mac, 0x88b5, mark),
            wire.ether(own_mac, other_mac, 0x8863, mark),
        ]
        good = [wire.ether(own_mac, everyone, 0x0806, wire.arp(1, own_mac, own, everyone, other) + b"own arp"),
                wire.ether(own_mac, other_mac, 0x0800, wire.udp4(own, other, 9, b"own address"))]
        with wire.Listener(victim, "eth0") as listener, wire.Listener(None, "scow0") as bridge:
            wire.send(hostile, "eth0", *bad, *good)
            for place in listener, bridge:
                frames = place.until(b"own arp" if place is bridge else b"own address")
                self.assertEqual([frame for frame in frames if mark in frame], [])
        neighbours = wire.run("ip", "neigh", "show", "dev", "scow0")
        self.assertNotIn(made_up, neighbours)
        table = wire.run("ip", "neigh", "show", "dev", "eth0", pid=victim)
        self.assertNotIn(f"{GATEWAY} lladdr {own_mac}", table)

    def test_hostile_frames_ipv6(self):
        self.network("six", "--ipv6")
        hostile, victim = self.start("hostile", "--network", "six"), self.start("victim", "--network", "six")
        own, own_mac = self.address("hostile", "six", "GlobalIPv6Address"), self.address("hostile", "six", "MacAddress")
        other, gateway = (self.address("victim", "six", field) for field in ("GlobalIPv6Address", "IPv6Gateway"))
        everyone, mark = "33:33:00:00:00:01", b"hostile frame"
        link_local = next(line.split()[1].split("/")[0] for line in
                          wire.run("ip", "-6", "addr", "show", "dev", "eth0", "scope", "link", pid=hostile).splitlines() if "inet6" in line)

        def advertise(target, source):
            option = b"\2\1" + wire.mac(own_mac)
            return wire.icmp6(source, "ff02::1", 136, b"\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, target) + option + mark)
        bad = [wire.icmp6(source, "ff02::1", 134, b"\x40\0\x07\x08" + bytes(8) + mark) for source in (link_local, own, "fe80::1")]
        bad += [advertise(gateway, link_local), advertise(gateway, own), advertise(other, own), advertise(other, other)]
        bad += [wire.icmp6(link_local, other, 137, bytes(36) + mark), wire.icmp6(other, "ff02::1", 128, mark), wire.icmp6("::", "ff02::1", 128, mark)]
        good = wire.ether(own_mac, everyone, 0x86dd, wire.icmp6(own, "ff02::1", 128, b"own address"))
        with wire.Listener(victim, "eth0") as listener:
            wire.send(hostile, "eth0", *(wire.ether(own_mac, everyone, 0x86dd, packet) for packet in bad), good)
            self.assertEqual([frame for frame in listener.until(b"own address") if mark in frame], [])
        # What is theirs works: neighbours find each other, and the way out.
        self.serve("victim", 80, victim, family=socket.AF_INET6)
        self.assertEqual(wire.ask(other, 80, hostile), f"victim {own}")

    def test_own_addresses_of_stronger_ones(self):
        """Who may configure its interfaces may have other addresses, too."""
        pid = self.start("strong", "--cap-add", "NET_ADMIN")
        wire.run("ip", "addr", "add", "172.17.200.200/16", "dev", "eth0", pid=pid)
        self.serve("strong", 80, pid)
        self.assertEqual(wire.ask("172.17.200.200", 80), f"strong {GATEWAY}")

    @unittest.skipUnless(NFT, "needs nft")
    def test_tables(self):
        """The tables come with the first network and go with the last; those of others stay as they are, to the byte."""
        self.scow("network", "prune", "-f")
        wire.run("sh", "-c", f"nft -f - <<'X'\n{NEIGHBOUR_TABLE}X")
        self.addCleanup(wire.run, "nft", "delete", "table", "inet", "neighbour")
        before = ruleset()
        self.assertNotIn("table inet scow", before)
        self.start("web", "-p", "8405:80", serve=[80])
        during = ruleset()
        self.assertIn("tcp . 8405 : 172.17.0.", during)
        self.assertIn("table bridge scow", during)
        self.assertIn(NEIGHBOUR_TABLE.strip(), during)
        # A second container adds elements, and no rule.
        self.start("more", "-p", "8406:80")
        rules = [[line for line in text.splitlines() if "drop" in line or "accept" in line or "dnat" in line] for text in (during, ruleset())]
        self.assertEqual(*rules)
        for name in "web", "more":
            self.scow("rm", "-f", name)
        self.assertNotIn("840", ruleset())
        self.scow("network", "prune", "-f")
        self.assertEqual(ruleset(), before)

    def test_nothing_is_kept_open(self):
        """Programs that have ended leave the closing of their netfilter socket to the kernel, which does it soon."""
        def ours():
            lines = [line.split() for line in pathlib.Path("/proc/net/netlink").read_text().splitlines()[1:]]
            return [words for words in lines if words[1] == "12" and words[2] != "0"]
        for _ in range(3):
            self.run_ok("-p", "8413:80", "base", "true")
        end = time.monotonic() + wire.TIMEOUT
        while ours() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(ours(), [])

    @unittest.skipUnless(NFT, "needs nft")
    def test_other_firewall(self):
        """A table of somebody else's that drops what is forwarded is told of: no rule of ours can help."""
        self.start("web", "-p", "8410:80", serve=[80])
        self.assertEqual(json.loads(self.scow("info", "--format", "json").stdout)["Warnings"], [])
        wire.run("nft", "add", "table", "ip", "stern")
        self.addCleanup(wire.run, "nft", "delete", "table", "ip", "stern")
        wire.run("nft", "add", "chain", "ip", "stern", "FORWARD", "{ type filter hook forward priority 0; policy drop; }")
        warnings = json.loads(self.scow("info", "--format", "json").stdout)["Warnings"]
        self.assertEqual((len(warnings), "'ip stern FORWARD'" in warnings[0]), (1, True), warnings)
        self.assertEqual(wire.ask(HOST.ours, 8410, HOST.pid, timeout=wire.SILENCE), "nothing")
        for side in "iifname", "oifname":
            wire.run("nft", "add", "rule", "ip", "stern", "FORWARD", side, "scow0", "accept")
        self.assertEqual(wire.ask(HOST.ours, 8410, HOST.pid), f"web {HOST.address}")
        # Who first starts on a network is told, too; the others are not.
        self.network("new")
        for told in True, False:
            done = self.scow("run", "--rm", "--network", "new", "base", "true")
            self.assertEqual((done.returncode, "'ip stern FORWARD'" in done.stderr and "'new'" in done.stderr), (0, told), done)

    @unittest.skipUnless(shutil.which("iptables-legacy"), "needs iptables-legacy")
    def test_old_firewall(self):
        """The same of x_tables, which nftables does not see."""
        def warnings():
            return json.loads(self.scow("info", "--format", "json").stdout)["Warnings"]
        for tool in "iptables-legacy", "ip6tables-legacy":
            if subprocess.run([tool, "-P", "FORWARD", "ACCEPT"], capture_output=True).returncode:
                self.skipTest("this kernel has no x_tables")
            self.addCleanup(wire.run, tool, "-P", "FORWARD", "ACCEPT")
            self.assertEqual(warnings(), [])
            wire.run(tool, "-P", "FORWARD", "DROP")
            wire.run(tool, "-A", "FORWARD", "-i", "nobody0", "-j", "ACCEPT")
            self.assertIn(f"'{tool} filter FORWARD'", warnings()[0])
            wire.run(tool, "-F", "FORWARD")
            wire.run(tool, "-P", "FORWARD", "ACCEPT")

    @unittest.skipUnless(NFT, "needs nft")
    def test_flushed(self):
        """What somebody has flushed is put back by reload, or by the next start; connections go on meanwhile."""
        self.network("flushed")
        self.start("web", "-p", "8407:80", serve=[80])
        self.start("far", "--network", "flushed", "-p", "8408:80", serve=[80])
        whole = ruleset().replace(",", "")
        for restore in (lambda: self.scow("network", "reload"), lambda: self.run_ok("base", "true")):
            for damage in ["flush", "ruleset"], ["flush", "table", "inet", "scow"], ["delete", "table", "bridge", "scow"]:
                by_start = "run_ok" in restore.__code__.co_names
                if by_start and damage != ["flush", "ruleset"]:
                    continue # it looks only whether its network is known
                wire.run("nft", *damage)
                done = restore()
                self.assertEqual(getattr(done, "returncode", 0), 0, done)
                # The address of the container that noticed stays known, until its network goes.
                missing = collections.Counter(whole.split()) - collections.Counter(ruleset().replace(",", "").split())
                self.assertEqual(missing, collections.Counter(), damage)
                for name, port in ("web", 8407), ("far", 8408):
                    self.assertEqual(wire.ask(HOST.ours, port, HOST.pid).split()[0], name)

    @unittest.skipUnless(NFT, "needs nft")
    def test_two_stores(self):
        """Two stores share the tables, and neither takes away what is the other's; each puts back its own."""
        other = ["--root", f"{self.WORK}/other"]
        self.assertEqual(self.scow(*other, "load", "-q", "-i", f"{self.WORK}/base.tar").returncode, 0)
        self.addCleanup(shutil.rmtree, f"{self.WORK}/other", True)
        self.start("web", "-p", "8411:80", serve=[80])
        done = self.scow(*other, "run", "-d", "--name", "web", "-p", "8412:80", "base", "sleep", "1000")
        self.assertEqual(done.returncode, 0, done.stderr)
        pid = int(self.scow(*other, "inspect", "-f", "{{.State.Pid}}", "web").stdout)
        self.serve("other", 80, pid)
        self.assertEqual(wire.ask(HOST.ours, 8412, HOST.pid).split()[0], "other")
        self.assertEqual(wire.ask(self.address("web"), 80, pid, timeout=wire.SILENCE), "nothing")
        wire.run("nft", "flush", "ruleset")
        for args in [], other:
            self.assertEqual(self.scow(*args, "run", "--rm", "base", "true").returncode, 0)
        self.assertEqual(wire.ask(HOST.ours, 8411, HOST.pid).split()[0], "web")
        self.assertEqual(wire.ask(HOST.ours, 8412, HOST.pid).split()[0], "other")
        self.assertEqual(self.scow(*other, "rm", "-f", "web").returncode, 0)
        self.assertEqual(self.scow(*other, "network", "prune", "-f").returncode, 0)
        self.assertEqual(wire.ask(HOST.ours, 8411, HOST.pid).split()[0], "web")

    def test_disconnected(self):
        """Ports follow the way out."""
        self.network("first")
        self.network("second")
        pid = self.start("web", "--network", "first", "--network", "second", "-p", "8409:80", serve=[80])
        self.assertEqual(wire.ask(HOST.ours, 8409, HOST.pid), f"web {HOST.address}")
        self.assertEqual(self.scow("network", "disconnect", "first", "web").returncode, 0)
        self.assertEqual(wire.ask(HOST.ours, 8409, HOST.pid), f"web {HOST.address}")
        self.assertEqual(self.scow("network", "disconnect", "second", "web").returncode, 0)
        self.assertNotEqual(wire.ask(HOST.ours, 8409, HOST.pid, timeout=wire.SILENCE).split()[0], "web")
        self.assertEqual(self.scow("network", "connect", "first", "web").returncode, 0)
        self.assertEqual(wire.ask(HOST.ours, 8409, HOST.pid), f"web {HOST.address}")
        self.assertTrue(pid)


if __name__ == "__main__":
    unittest.main()
