#!/usr/bin/env python3
"""Gbit/s between containers, to the host, and through a published port from another host, beside podman (netavark) and docker; and a plain
user's ways out, beside pasta(1) alone.

One run of iperf3 each, in turn, SCOW_BENCH_SECONDS (2) long. All of it is in network namespaces of its own; iperf3 is the host's, put into
the containers' network namespaces, so that the engines differ in their network alone. The other host is at the end of a veth pair.
"""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/support"), str(TOP / "tests/bench")]
import bench  # noqa: E402
import dns  # noqa: E402
import wire  # noqa: E402

SECONDS = os.environ.get("SCOW_BENCH_SECONDS", "2")
TURNS = 3
PORT = 5201


class Pair:
    """Two containers of an engine, the first of which has PORT published."""
    def __init__(self, name, run, pid_of, remove):
        self.name, self.remove = name, remove
        for which, more in ("one", ["-p", f"{PORT}:{PORT}"]), ("two", []):
            bench.sh(*run, "-d", "--name", which, *more, "base", "sleep", "1000")
        self.pids = [int(pid_of(which)) for which in ("one", "two")]
        self.addresses = [json.loads(wire.run("ip", "-j", "-4", "addr", "show", "eth0", pid=pid))[0]["addr_info"][0]["local"] for pid in self.pids]
        self.server = None

    def end(self):
        bench.sh(*self.remove, "one", "two")


