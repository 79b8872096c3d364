#!/usr/bin/env python3
"""Networks on the command line: addresses, several at once, live changes, restarts, and what comes of kills and of others' meddling."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cli  # noqa: E402

ROOT = os.geteuid() == 0


def setUpModule():
    if not ROOT:
        raise unittest.SkipTest("networks of one's own need root")
    cli.Cli.WORK = cli.make_work("network-test.")


def tearDownModule():
    if ROOT:
        shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


def ip(*args):
    return subprocess.run(["ip", *args], capture_output=True, text=True)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


class Network(cli.Cli):
    def ok(self, *args):
        return super().ok(*args).strip()

    def make(self, name, *flags):
        self.ok("network", "create", *flags, name)
        self.addCleanup(self.scow, "network", "rm", "-f", name)
        return json.loads(self.ok("network", "inspect", name))[0]

    def sleeper(self, name, *flags):
        self.ok("run", "-d", "--name", name, *flags, "base", "sleep", "1000")
        self.addCleanup(self.scow, "rm", "-f", name)

    def inside(self, name, *words):
        return self.ok("exec", name, *words)

    def networks(self, name):
        return json.loads(self.ok("inspect", name))[0]["NetworkSettings"]["Networks"]


class Objects(Network):
    def test_list_and_inspect(self):
        self.make("uno", "--subnet", "10.70.0.0/16", "--ip-range", "10.70.5.0/24", "--gateway", "10.70.0.9", "--aux-address", "router=10.70.5.1",
                  "--label", "a=b", "--internal", "--opt", "com.docker.network.driver.mtu=1400")
        one = json.loads(self.ok("network", "inspect", "uno"))[0]
        self.assertEqual(one["IPAM"]["Config"], [{"Subnet": "10.70.0.0/16", "IPRange": "10.70.5.0/24", "Gateway": "10.70.0.9",
                                                  "AuxiliaryAddresses": {"router": "10.70.5.1"}}])
        self.assertEqual((one["Internal"], one["Labels"], one["Options"]), (True, {"a": "b"}, {"com.docker.network.driver.mtu": "1400"}))
        self.assertEqual(self.ok("network", "ls", "--format", "{{.Name}} {{.Driver}}", "--filter", "label=a=b"), "uno bridge")
        self.assertEqual(self.ok("network", "ls", "-q", "--filter", "name=uno"), one["Id"][:12])
        self.sleeper("inside", "--network", "uno")
        # Neither the range's first, which is nobody's, nor the one that is kept; no way out; the MTU is asked for.
        self.assertIn("inet 10.70.5.0/16", self.inside("inside", "ip", "addr", "show", "eth0"))
        self.assertNotIn("default", self.inside("inside", "ip", "route"))
        self.assertIn("mtu 1400", self.inside("inside", "ip", "link", "show", "eth0"))
        self.sleeper("second", "--network", "uno")
        self.assertEqual(self.networks("second")["uno"]["IPAddress"], "10.70.5.2")
        self.fails("is reserved for 'router'", "run", "--rm", "--network", "uno", "--ip", "10.70.5.1", "base", "true")
        self.fails("in use by container", "network", "rm", "uno")
        self.assertEqual(self.ok("ps", "--format", "{{.Names}}", "--filter", "network=uno").split(), ["second", "inside"])
        self.assertEqual(self.ok("ps", "--format", "{{.Networks}}", "--filter", "name=second"), "uno")

    def test_events(self):
        since = str(time.time())
        self.ok("network", "create", "noted")
        self.ok("run", "--rm", "--name", "passing", "--network", "noted", "base", "true")
        self.ok("network", "rm", "noted")
        events = self.ok("events", "--since", since, "--until", str(time.time()), "--format", "{{.Type}} {{.Action}}").split("\n")
        self.assertEqual(events, ["network create", "container create", "network connect", "container start", "container die",
                                  "network disconnect", "container destroy", "network destroy"])
        events = self.ok("events", "--since", since, "--until", str(time.time()), "--filter", "type=network", "--filter", "event=connect",
                         "--format", "{{json .Actor.Attributes}}")
        attributes = json.loads(events)
        self.assertEqual((attributes["name"], attributes["type"], len(attributes["container"])), ("noted", "bridge", 64))

    def test_prune(self):
        self.make("used")
        self.make("unused")
        self.sleeper("user", "--network", "used")
        self.assertEqual(self.ok("network", "prune", "-f").split("\n"), ["Deleted Networks:", "unused"])
        self.ok("rm", "-f", "user")
        self.assertIn("used", self.ok("network", "prune", "-f"))
        # What the default network has on the host goes, too, and comes again.
        self.assertNotEqual(ip("link", "show", "scow0").returncode, 0)
        self.run_ok("base", "ping", "-c", "1", "-W", "5", "172.17.0.1")
        self.assertEqual(ip("link", "show", "scow0").returncode, 0)

    def test_ipv6(self):
        both = self.make("both", "--ipv6")
        prefix = both["IPAM"]["Config"][1]["Subnet"]
        self.assertRegex(prefix, r"^fd[0-9a-f:]+/64$")
        self.sleeper("six", "--network", "both")
        address = self.networks("six")["both"]["GlobalIPv6Address"]
        self.assertEqual(address, prefix.replace("/64", "2"))
        self.run_ok("--network", "both", "base", "ping", "-6", "-c", "1", "-W", "5", address)
        self.make("only", "--ipv4=false", "--subnet", "fd77::/64")
        out = self.run_ok("--network", "only", "base", "sh", "-c", "ip -o addr show eth0; ip -6 route")
        self.assertIn("fd77::2/64", out)
        self.assertIn("default via fd77::1", out)
        self.assertNotIn("inet ", out)

    def test_macvlan(self):
        ip("link", "add", "parent0", "type", "veth", "peer", "name", "outside0")
        self.addCleanup(ip, "link", "del", "parent0")
        ip("link", "set", "parent0", "up")
        ip("link", "set", "outside0", "up")
        ip("addr", "add", "10.71.0.1/24", "dev", "outside0")
        self.fails("parent: there is no link 'nowhere0'", "network", "create", "-d", "macvlan", "--subnet", "10.71.0.0/24", "-o", "parent=nowhere0", "far")
        done = self.scow("network", "create", "-d", "macvlan", "--subnet", "10.71.0.0/24", "--gateway", "10.71.0.1", "-o", "parent=parent0", "lan")
        if "this kernel has no macvlan" in done.stderr:
            self.skipTest("this kernel has no macvlan")
        self.assertEqual(done.stderr, "")
        self.addCleanup(self.scow, "network", "rm", "-f", "lan")
        self.run_ok("--network", "lan", "base", "ping", "-c", "1", "-W", "5", "10.71.0.1")

    def test_refused(self):
        self.fails("no such network: 'nowhere'", "run", "--rm", "--network", "nowhere", "base", "true")
        self.fails("the network 'bridge' has no names", "run", "--rm", "--network-alias", "db", "base", "true")
        self.fails("'10.1' is not an address", "run", "--rm", "--ip", "10.1", "base", "true")
        self.fails("there is no key 'colour'", "run", "--rm", "--network", "name=bridge,colour=red", "base", "true")
        self.fails("this version has no ipvlan" if os.path.isdir("/sys/module/ipvlan") else "ipvlan", "network", "create", "-d", "ipvlan",
                   "--subnet", "10.72.0.0/24", "-o", "parent=lo", "vlan")


class Several(Network):
    def test_subnets_of_the_host(self):
        """What the host has a route to, or an address of, is nobody's default, and refused where it is asked for."""
        ip("link", "add", "far", "type", "bridge")
        self.addCleanup(ip, "link", "del", "far")
        ip("link", "set", "far", "up")
        ip("addr", "add", "172.19.3.4/24", "dev", "far")
        taken = json.loads(self.ok("network", "inspect", "bridge"))[0]["IPAM"]["Config"][0]["Subnet"]
        ip("route", "add", "172.18.128.0/17", "dev", "far")
        chosen = [self.make(name)["IPAM"]["Config"][0]["Subnet"] for name in ("one-more", "another")]
        self.assertEqual(chosen, [f"172.{n}.0.0/16" for n in (17, 20, 21, 22) if f"172.{n}.0.0/16" != taken][:2])
        for subnet in "172.18.0.0/16", "172.19.3.0/25":
            self.fails(f"the subnet {subnet} overlaps with one in use by", "network", "create", "--subnet", subnet, "no")

    def test_gateway_and_names(self):
        self.make("left", "--subnet", "10.73.0.0/24")
        self.make("right", "--subnet", "10.74.0.0/24")
        self.sleeper("middle", "--network", "left", "--network", "name=right,gw-priority=5,interface=wan,mac-address=02:aa:00:00:00:01,ip=10.74.0.44")
        self.assertIn("default via 10.74.0.1 dev wan", self.inside("middle", "ip", "route"))
        self.assertIn("02:aa:00:00:00:01", self.inside("middle", "ip", "link", "show", "wan"))
        self.assertEqual(self.networks("middle")["right"]["IPAddress"], "10.74.0.44")
        self.ok("network", "disconnect", "right", "middle")
        self.assertIn("default via 10.73.0.1 dev eth0", self.inside("middle", "ip", "route"))
        self.ok("network", "connect", "--ip", "10.74.0.45", "--gw-priority", "1", "right", "middle")
        self.assertIn("default via 10.74.0.1", self.inside("middle", "ip", "route"))
        self.assertEqual(sorted(self.networks("middle")), ["left", "right"])

    def test_sysctls_of_interfaces(self):
        self.make("tuned", "--opt", "com.docker.network.container_iface_prefix=net")
        script = "cat /proc/sys/net/ipv4/conf/net0/log_martians /proc/sys/net/ipv4/conf/net0/rp_filter"
        option = "driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1"
        out = self.run_ok("--network", f"name=tuned,{option}", "--sysctl", "net.ipv4.conf.net0.rp_filter=2", "base", "sh", "-c", script)
        self.assertEqual(out, "1\n2\n")
        self.ok("run", "-d", "--name", "tuned", "--network", f"name=tuned,{option}", "base", "sh", "-c", script)
        self.addCleanup(self.scow, "rm", "-f", "tuned")
        self.ok("wait", "tuned")
        self.assertTrue(self.ok("logs", "tuned").startswith("1\n"))
        self.fails("there is no option 'com.docker.network.endpoint.colour'", "run", "--rm", "--network",
                   "name=tuned,driver-opt=com.docker.network.endpoint.colour=red", "base", "true")

    def test_shared(self):
        self.sleeper("owner")
        own = self.inside("owner", "ip", "-4", "-o", "addr", "show", "eth0")
        self.assertEqual(self.run_ok("--network", "container:owner", "base", "ip", "-4", "-o", "addr", "show", "eth0").strip(), own)
        self.assertEqual(self.run_ok("--network", "none", "base", "ls", "/sys/class/net").split(), ["lo"])
        self.assertIn("scow0", self.run_ok("--network", "host", "base", "ls", "/sys/class/net").split())

    def test_without_icc(self):
        self.make("apart", "-o", "com.docker.network.bridge.enable_icc=false", "--subnet", "10.75.0.0/24")
        self.sleeper("neighbour", "--network", "apart", "--ip", "10.75.0.20")
        out = self.run_ok("--network", "apart", "base", "sh", "-c", "ping -c1 -W5 10.75.0.1 >/dev/null && echo host; ping -c1 -W1 10.75.0.20 >/dev/null || echo alone")
        self.assertEqual(out, "host\nalone\n")


