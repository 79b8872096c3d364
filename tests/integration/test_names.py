#!/usr/bin/env python3
"""Names on networks: who finds whom, what is asked of servers outside, what is left when the responder is killed, and hostile askers.

SCOW names the program under test (default: build/examples/scow/scow). All of it is in a network namespace of the test's own.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402
import dns  # noqa: E402

WORK = None
SERVER = None


def setUpModule():
    global WORK, SERVER
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")
    dns.private_network()
    WORK = cli.make_work("names-test.")
    Names.WORK = WORK
    SERVER = dns.Server("127.0.0.53")


def tearDownModule():
    if WORK:
        shutil.rmtree(WORK, ignore_errors=True)


def all_responders():
    """Of this network namespace, as (pid of the first process, pid of the second or None). stand_in() has the third."""
    inodes = {line.split()[6] for line in pathlib.Path("/proc/net/unix").read_text().splitlines() if re.search(r"/fd/\d+/listen-", line)}
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = pathlib.Path(f"/proc/{entry}/comm").read_text().strip()
            if name.startswith("scow-names"):
                stat = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                links = {os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")} if name == "scow-names" else set()
                found[int(entry)] = (name, int(stat[1]), links)
        except OSError:
            continue
    return [(first, next((pid for pid, (name, parent, _) in found.items() if parent == first and name == "scow-names-dns"), None))
            for first, (name, above, links) in found.items()
            if any(f"socket:[{inode}]" in links for inode in inodes) and above not in found]  # or it has just been forked


def stand_in(first):
    children = pathlib.Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return next((int(pid) for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "scow-names-next\n"), None)


def responder():
    """The only one; None: there is none."""
    found = all_responders()
    assert len(found) < 2, found
    return found[0] if found else None


def kill_all(first):
    """The stand-in before whom it stands in for, and none of them while another is being made."""
    os.kill(first, signal.SIGSTOP)
    for pid in stand_in(first), first:
        if pid:
            os.kill(pid, signal.SIGKILL)


class Names(cli.Cli):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, flags in ("front", ()), ("back", ("--ipv6",)), ("inner", ("--internal",)):
            done = cls.scow("network", "create", *flags, name)
            assert done.returncode == 0, done

    @classmethod
    def tearDownClass(cls):
        for name in cls.scow("ps", "-aq").stdout.split():
            cls.scow("rm", "-f", name)
        for name in "front", "back", "inner":
            cls.scow("network", "rm", name)
        super().tearDownClass()

    def detach(self, name, *flags, network="front", command=("sleep", "1000"), server="127.0.0.53"):
        """A running container; who asks from inside it."""
        self.addCleanup(self.scow, "rm", "-f", name)
        done = self.scow("run", "-d", "--name", name, "--network", network, "--dns", server, *flags, "base", *command)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return dns.Client(self.inspect(name)["State"]["Pid"])

    def inspect(self, name):
        return json.loads(self.scow("inspect", name).stdout)[0]

    def address(self, name, network="front"):
        return self.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"]

    # ---- who finds whom ----

    def test_names(self):
        web, db = self.detach("web"), self.detach("Db", "--network-alias", "db", "--hostname", "Box.example.org")
        theirs, before = self.address("Db"), len(SERVER.names())
        for name in "Db", "db", "DB.", "db.front", self.inspect("Db")["Id"][:12], "box.example.org":
            answer = web.ask(name)
            self.assertEqual((answer.code, answer.records, answer.ttls), (dns.OK, [theirs], [600]), name)
        self.assertEqual(db.addresses("web"), [self.address("web")])
        self.assertEqual(web.addresses("web"), [self.address("web")])
        self.assertEqual(web.ask_tcp("db", "web")[1].records, [self.address("web")])
        # No address of the kind: nobody else is asked.
        for kind in dns.AAAA, dns.MX, dns.TXT:
            answer = web.ask("db", kind)
            self.assertEqual((answer.code, answer.records), (dns.OK, []))
        self.assertFalse({"db", "Db", "web"} & set(SERVER.names()[before:]))
        reverse = ".".join(reversed(theirs.split("."))) + ".in-addr.arpa"
        self.assertEqual(web.ask(reverse, dns.PTR).records, ["db.front"])
        # As programs do it.
        self.assertIn(theirs, self.scow("exec", "web", "nslookup", "db").stdout)
        self.assertEqual(self.scow("exec", "web", "ping", "-c1", "-w5", theirs).returncode, 0)

    def test_networks_are_apart(self):
        web, other = self.detach("web"), self.detach("other", network="back")
        self.assertEqual(web.ask("other.back").records, ["192.0.2.1"])  # what somebody outside says
        self.assertEqual(other.addresses("other.back"), [self.address("other", "back")])
        reverse = ".".join(reversed(self.address("other", "back").split("."))) + ".in-addr.arpa"
        self.assertNotEqual(web.ask(reverse, dns.PTR).records, ["other.back"])

    def test_aliases(self):
        """One alias of several containers: each of their addresses has its turn to be first."""
        web = self.detach("web")
        self.detach("one", "--network-alias", "Pool", "--network-alias", "db.local")
        self.detach("two", "--network-alias", "pool")
        both = sorted([self.address("one"), self.address("two")])
        answers = [web.ask("pool").records for _ in range(10)]
        self.assertEqual({tuple(sorted(records)) for records in answers}, {tuple(both)})
        self.assertEqual([sum(records[0] == address for records in answers) for address in both], [5, 5])
        self.assertEqual(web.addresses("db.local"), [self.address("one")])
        self.assertEqual(web.addresses("db.local.front"), [self.address("one")])

    def test_links(self):
        """Another's private name: in DNS on a network with names, in /etc/hosts on the bridge, where it has to run."""
        self.detach("web")
        linked, web = self.detach("linked", "--link", "web:Frontend", "--link", "web"), self.address("web")
        self.assertEqual(linked.addresses("frontend"), [web])
        self.assertEqual(linked.addresses("web"), [web])
        self.assertEqual(self.detach("third").ask("frontend").records, ["192.0.2.1"])
        self.detach("old", network="bridge")
        hosts = self.run_ok("--network", "bridge", "--link", "old:db", "base", "cat", "/etc/hosts")
        self.assertIn(f"\n{self.address('old', 'bridge')}\tdb {self.inspect('old')['Id'][:12]} old\n", hosts)
        self.assertEqual(self.scow("kill", "old").returncode, 0)
        self.until(lambda: not self.inspect("old")["State"]["Running"])
        self.run_fails(125, "cannot link to container 'old': it does not run on network 'bridge'", "--network", "bridge", "--link",
                       "old:db", "base", "true")

    def test_ipv6(self):
        six = self.detach("six", network="back")
        networks = self.inspect("six")["NetworkSettings"]["Networks"]["back"]
        self.assertEqual(six.addresses("six", dns.AAAA), [networks["GlobalIPv6Address"]])
        self.assertEqual(six.addresses("six", dns.ANY), sorted([networks["IPAddress"], networks["GlobalIPv6Address"]]))
        digits = socket.inet_pton(socket.AF_INET6, networks["GlobalIPv6Address"]).hex()
        self.assertEqual(six.ask(".".join(reversed(digits)) + ".ip6.arpa", dns.PTR).records, ["six.back"])

    def etc(self, name, path):
        return self.scow("exec", name, "cat", path).stdout

    def test_connect(self):
        """While it runs: to its first network with names, to a second, and away again."""
        late = self.detach("late", network="bridge")
        web = self.detach("web")
        self.assertIn("nameserver 127.0.0.53\n", self.etc("late", "/etc/resolv.conf"))
        self.assertEqual(web.ask("late").records, ["192.0.2.1"])
        self.assertEqual(self.scow("network", "connect", "--alias", "also", "front", "late").stderr, "")
        theirs = self.address("late")
        for name in "late", "also":
            self.assertEqual(web.addresses(name), [theirs])
        self.assertEqual(late.addresses("web"), [self.address("web")])
        self.assertEqual(late.ask_tcp("web")[0].records, [self.address("web")])
        self.assertIn("nameserver 127.0.0.11\n", self.etc("late", "/etc/resolv.conf"))
        self.assertIn(f"\n{theirs}\t", self.etc("late", "/etc/hosts"))
        other = self.detach("other", network="back")
        self.assertEqual(self.scow("network", "connect", "back", "late").stderr, "")
        self.assertEqual(other.addresses("late"), [self.address("late", "back")])
        self.assertEqual(late.addresses("other"), [self.address("other", "back")])
        self.assertEqual(late.addresses("web"), [self.address("web")])
        self.assertEqual(self.scow("network", "disconnect", "front", "late").stderr, "")
        self.assertEqual(web.ask("late").records, ["192.0.2.1"])
        self.assertEqual(late.ask("web").records, ["192.0.2.1"])
        self.assertNotIn(f"\n{theirs}\t", self.etc("late", "/etc/hosts"))
        self.assertEqual(self.scow("network", "disconnect", "back", "late").stderr, "")
        self.assertEqual(other.ask("late").records, ["192.0.2.1"])
        self.assertIn("nameserver 127.0.0.53\n", self.etc("late", "/etc/resolv.conf"))

    def test_shared_network(self):
        """Who has another's network has its names, and its files; who has the host's has the host's."""
        self.detach("web")
        self.detach("db")
        out = self.run_ok("--network", "container:web", "base", "sh", "-c", "cat /etc/resolv.conf /etc/hostname; nslookup db 127.0.0.11")
        self.assertIn("nameserver 127.0.0.11\n", out)
        self.assertIn(self.inspect("web")["Config"]["Hostname"], out)
        self.assertIn(self.address("db"), out)
        self.run_fails(125, "conflicting options", "--network", "container:web", "--hostname", "x", "base", "true")
        for path in "/etc/resolv.conf", "/etc/hosts":
            self.assertEqual(self.run_ok("--network", "host", "base", "cat", path), pathlib.Path(path).read_text())
        self.assertEqual(self.run_ok("--network", "host", "--dns", "192.0.2.9", "--dns-search", ".", "--dns-option", "a", "base", "cat",
                                     "/etc/resolv.conf"), "nameserver 192.0.2.9\noptions a\n")

    def test_internal(self):
        inner, mate = self.detach("inner1", network="inner"), self.detach("mate", network="inner")
        self.assertEqual(inner.addresses("mate"), [self.address("mate", "inner")])
        self.assertEqual(mate.ask("inside.example.org").code, dns.FAILURE)
        self.assertNotIn("inside.example.org", SERVER.names())

    def test_rename(self):
        web = self.detach("web")
        self.detach("before")
        self.assertEqual(len(web.addresses("before")), 1)
        self.assertEqual(self.scow("rename", "before", "after").returncode, 0)
        self.addCleanup(self.scow, "rm", "-f", "after")
        self.assertEqual(web.addresses("after"), [self.address("after")])
        self.assertEqual(web.ask("before").records, ["192.0.2.1"])

    def test_end(self):
        web = self.detach("web")
        self.detach("brief")
        self.assertEqual(len(web.addresses("brief")), 1)
        self.assertEqual(self.scow("rm", "-f", "brief").returncode, 0)
        self.until(lambda: web.ask("brief").records == ["192.0.2.1"], "a container that ended is found")

    def test_restarts(self):
        """A supervisor's next run has its names again, and the sockets of its new network namespace."""
        web = self.detach("web")
        again = self.detach("again", "--restart", "always")
        os.kill(again.pid, signal.SIGKILL)
        pid = self.until(lambda: self.inspect("again")["State"]["Pid"] not in (0, again.pid) and self.inspect("again")["State"]["Pid"])
        again = dns.Client(pid)
        self.until(lambda: web.addresses("again") == [self.address("again")])
        self.assertEqual(again.addresses("web"), [self.address("web")])
        # Also on the network that it came to meanwhile, and by its new name.
        other = self.detach("other", network="back")
        self.assertEqual(self.scow("network", "connect", "back", "again").stderr, "")
        self.assertEqual(self.scow("rename", "again", "renewed").stderr, "")
        self.addCleanup(self.scow, "rm", "-f", "renewed")
        os.kill(pid, signal.SIGKILL)
        pid = self.until(lambda: self.inspect("renewed")["State"]["Pid"] not in (0, pid) and self.inspect("renewed")["State"]["Pid"])
        self.until(lambda: other.addresses("renewed") == [self.address("renewed", "back")])
        self.assertEqual(dns.Client(pid).addresses("other"), [self.address("other", "back")])

    def test_user_namespace(self):
        web = self.detach("web")
        mapped = self.detach("mapped", "--userns", "private", "--restart", "always")
        self.assertEqual(mapped.addresses("web"), [self.address("web")])
        os.kill(mapped.pid, signal.SIGKILL)
        pid = self.until(lambda: self.inspect("mapped")["State"]["Pid"] not in (0, mapped.pid) and self.inspect("mapped")["State"]["Pid"])
        self.until(lambda: web.addresses("mapped") == [self.address("mapped")])
        self.assertEqual(dns.Client(pid).addresses("web"), [self.address("web")])

    def test_own_server(self):
        """Port 53 of all addresses is the container's own."""
        web = self.detach("web")
        with dns.inside(web.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as own:
            own.bind(("0.0.0.0", 53))
            with dns.inside(web.pid, socket.socket) as listener:
                listener.bind(("0.0.0.0", 53))
                listener.listen(1)
                self.assertEqual(web.addresses("web"), [self.address("web")])
                self.assertEqual(web.ask_tcp("web")[0].records, [self.address("web")])
                with dns.inside(web.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asker:
                    asker.sendto(b"to me", ("127.0.0.1", 53))
                    self.assertEqual(own.recvfrom(100)[0], b"to me")

    # ---- names outside ----

    def test_forwarding(self):
        web = self.detach("web")
        self.assertEqual(web.ask("www.example.org").records, ["192.0.2.1"])
        self.assertEqual(web.ask("www.example.org", dns.AAAA).records, ["2001:db8::1"])
        self.assertEqual(web.ask("nothing.example.org").code, dns.NO_NAME)
        self.assertEqual(web.ask("refused.example.org").code, dns.REFUSED)
        cut = web.ask("big.example.org")
        self.assertEqual((cut.cut, cut.records), (True, []))
        self.assertEqual([len(answer.records) for answer in web.ask_tcp("big.example.org", "www.example.org")].count(200), 1)
        self.assertEqual(web.ask("evil.example.org").records, ["192.0.2.1"])
        web.ask("edns.example.org", edns=4096)
        query = next(seen[4] for seen in SERVER.seen if seen[0] == "edns.example.org")
        self.assertEqual(struct.unpack(">HH", query[-10:-6]), (41, 1232))

    def test_unguessable(self):
        web = self.detach("web")
        with web.udp() as one:
            one.settimeout(10)
            for i in range(40):
                one.send(dns.question(f"random{i}.example.org", ident=7))
                self.assertEqual(dns.Answer(one.recv(512)).ident, 7)
        seen = [entry for entry in SERVER.seen if entry[0].startswith("random")]
        self.assertGreater(len({entry[2] for entry in seen}), 35, "ids")
        self.assertGreater(len({entry[3][1] for entry in seen}), 35, "ports")

    def test_next_server(self):
        web = self.detach("web", "--dns", "127.0.0.53", server="127.0.0.99")
        self.assertEqual(web.ask("second.example.org").records, ["192.0.2.1"])
        self.assertEqual(web.ask_tcp("second.example.org")[0].records, ["192.0.2.1"])

    def test_silent_server(self):
        web = self.detach("web")
        self.assertEqual(web.ask("drop.example.org").code, dns.FAILURE)

    # ---- files ----

    def files(self, *flags):
        return self.run_ok(*flags, "base", "cat", "/etc/resolv.conf", "/etc/hosts")

    def test_files(self):
        first = ("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
                 "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
        out = self.files("--network", "front", "--dns", "127.0.0.53", "--dns", "192.0.2.9", "--dns-search", "a.test", "--dns-search",
                         "b.test", "--dns-option", "timeout:1", "--hostname", "box", "--domainname", "example.org", "--add-host",
                         "db:10.0.0.9", "--add-host", "six=[2001:db8::9]", "--add-host", "host:host-gateway")
        gateway = re.search(r"\n([0-9.]+)\thost\n", out).group(1)
        own = re.search(r"\n([0-9.]+)\tbox.example.org box\n$", out).group(1)
        self.assertEqual(out, "# Names of containers are answered here; others are asked of: 127.0.0.53 192.0.2.9\n"
                         "nameserver 127.0.0.11\nsearch a.test b.test\noptions timeout:1 ndots:0\n" + first +
                         f"10.0.0.9\tdb\n2001:db8::9\tsix\n{gateway}\thost\n{own}\tbox.example.org box\n")
        self.assertEqual(gateway.rsplit(".", 1)[1], "1")
        out = self.files("--network", "bridge", "--dns", "192.0.2.9", "--dns-search", ".", "--dns-option", "rotate")
        self.assertTrue(out.startswith("nameserver 192.0.2.9\noptions rotate\n" + first), out)

    def test_host_file(self):
        """The host's resolv.conf, in a mount namespace where it says what we like; its loopback servers are of no use on the bridge."""
        def run(network, host, real):
            script = ("mount -t tmpfs none /run && mkdir -p /run/systemd/resolve && printf %s \"$1\" >/run/host && "
                      "{ [ -z \"$2\" ] || printf %s \"$2\" >/run/systemd/resolve/resolv.conf; } && mount --bind /run/host /etc/resolv.conf && "
                      "shift 2 && exec \"$@\"")
            done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", host, real, cli.SCOW, "run", "--rm", "--network", network, "base",
                                   "cat", "/etc/resolv.conf"], env=self.env, capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            return done.stdout
        stub, real = "nameserver 127.0.0.53\nsearch stub.test\n", "nameserver 192.0.2.7\nsearch real.test\n"
        self.assertEqual(run("bridge", stub, real), real)
        self.assertEqual(run("bridge", stub, ""), "nameserver 8.8.8.8\nnameserver 8.8.4.4\nsearch stub.test\n")
        self.assertEqual(run("bridge", "nameserver 127.0.0.1\nnameserver 192.0.2.8\n", real), "nameserver 192.0.2.8\n")
        self.assertEqual(run("host", stub, real), stub)
        self.assertEqual(run("front", stub, real), "# Names of containers are answered here; others are asked of: 127.0.0.53\n"
                         "nameserver 127.0.0.11\nsearch stub.test\noptions ndots:0\n")

    def test_bad_flags(self):
        for flags, words in ((("--dns", "localhost"), "'localhost' is not an IP address"),
                             (("--dns-search", "a b"), "'a b' is not a domain"),
                             (("--add-host", "db"), "write it as NAME:ADDRESS"),
                             (("--add-host", "db:nowhere"), "neither an IP address nor 'host-gateway'"),
                             (("--network", "none", "--add-host", "h:host-gateway"), "the container has none")):
            self.run_fails(125, words, *flags, "base", "true")

    # ---- the responder's life ----

    def test_killed(self):
        web, _ = self.detach("web"), self.detach("db")
        theirs = self.address("db")
        first, second = self.until(responder)
        for _ in range(3):
            os.kill(second, signal.SIGKILL)
            self.assertEqual(web.addresses("db"), [theirs])
            first, second = self.until(lambda: all(responder() or [None]) and responder())
        # The third one is the first when that has ended, and knows as much; and it has a stand-in itself.
        for both in False, True, False:
            after = self.until(lambda: stand_in(first))
            os.kill(first, signal.SIGKILL)
            if both:
                os.kill(second, signal.SIGKILL)
            self.assertEqual(web.addresses("db"), [theirs])
            self.detach("late")
            self.assertEqual(web.addresses("late"), [self.address("late")])
            self.scow("rm", "-f", "late")
            first, second = self.until(lambda: all(responder() or [None]) and responder())
            self.assertEqual(first, after)
        after = self.until(lambda: stand_in(first))
        os.kill(after, signal.SIGKILL)
        self.until(lambda: stand_in(first) not in (after, None))
        # All of it: whoever starts next makes a new one, and all are served again.
        kill_all(first)
        self.until(lambda: responder() is None)
        with self.assertRaises(OSError):
            web.ask("db", timeout=1)
        self.assertEqual(self.run_ok("--network", "front", "base", "true"), "")
        self.assertEqual(web.addresses("db"), [theirs])
        self.assertEqual(web.ask_tcp("db")[0].records, [theirs])
        self.assertNotEqual(responder()[0], first)
        # Or whoever asks for it.
        kill_all(responder()[0])
        self.until(lambda: responder() is None)
        self.assertEqual(self.scow("network", "reload").stderr, "")
        self.assertEqual(web.addresses("db"), [theirs])

    def test_last_one_out(self):
        self.detach("web")
        self.until(lambda: responder())
        self.scow("rm", "-f", "web")
        self.until(lambda: responder() is None, "the responder stays")

    def test_contest(self):
        """Many want the first one at once: there is one."""
        self.until(lambda: responder() is None)
        runs = [self.spawn("run", "--rm", "--network", "front", "base", "sleep", "2", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                for _ in range(6)]
        self.until(lambda: responder() and responder()[1])
        for run in runs:
            self.assertEqual((run.wait(), run.stdout.read()), (0, ""))
        self.until(lambda: not all_responders())

    def test_owner_is_killed(self):
        web = self.detach("web")
        owned = self.spawn("run", "--rm", "--name", "owned", "--network", "front", "base", "sleep", "1000")
        self.until(lambda: len(web.ask("owned").records) == 1 and web.ask("owned").records != ["192.0.2.1"])
        owned.kill()
        self.until(lambda: web.ask("owned").records == ["192.0.2.1"])

    def test_small(self):
        """Two processes, each of some dozens of kilobytes."""
        web = self.detach("web")
        web.ask("www.example.org")
        for pid in self.until(lambda: responder()):
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            self.assertLess(int(re.search(r"Pss: +(\d+)", rollup).group(1)), 200, rollup)
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        # The one that reads what strangers send has no capability, and a filter.
        self.assertIn("CapEff:\t0000000000000000", status)
        self.assertIn("Seccomp:\t2", status)
        self.assertEqual(os.stat(f"{self.root}/names.sock").st_mode & 0o777, 0o600)

    # ---- hostile askers ----

    def test_flood(self):
        """One asks for what nobody answers, as fast as it can: others do not notice, and later it is heard again itself."""
        bad, good = self.detach("bad"), self.detach("good")
        theirs = self.address("bad")
        with bad.udp() as flood:
            flood.setblocking(False)
            for i in range(3000):
                try:
                    flood.send(dns.question(f"drop.flood{i}.test", ident=i))
                except OSError:
                    pass
            for _ in range(20):
                began = time.monotonic()
                self.assertEqual(good.addresses("bad"), [theirs])
                self.assertEqual(good.ask("www.example.org").records, ["192.0.2.1"])
                self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(good.ask_tcp("www.example.org")[0].records, ["192.0.2.1"])

    def test_connections(self):
        """Connections that never ask anything: another's are taken all the same."""
        bad, good = self.detach("bad"), self.detach("good")
        held = [bad.connect() for _ in range(30)]
        for one in held[::2]:
            one.sendall(b"\0")
        self.assertEqual(good.ask_tcp("bad")[0].records, [self.address("bad")])
        self.assertEqual(bad.addresses("good"), [self.address("good")])
        for one in held:
            one.close()
        self.assertEqual(bad.ask_tcp("good")[0].records, [self.address("good")])

    def test_connections_of_many(self):
        """Enough of them to take every place: who has fewest is taken all the same."""
        good = self.detach("good")
        bad = [self.detach(f"bad{i}") for i in range(16)]
        held = [one.connect() for one in bad for _ in range(16)]
        time.sleep(0.5)
        self.assertEqual(good.ask_tcp("bad3", "bad5")[1].records, [self.address("bad5")])
        for one in held:
            one.close()
        self.assertEqual(bad[7].ask_tcp("good")[0].records, [self.address("good")])

    def test_garbage(self):
        bad = self.detach("bad")
        good = dns.question("bad")
        with bad.udp() as one:
            for size in range(0, 600, 7):
                one.send(os.urandom(size))
            for at in range(len(good)):
                for value in 0, 0xc0, 0xff:
                    one.send(good[:at] + bytes([value]) + good[at + 1:])
                one.send(good[:at])
        for data in b"\0\0", b"\xff\xff" + b"x" * 100, b"\0\x05hello", struct.pack(">H", len(good)) + good[:5]:
            with bad.connect() as one:
                one.sendall(data)
        self.assertEqual(bad.addresses("bad"), [self.address("bad")])
        self.assertEqual(bad.ask_tcp(*["bad"] * 50)[49].records, [self.address("bad")])


if __name__ == "__main__":
    unittest.main()