def gbits(server, client, address, port=PORT):
    """iperf3 -s in one network namespace, -c in the other."""
    inside = lambda pid: ["nsenter", f"--net=/proc/{pid}/ns/net"] if pid else []  # noqa: E731
    listening = subprocess.Popen([*inside(server), "iperf3", "-s", "-1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if f":{port}" in wire.run("ss", "-Hltn", pid=server):
                break
            time.sleep(0.02)
        out = bench.sh(*inside(client), "timeout", str(int(SECONDS) + 10), "iperf3", "-J", "--connect-timeout", "3000", "-t", SECONDS, "-p", port,
                       "-c", address)
        report = json.loads(out)
        if "sum_received" not in report["end"]:
            raise RuntimeError(f"iperf3 to {address}: {report.get('error')}")
        return report["end"]["sum_received"]["bits_per_second"] / 1e9
    finally:
        listening.terminate()
        listening.wait()


def pairs(work, stack):
    """Name and maker of each engine's pair: they have the same port of the host, and so are there in turn."""
    scow = [bench.SCOW, "--root", f"{work}/scow"]
    bench.store(f"{work}/scow", work)
    yield "scow", lambda: Pair("scow", [*scow, "run"], lambda name: bench.sh(*scow, "inspect", "-f", "{{.State.Pid}}", name), [*scow, "rm", "-f"])
    if shutil.which("podman"):
        podman = bench.podman(f"{work}/podman")
        try:
            bench.sh(*podman, "load", "-q", "-i", f"{work}/base.tar")
        except RuntimeError as reason:
            print(f"podman is left out: {reason}")
        else:
            yield "podman", lambda: Pair("podman", [*podman, "run", *bench.LIMITS], lambda name: bench.sh(*podman, "inspect", "-f", "{{.State.Pid}}", name),
                                         [*podman, "rm", "-f", "-t0"])
    if shutil.which("dockerd"):
        os.makedirs(f"{work}/docker", exist_ok=True)
        try:
            docker = stack.enter_context(bench.dockerd(f"{work}/docker"))  # with its own bridge and rules, as it is by default
            bench.sh(*docker, "load", "-q", "-i", f"{work}/base.tar")
        except RuntimeError as reason:
            print(f"docker is left out: {reason}")
        else:
            yield "docker", lambda: Pair("docker", [*docker, "run"], lambda name: bench.sh(*docker, "inspect", "-f", "{{.State.Pid}}", name), [*docker, "rm", "-f"])


def measure(pair, outside):
    one, two = pair.pids
    return {
        "container to container": gbits(one, two, pair.addresses[0]),
        "container to host": gbits(None, two, outside.ours, PORT + 1), # one that is not published
        "container to another host": gbits(outside.pid, two, outside.address, PORT + 1),
        "published port, from another host": gbits(one, outside.pid, outside.ours),
        "published port, from the host by 127.0.0.1": gbits(one, None, "127.0.0.1"),
    }


def table(title, names, results):
    print(f"| {title} | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for path, speeds in results.items():
        print(f"| {path} | " + " | ".join(f"{statistics.median(speeds[name]):.1f}" if name in speeds else "-" for name in names) + " |", flush=True)


# ---- a plain user ----

USER = "scowbench"


@contextlib.contextmanager
def plain_user(work):
    """A user with subordinate ids, a store and a tun device that he may open. Words that make a command his."""
    home = f"{work}/home"
    bench.sh("userdel", "-f", USER, check=False)
    bench.sh("useradd", "--create-home", "--home-dir", home, USER)
    os.chmod(work, 0o755)
    try:
        os.mkdir(f"{work}/dev")
        bench.sh("mount", "-t", "tmpfs", "dev", f"{work}/dev")
        bench.sh("mknod", "-m", "666", f"{work}/dev/tun", "c", "10", "200")
        bench.sh("mount", "--bind", f"{work}/dev/tun", "/dev/net/tun", check=False)
        yield ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "env", "-C", home, f"HOME={home}", f"TMPDIR={home}"]
    finally:
        bench.sh("umount", "-l", "/dev/net/tun", check=False)
        bench.sh("umount", "-l", f"{work}/dev", check=False)
        bench.sh("userdel", "-f", USER, check=False)


def child_of(pid):
    """The last of its line, once that is there: pasta makes a process for its namespaces first."""
    for _ in range(100):
        for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                name, fields = status.read_text().split(" (", 1)[1].rsplit(") ", 1)
                if name == "sleep" and int(fields.split()[1]) == pid:
                    return int(status.parent.name)
        time.sleep(0.02)
    raise RuntimeError("pasta has not started its program")


def ways_out(user):
    """Name of each, and what starts it: the pid of a process in a network namespace that has a port published, and what ends it."""
    scow = [*user, bench.SCOW]

    def start_scow(network):
        def start(port):
            bench.sh(*scow, "rm", "-f", "one", check=False)
            bench.sh(*scow, "run", "-d", "--name", "one", "--network", network, "-p", f"{port}:{port}", "base", "sleep", "1000")
            return int(bench.sh(*scow, "inspect", "-f", "{{.State.Pid}}", "one")), lambda: bench.sh(*scow, "rm", "-f", "one")
        return start

    def start_pasta(port):
        alone = subprocess.Popen([*user, "pasta", "--config-net", "--no-map-gw", "-q", "-f", "-t", str(port), "--", "sleep", "1000"], stderr=subprocess.DEVNULL)
        pid = child_of(alone.pid)
        while "scope global" not in wire.run("ip", "-4", "addr", pid=pid):
            time.sleep(0.02)
        return pid, lambda: (os.kill(pid, 9), alone.wait())  # it ends with its program

    for network in "bridge", "usernet", "pasta":
        yield f"scow --network {network}", start_scow(network)
    if shutil.which("pasta"):
        yield "pasta alone", start_pasta


def as_plain_user(work, outside):
    results = {}
    with plain_user(work) as user:
        bench.sh(*user, bench.SCOW, "load", "-q", "-i", f"{work}/base.tar")
        for _ in range(TURNS):
            for i, (name, start) in enumerate(ways_out(user)):
                port = PORT + 10 + i
                try:
                    pid, end = start(port)
                except RuntimeError as reason:
                    print(f"{name} is left out: {str(reason)[-200:]}")
                    continue
                try:
                    for path, speed in (("to another host", gbits(outside.pid, pid, outside.address, PORT + 1)),
                                        ("published port, from another host", gbits(pid, outside.pid, outside.ours, port))):
                        results.setdefault(path, {}).setdefault(name, []).append(speed)
                except RuntimeError as reason:
                    print(f"{name} is left out: {str(reason)[-200:]}")
                finally:
                    end()
    names = list(dict.fromkeys(name for speeds in results.values() for name in speeds))
    print("")
    table("Gbit/s, as a plain user", names, results)


def run(work):
    dns.private_network()
    outside = wire.Outside()
    with contextlib.ExitStack() as stack:
        stack.callback(outside.end)
        wire.run("ip", "route", "add", "default", "via", outside.address) # which a plain user's ways out look for
        plain = statistics.median(gbits(outside.pid, None, outside.address) for _ in range(TURNS))
        makers, results = list(pairs(work, stack)), {}
        for _ in range(TURNS):
            for name, make in makers:
                try:
                    pair = make()
                except RuntimeError as reason:
                    print(f"{name} is left out: {str(reason)[-300:]}")
                    continue
                try:
                    for path, speed in measure(pair, outside).items():
                        results.setdefault(path, {}).setdefault(name, []).append(speed)
                finally:
                    pair.end()
        print(f"The cable alone, host to host: {plain:.1f} Gbit/s\n")
        table("Gbit/s", [name for name, _ in makers], results)
        as_plain_user(work, outside)


def main(work):
    """In a process of its own, which may change its namespaces."""
    sys.stdout.flush()
    subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable, "-B", __file__, work], check=True)


if __name__ == "__main__":
    run(sys.argv[1])