class Lives(Network):
    def test_restart_keeps_the_address(self):
        self.make("steady", "--subnet", "10.76.0.0/24")
        self.ok("run", "-d", "--name", "again", "--restart", "on-failure:2", "--network", "steady", "base", "sh", "-c",
                "ip -4 -o addr show eth0; ping -c1 -W5 10.76.0.1 >/dev/null && echo reached; exit 1")
        self.addCleanup(self.scow, "rm", "-f", "again")
        self.ok("wait", "again")
        lines = self.ok("logs", "again").split("\n")
        self.assertEqual((len([x for x in lines if "10.76.0.2/24" in x]), lines.count("reached")), (3, 3), lines)

    def test_change_between_restarts(self):
        self.make("first", "--subnet", "10.77.0.0/24")
        self.make("other", "--subnet", "10.78.0.0/24")
        self.ok("run", "-d", "--name", "looping", "--restart", "always", "--network", "first", "base", "sh", "-c",
                "ip -4 -o addr; trap 'exit 1' TERM; while :; do sleep 0.05; done")
        self.addCleanup(self.scow, "rm", "-f", "looping")
        self.ok("network", "connect", "other", "looping")
        self.ok("network", "disconnect", "first", "looping")
        self.inside("looping", "kill", "-TERM", "1")
        self.assertTrue(wait_for(lambda: "RestartCount\": 1" in self.ok("inspect", "looping") and "10.78.0.2" in self.ok("logs", "looping")))
        self.assertNotIn("10.77.", self.inside("looping", "ip", "-4", "-o", "addr"))

    def test_failed_connect(self):
        """All of it is taken back, also what its supervisor would do at the next restart."""
        self.make("kept", "--subnet", "10.81.0.0/24")
        self.make("failed", "--subnet", "10.82.0.0/24")
        self.ok("run", "-d", "--name", "full", "--restart", "always", "--cap-add", "NET_ADMIN", "--network", "kept", "base", "sh", "-c",
                "ip -4 -o addr; ip link add eth1 type bridge; echo ready; trap 'exit 1' TERM; while :; do sleep 0.05; done")
        self.addCleanup(self.scow, "rm", "-f", "full")
        self.assertTrue(wait_for(lambda: "ready" in self.ok("logs", "full")))
        self.fails("make or change a link", "network", "connect", "failed", "full")
        self.assertEqual(list(self.networks("full")), ["kept"])
        self.inside("full", "kill", "-TERM", "1")
        self.assertTrue(wait_for(lambda: self.ok("logs", "full").count("ready") == 2))
        self.assertNotIn("10.82.", self.ok("logs", "full"))
        self.inside("full", "ip", "link", "del", "eth1")
        self.ok("network", "connect", "failed", "full")
        self.assertIn("10.82.0.2", self.inside("full", "ip", "-4", "-o", "addr", "show", "eth1"))

    def test_killed_supervisor(self):
        self.make("tiny", "--subnet", "10.79.0.0/30")
        self.sleeper("victim", "--network", "tiny")
        pid = int(self.ok("inspect", "--format", "{{.State.Pid}}", "victim"))
        parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(parent, signal.SIGKILL)
        self.assertTrue(wait_for(lambda: not os.path.exists(f"/proc/{pid}")))
        self.assertIn("10.79.0.2", self.run_ok("--network", "tiny", "base", "ip", "addr"))

    def test_bridge_is_made_again(self):
        made = self.make("broken", "--subnet", "10.80.0.0/24")
        self.run_ok("--network", "broken", "base", "true")
        ip("link", "del", made["Interface"])
        self.run_ok("--network", "broken", "base", "ping", "-c", "1", "-W", "5", "10.80.0.1")
        # One of somebody else's under that name is left alone.
        ip("link", "del", made["Interface"])
        ip("link", "add", made["Interface"], "type", "bridge")
        ip("link", "set", made["Interface"], "up")
        self.fails("a link of that name is there, which is not ours", "run", "--rm", "--network", "broken", "base", "true")
        self.ok("network", "rm", "broken")
        self.assertEqual(ip("link", "del", made["Interface"]).returncode, 0)

    def test_two_stores(self):
        """Both choose before either has a bridge: the second one starts, with another link and another subnet."""
        self.ok("network", "prune", "-f")
        first, second = ({**self.env, "SCOW_ROOT": f"{self.WORK}/store-{i}"} for i in (1, 2))
        for env in first, second:
            self.assertEqual(self.scow("load", "-q", "-i", f"{self.WORK}/base.tar", env=env).returncode, 0)
            out = self.scow("network", "inspect", "bridge", "--format", "{{.Interface}} {{json .IPAM.Config}}", env=env).stdout
            self.assertIn('scow0 [{"Subnet":"172.17.0.0/16"', out)
        for env, gateway in (first, "172.17.0.1"), (second, "172.18.0.1"), (first, "172.17.0.1"):
            done = self.scow("run", "--rm", "base", "sh", "-c", f"ping -c1 -W5 {gateway} >/dev/null && ip route", env=env)
            self.assertIn(f"default via {gateway}", done.stdout, done)
        for env in first, second:
            self.scow("network", "prune", "-f", env=env)
            shutil.rmtree(env["SCOW_ROOT"])

    def test_deleted_store(self):
        """What a store whose directory was deleted has left is taken away by a prune of another's, or by one in the same place."""
        self.ok("network", "prune", "-f")
        root = f"{self.WORK}/deleted"
        env = {**self.env, "SCOW_ROOT": root}

        def fill():
            for words in (["load", "-q", "-i", f"{self.WORK}/base.tar"], ["network", "create", "--subnet", "10.82.0.0/24", "mine"],
                          ["run", "--rm", "base", "true"], ["run", "--rm", "--network", "mine", "base", "true"]):
                self.assertEqual(self.scow(*words, env=env).returncode, 0)
            return [link["ifname"] for link in json.loads(ip("-j", "link", "show", "type", "bridge").stdout)]

        bridges = fill()
        self.assertEqual(len(bridges), 2)
        self.ok("network", "prune", "-f")
        self.assertEqual([ip("link", "show", name).returncode for name in bridges], [0, 0]) # the store is there
        shutil.rmtree(root)
        # One that has ports is somebody's.
        ip("link", "add", "someones", "type", "veth")
        self.addCleanup(ip, "link", "del", "someones")
        ip("link", "set", "someones", "master", bridges[0])
        self.ok("network", "prune", "-f")
        self.assertEqual([ip("link", "show", name).returncode for name in bridges], [0, 1])
        ip("link", "set", "someones", "nomaster")
        self.ok("system", "prune", "-f")
        self.assertNotEqual(ip("link", "show", bridges[0]).returncode, 0)
        if shutil.which("nft"):
            self.assertNotIn("scow", subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout)
        bridges = fill()
        shutil.rmtree(root)
        self.assertEqual(sorted(fill())[1], "scow0") # and not beside the old one
        for name in set(bridges) - {"scow0"}:
            self.assertNotEqual(ip("link", "show", name).returncode, 0)
        self.scow("network", "prune", "-f", env=env)
        shutil.rmtree(root)

    def test_forwarding_is_given_back(self):
        forward = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
        before = forward.read_text()
        self.addCleanup(forward.write_text, before)
        for own, others, after in ("0", 0, "0"), ("0", 1, "0"), ("0", 2, "1"), ("1", 0, "1"):
            self.ok("network", "prune", "-f")
            forward.write_text(own)
            for i in range(others):
                ip("link", "add", f"other{i}", "type", "bridge")
                ip("link", "set", f"other{i}", "up")
            self.run_ok("base", "true")
            self.assertEqual(forward.read_text().strip(), "1")
            self.ok("network", "prune", "-f")
            self.assertEqual(forward.read_text().strip(), after, (own, others))
            for i in range(others):
                ip("link", "del", f"other{i}")

    def test_removed_network(self):
        self.make("gone")
        self.ok("create", "--name", "orphan", "--network", "gone", "base", "true")
        self.addCleanup(self.scow, "rm", "-f", "orphan")
        self.ok("network", "rm", "gone")
        self.fails("no such network", "start", "orphan")
        self.assertEqual(json.loads(self.ok("inspect", "orphan"))[0]["HostConfig"]["NetworkMode"], "gone")

    def test_many(self):
        self.make("crowd", "--subnet", "10.81.0.0/24")
        begun = [subprocess.Popen([cli.SCOW, "run", "-d", "--name", f"one-{i}", "--network", "crowd", "base", "sleep", "1000"], env=self.env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for i in range(40)]
        self.assertEqual([(p.wait(), p.stderr.read()) for p in begun], [(0, "")] * 40)
        for p in begun:
            p.stderr.close()
        containers = json.loads(self.ok("network", "inspect", "crowd"))[0]["Containers"].values()
        self.assertEqual(len({c["IPv4Address"] for c in containers}), 40)
        self.ok("rm", "-f", *(f"one-{i}" for i in range(40)))
        self.assertEqual(json.loads(self.ok("network", "inspect", "crowd"))[0]["Containers"], {})


class Examples(Network):
    """Programs of examples/, which use the default store: here one of a mount namespace."""
    def example(self, name):
        program = pathlib.Path(cli.SCOW).resolve().parents[1] / name
        script = f"mount -t tmpfs tmpfs /var/lib && {cli.SCOW} load -q -i {self.WORK}/base.tar >/dev/null && {program} base && {cli.SCOW} ps -aq"
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout

    def test_two_on_a_network(self):
        self.ok("network", "prune", "-f")
        self.assertRegex(self.example("two_on_a_network"), r"\Athe server is at 172\.\d+\.0\.2\nthe client got: hello from server\n\Z")
        self.assertEqual(json.loads(ip("-j", "link", "show", "type", "bridge").stdout), [])

    def test_dial(self):
        self.assertEqual(self.example("dial"), "the container said: asked\nand echoed: echo\n")


if __name__ == "__main__":
    unittest.main()
