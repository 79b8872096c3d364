#!/usr/bin/env python3
"""Figures beside peers, in one run, as ratios of medians: bench.py [floor] [run] [many] [detached] [scale] [logs] [pull] [networks] [throughput]

floor  create+start+wait+remove of /bin/true in one process beside tests/bench/floor.c, as root and as a plain user
run    `scow run --rm --network none` as a whole program beside crun, bwrap, podman and docker
many   1,000 runs in turn, 100 at once from 8 threads; throughput by number of threads; what is left
detached  100 of them, started and removed by 8 callers, beside bare crun and podman
scale  500 of them (SCOW_BENCH_COUNT) by 8 threads of one program: start, memory, ps, inspect, stats, stop, remove; beside crun, podman, docker
logs   a detached container that prints 1 GB of lines (SCOW_BENCH_MB), beside conmon with runc; every line counted
pull   a Debian image (one gzip layer) from a registry on loopback into a cold store, beside podman, docker, skopeo+umoci
networks  `run --rm` on the default bridge, with and without a published port: in one process beside its floor, whole programs beside podman and docker
          with theirs; then throughput (networks.py)
throughput  Gbit/s by iperf3 between containers, to hosts and through published ports, beside podman and docker; as a plain user (throughput.py)

Peers are taken where they are installed. See doc/performance.md for what a run gave and how to read it.
"""
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = TOP / "tests/support"
BUILD = pathlib.Path(os.environ.get("SCOW_BUILD_DIR", TOP / "build/plain"))
SCOW = str(BUILD / "examples/scow/scow")
CACHE = pathlib.Path(os.environ.get("SCOW_BENCH_CACHE", "/var/cache/scow-bench"))
ROUNDS = int(os.environ.get("SCOW_BENCH_ROUNDS", "30"))


def sh(*command, check=True, **kwargs):
    if "input" not in kwargs:
        kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **kwargs)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def rounds(commands, count=ROUNDS, prefix=()):
    """Median ms of each command, run in turn."""
    arguments = []
    for command in commands:
        arguments += ["--"] * bool(arguments) + [str(part) for part in command]
    lines = sh(*prefix, BUILD / "tests/bench/rounds", count, *arguments).splitlines()
    return [(float(line.split()[0]) / 1000, int(line.split()[2])) for line in lines]


def median_of(text):
    return float(re.search(r"median (\d+)", text).group(1))


@contextlib.contextmanager
def journaled(work, size="6G"):
    """A loop-mounted ext4 with a journal: this kind of machine's own file system has none, and is slow after many deletions."""
    image, where = f"{work}/disk.img", f"{work}/disk"
    os.mkdir(where)
    sh("truncate", "-s", size, image)
    sh("mkfs.ext4", "-q", "-F", image)
    sh("mount", "-o", "loop", image, where)
    try:
        yield where
    finally:
        sh("umount", "-l", where)
        os.rmdir(where)
        os.unlink(image)


def store(root, work):
    archive = f"{work}/base.tar"
    if not os.path.exists(archive):
        sh(SUPPORT / "make-base-image.sh", archive, "base:latest")
        os.chmod(archive, 0o644)
    sh(SCOW, "--root", root, "load", "-q", "-i", archive)


def raw_filter(root, out):
    """The seccomp program that scow has cached, without its header, for the floor program."""
    found = sorted(pathlib.Path(root, "cache/seccomp").glob("*.bpf"))
    if not found:
        return []
    pathlib.Path(out).write_bytes(found[0].read_bytes()[24:])  # after struct header of lib/runtime/seccomp.c
    os.chmod(out, 0o644)
    return [out]


def bench_floor(work):
    with journaled(work, "1G") as disk:
        root, scratch = f"{disk}/root", f"{disk}/scratch"
        os.mkdir(scratch)
        store(root, work)
        sh(SCOW, "--root", root, "run", "--rm", "--network", "none", "base", "true")
        layer = next(pathlib.Path(root, "layers").iterdir())
        compare_floor("as root", [], root, layer, scratch, f"{work}/filter", 7)
        # Both with a veth pair, an address and a route on a bridge, in a network namespace made for each.
        compare_floor("as root, on a bridge", ["unshare", "-n", "env", "BENCH_NETWORK=bridge"], root, layer, scratch, f"{work}/filter", 7)
    user = "scowbench"
    sh("userdel", "-f", user, check=False)
    sh("useradd", "--no-create-home", user)
    try:
        for path in ("/etc/subuid", "/etc/subgid"):
            if user not in pathlib.Path(path).read_text():
                with open(path, "a") as file:
                    file.write(f"{user}:800000:65536\n")
        with journaled(work, "1G") as disk:
            os.chmod(work, 0o755)
            home = f"{disk}/home"
            os.makedirs(f"{home}/scratch")
            sh("chown", "-R", user, home)
            as_user = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
            sh(*as_user, SCOW, "--root", f"{home}/root", "load", "-q", "-i", f"{work}/base.tar")
            sh(*as_user, SCOW, "--root", f"{home}/root", "run", "--rm", "base", "true")
            layer = next(pathlib.Path(home, "root/layers").iterdir())
            compare_floor("as a plain user", as_user, f"{home}/root", layer, f"{home}/scratch", f"{work}/filter", 7)
    finally:
        sh("userdel", "-f", user, check=False)


def compare_floor(name, prefix, root, layer, scratch, filter_path, pairs):
    ours, floor = [], []
    program = raw_filter(root, filter_path)
    for _ in range(pairs):  # in turn, so that a noisy machine is noisy for both
        floor.append(median_of(sh(*prefix, BUILD / "tests/bench/floor", layer, scratch, 60, *program)))
        ours.append(median_of(sh(*prefix, BUILD / "tests/bench/inproc", root, "base", 60)))
    a, b = statistics.median(floor), statistics.median(ours)
    ratios = sorted(y / x for x, y in zip(floor, ours))
    print(f"| {name} | {a / 1000:.2f} ms | {b / 1000:.2f} ms | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |", flush=True)


def bundle(where, work):
    """An OCI bundle of the base image for crun, without the limits that this kind of machine cannot give."""
    root = f"{where}/rootfs"
    os.makedirs(root)
    layout = f"{work}/base.oci"
    sh(SUPPORT / "make-base-image.sh", layout, "base:latest")
    sh("umoci", "raw", "unpack", "--image", f"{layout}:latest", root, check=False)
    if not os.path.exists(f"{root}/bin/true"):
        shutil.rmtree(root)
        sh("umoci", "unpack", "--image", f"{layout}:{json.loads(pathlib.Path(layout, 'index.json').read_text())['manifests'][0]['annotations']['org.opencontainers.image.ref.name']}", f"{where}/unpacked")
        os.rename(f"{where}/unpacked/rootfs", root)
    sh("crun", "spec", cwd=where)
    config = json.loads(pathlib.Path(where, "config.json").read_text())
    config["process"].update(args=["/bin/true"], terminal=False)
    config["process"].pop("rlimits", None)
    pathlib.Path(where, "config.json").write_text(json.dumps(config))


NO_NETWORK = ["--iptables=false", "--ip6tables=false", "--bridge=none"]


@contextlib.contextmanager
def dockerd(where, *options):
    address = f"unix://{where}/docker.sock"
    log = open(f"{where}/log", "w")
    process = subprocess.Popen(["dockerd", "--data-root", f"{where}/data", "--exec-root", f"{where}/exec", "-H", address, "-p", f"{where}/pid",
                                "--default-ulimit", "nofile=20000:20000", "--insecure-registry", "127.0.0.0/8", *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        for _ in range(150):
            if subprocess.run(["/usr/bin/docker", "-H", address, "version"], capture_output=True).returncode == 0:
                break
            time.sleep(0.2)
        else:
            raise RuntimeError("dockerd did not start: " + pathlib.Path(where, "log").read_text()[-500:])
        yield ["/usr/bin/docker", "-H", address]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


class Containerd:
    """containerd with a root of its own, made anew for each pull: its garbage collection is not to be waited for."""

    def __init__(self, where):
        self.where, self.process = where, None
        self.ctr = ["ctr", "-a", f"{where}/sock"]

    def restart(self):
        self.stop()
        os.makedirs(self.where)
        log = open(f"{self.where}/log", "w")
        self.process = subprocess.Popen(["containerd", "--config", "/dev/null", "--root", f"{self.where}/root", "--state", f"{self.where}/state",
                                         "--address", f"{self.where}/sock"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        for _ in range(100):
            if subprocess.run([*self.ctr, "version"], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("containerd did not start")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None
        shutil.rmtree(self.where, ignore_errors=True)


def podman(where):
    return ["podman", "--root", f"{where}/root", "--runroot", f"{where}/run", "--cgroup-manager=cgroupfs", "--events-backend=file",
            "--runtime", shutil.which("runc") or "runc", "--tmpdir", f"{where}/tmp"]


LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=32768:32768"]


def bench_run(work):
    """Whole programs, in turn. Twice: one close upon the other, as in a busy test run, and with a pause before each, as by hand."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(journaled(work))
        root = f"{disk}/scow"
        store(root, work)
        ours = ["scow run --rm --network none", [SCOW, "--root", root, "run", "--rm", "--network", "none", "base", "/bin/true"]]
        small, large = [ours], [ours]
        if shutil.which("crun"):
            bundle(f"{disk}/bundle", work)
            small.append(["crun run (ready bundle)", ["crun", "--root", f"{disk}/crun", "run", "--bundle", f"{disk}/bundle", "bench"]])
        if shutil.which("bwrap"):
            small.append(["bwrap --unshare-all", ["bwrap", "--unshare-all", "--bind", f"{disk}/bundle/rootfs", "/", "--proc", "/proc", "--dev",
                                                  "/dev", "/bin/true"]])
        if shutil.which("podman"):
            where = f"{disk}/podman"
            sh(*podman(where), "load", "-q", "-i", f"{work}/base.tar")
            stack.callback(sh, *podman(where), "system", "reset", "-f", check=False)
            large.append(["podman run --rm --network none", [*podman(where), "run", "--rm", "--network", "none", *LIMITS, "base", "/bin/true"]])
        if shutil.which("dockerd"):
            os.mkdir(f"{disk}/docker")
            try:
                docker = stack.enter_context(dockerd(f"{disk}/docker", *NO_NETWORK))
                sh(*docker, "load", "-q", "-i", f"{work}/base.tar")
                large.append(["docker run --rm --network none", [*docker, "run", "--rm", "--network", "none", "base", "/bin/true"]])
            except RuntimeError as reason:
                print(f"docker is left out: {reason}")
        # crun 1.8 refuses the hybrid layout: a mount namespace in which the v2 part is not mounted.
        hide = ["unshare", "-m", "--propagation", "private", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"]
        for pause in (0, 100):
            print(f"pause of {pause} ms before each:")
            os.environ["ROUNDS_PAUSE_MS"] = str(pause)
            report(small, rounds([command for _, command in small], ROUNDS, hide))
            # One at a time: what a daemon still clears up after its own container is not the next one's.
            results = [rounds([command], max(ROUNDS // 2, 5))[0] for _, command in large]
            report(large, results)
        os.environ.pop("ROUNDS_PAUSE_MS")


def bench_mounts(work, count=50):
    """A run with many mounts: binds of the host beside podman and docker, and volumes."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(journaled(work))
        root, binds, volumes = f"{disk}/scow", [], []
        store(root, work)
        for i in range(count):
            os.makedirs(f"{disk}/m/{i}")
            binds += ["-v", f"{disk}/m/{i}:/m/{i}"]
            volumes += ["-v", f"bench{i}:/m/{i}"]
        ours, end = [SCOW, "--root", root, "run", "--rm", "--network", "none"], ["base", "/bin/true"]
        named = [["scow run", [*ours, *end]], [f"scow run, {count} binds", [*ours, *binds, *end]], [f"scow run, {count} volumes", [*ours, *volumes, *end]]]
        if shutil.which("podman"):
            engine = podman(f"{disk}/podman")
            sh(*engine, "load", "-q", "-i", f"{work}/base.tar")
            stack.callback(sh, *engine, "system", "reset", "-f", check=False)
            named.append([f"podman run, {count} binds", [*engine, "run", "--rm", "--network", "none", *LIMITS, *binds, *end]])
        if shutil.which("dockerd"):
            os.mkdir(f"{disk}/docker")
            try:
                engine = stack.enter_context(dockerd(f"{disk}/docker", *NO_NETWORK))
                sh(*engine, "load", "-q", "-i", f"{work}/base.tar")
                named.append([f"docker run, {count} binds", [*engine, "run", "--rm", "--network", "none", *binds, *end]])
            except RuntimeError as reason:
                print(f"docker is left out: {reason}")
        report(named, [rounds([command], max(ROUNDS // 4, 5))[0] for _, command in named])


def report(named, results):
    for (name, _), (value, bad) in zip(named, results):
        print(f"| {name} | {value:.2f} ms | {value / results[0][0]:.2f} |{f' failed: {bad}' if bad else ''}", flush=True)


def supervisors_pss():
    """Mean KiB of what stays beside each detached container."""
    sizes = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text().strip() == "scow-supervisor":
                sizes.append(int(re.search(r"^Pss:\s+(\d+)", (entry / "smaps_rollup").read_text(), re.M).group(1)))
    return statistics.mean(sizes) if sizes else 0


def bench_detached(work, count=100, callers=8):
    """Detached containers that sleep, started and removed by several callers at once."""
    def all_of(command, prefix=()):
        start = time.monotonic()
        numbers = "\n".join(str(number) for number in range(count))
        sh(*prefix, "xargs", "-P", callers, "-I{}", *command, input=numbers)
        return time.monotonic() - start

    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(journaled(work))
        store(f"{disk}/scow", work)
        scow = [SCOW, "--root", f"{disk}/scow"]
        rows = [("scow", all_of([*scow, "run", "-d", "--network", "none", "--name", "bench{}", "base", "sleep", "1000"]))]
        pss = supervisors_pss()
        listed = rounds([[*scow, "ps", "-q"]], 10)[0][0]
        rows[0] += (all_of([*scow, "rm", "-f", "bench{}"]),)
        if shutil.which("crun"):
            bundle(f"{disk}/bundle", work)
            config = json.loads(pathlib.Path(disk, "bundle/config.json").read_text())
            config["process"]["args"] = ["sleep", "1000"]
            pathlib.Path(disk, "bundle/config.json").write_text(json.dumps(config))
            hide = ["unshare", "-m", "--propagation", "private", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"]
            crun = ["crun", "--root", f"{disk}/crun"]
            rows.append(("crun (bare, no log, no supervisor)",
                         all_of(["sh", "-c", f"exec crun --root {disk}/crun run -d --bundle {disk}/bundle b{{}} >/dev/null 2>&1 </dev/null"], hide),
                         all_of([*crun, "delete", "-f", "b{}"], hide)))
        if shutil.which("podman"):
            where = f"{disk}/podman"
            sh(*podman(where), "load", "-q", "-i", f"{work}/base.tar")
            stack.callback(sh, *podman(where), "system", "reset", "-f", check=False)
            rows.append(("podman", all_of([*podman(where), "run", "-d", "--network", "none", *LIMITS, "--name", "b{}", "base", "sleep", "1000"]),
                         all_of([*podman(where), "rm", "-f", "-t", "0", "b{}"])))
        for name, start, end in rows:
            print(f"| {name} | {start:.2f} s | {end:.2f} s |", flush=True)
        print(f"{pss:.0f} KiB (PSS) beside each; `ps -q` of {count}: {listed:.1f} ms")


def pss_of(*names):
    """KiB of all processes that are called so."""
    total = 0
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text().strip() in names:
                total += int(re.search(r"^Pss:\s+(\d+)", (entry / "smaps_rollup").read_text(), re.M).group(1))
    return total


def clock(*command, prefix=(), **kwargs):
    start = time.monotonic()
    sh(*prefix, *command, **kwargs)
    return time.monotonic() - start


def by_callers(command, count, callers, prefix=()):
    return clock(*prefix, "xargs", "-P", callers, "-I{}", *command, input="\n".join(str(number) for number in range(count)))


def scale_row(name, start, pss, listed, inspected, stats, stop, remove):
    cells = [f"{start:.2f} s", f"{pss:.0f} KiB"] + [f"{one * 1000:.1f} ms" if one is not None else "-" for one in (listed, inspected, stats)]
    print(f"| {name} | {' | '.join(cells)} | {stop:.2f} s | {remove:.2f} s |", flush=True)


def scale_ours(disk, count, callers):
    root = f"{disk}/scow"
    program = subprocess.Popen([BUILD / "tests/bench/bench_detached", root, "base", str(count), str(callers)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    times = {}
    for line in program.stdout:
        if line == "running\n":
            pss = pss_of("scow-supervisor") / count
            scow = [SCOW, "--root", root]
            print(f"as whole programs: ps {clock(*scow, 'ps') * 1000:.1f} ms, "
                  f"stats --no-stream {clock(*scow, 'stats', '--no-stream') * 1000:.1f} ms")
            program.stdin.write("\n")
            program.stdin.close()
            continue
        what, number = line.split()
        times[what] = float(number) / 1000
    if program.wait():
        raise RuntimeError("bench_detached failed")
    scale_row("scow (library)", times["start"], pss, times["list"], times["inspect"] / count, times["stats"] / count, times["stop"], times["remove"])


def scale_cli(name, command, prefix, run, count, callers, pss_names):
    """A peer with docker's command line; inspect and stats are of one container, as whole programs."""
    start = by_callers([*command, "run", "-d", "--network", "none", *run, "--name", "b{}", "base", "sleep", "1000000"], count, callers, prefix)
    pss = pss_of(*pss_names) / count
    listed, inspected = clock(*command, "ps", "-q"), clock(*command, "inspect", "b0")
    stats = clock(*command, "stats", "--no-stream", "b0")
    stop = by_callers([*command, "stop", "-t", "0", "b{}"], count, callers, prefix)
    remove = by_callers([*command, "rm", "-f", "b{}"], count, callers, prefix)
    scale_row(name, start, pss, listed, inspected, stats, stop, remove)


def sleeping_bundle(disk, work):
    bundle(f"{disk}/bundle", work)
    path = pathlib.Path(disk, "bundle/config.json")
    config = json.loads(path.read_text())
    config["process"]["args"] = ["sleep", "1000000"]
    path.write_text(json.dumps(config))


def bench_scale(work):
    count, callers = int(os.environ.get("SCOW_BENCH_COUNT", "500")), 8
    print(f"{count} containers, {callers} callers\n| | start | PSS beside each | list | inspect | stats | stop | remove |\n|---|---|---|---|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(journaled(work))
        store(f"{disk}/scow", work)
        scale_ours(disk, count, callers)
        if shutil.which("crun"):
            sleeping_bundle(disk, work)
            hide = ["unshare", "-m", "--propagation", "private", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"]
            crun = ["crun", "--root", f"{disk}/crun"]
            start = by_callers(["sh", "-c", f"exec {' '.join(crun)} run -d --bundle {disk}/bundle b{{}} >/dev/null 2>&1 </dev/null"], count, callers, hide)
            listed = clock(*crun, "list", "-q", prefix=hide)
            stop = by_callers([*crun, "kill", "b{}", "KILL"], count, callers, hide)
            scale_row("crun (bare, no log, no supervisor)", start, 0, listed, None, None, stop, by_callers([*crun, "delete", "-f", "b{}"], count, callers, hide))
        if shutil.which("podman"):
            where = f"{disk}/podman"
            sh(*podman(where), "load", "-q", "-i", f"{work}/base.tar")
            stack.callback(sh, *podman(where), "system", "reset", "-f", check=False)
            scale_cli("podman (conmon)", podman(where), (), LIMITS, count, callers, ["conmon"])
        if shutil.which("dockerd"):
            os.makedirs(f"{disk}/docker", exist_ok=True)
            try:
                docker = stack.enter_context(dockerd(f"{disk}/docker", *NO_NETWORK))
                sh(*docker, "load", "-q", "-i", f"{work}/base.tar")
                scale_cli("docker (daemons and shims)", docker, (), [], count, callers, ["dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2"])
            except RuntimeError as reason:
                print(f"docker is left out: {reason}")


LINE = "0123456789" * 9 + "012345678"  # with its newline 100 bytes


def count_lines(directory, pattern):
    return sum(int(sh("wc", "-l", path).split()[0]) for path in pathlib.Path(directory).glob(pattern))


def logs_ours(disk, script):
    scow = [SCOW, "--root", f"{disk}/scow"]
    start = time.monotonic()
    identity = sh(*scow, "run", "-d", "--network", "none", "base", "sh", "-c", script).strip()
    sh(*scow, "wait", identity)
    taken = time.monotonic() - start
    lines = count_lines(f"{disk}/scow/containers/{identity}", "log.json*")
    read = clock("sh", "-c", f"{' '.join(scow)} logs {identity} | tail -c 1 >/dev/null")
    sh(*scow, "rm", identity)
    return taken, lines, read


def logs_conmon(disk, work, script):
    """conmon over runc, as podman has it, without podman."""
    path = pathlib.Path(disk, "bundle/config.json")
    if not path.exists():
        bundle(f"{disk}/bundle", work)
    config = json.loads(path.read_text())
    config["process"]["args"] = ["sh", "-c", script]
    config["process"]["terminal"] = False
    path.write_text(json.dumps(config))
    where = f"{disk}/conmon"
    for part in ("exits", "sockets"):
        os.makedirs(f"{where}/{part}", exist_ok=True)
    runtime = shutil.which("runc")
    start = time.monotonic()
    sh("conmon", "--api-version", "1", "-c", "bench", "-u", "bench", "-n", "bench", "-r", runtime, "-b", f"{disk}/bundle", "-p", f"{where}/pid",
       "--exit-dir", f"{where}/exits", "--socket-dir-path", f"{where}/sockets", "-l", f"k8s-file:{where}/log", "--runtime-arg=--root",
       f"--runtime-arg={where}/runc")
    runc = [runtime, "--root", f"{where}/runc"]
    while sh(*runc, "list", "-q", check=False).strip() != "bench" or '"created"' not in sh(*runc, "state", "bench", check=False):
        if time.monotonic() - start > 20:
            raise RuntimeError("conmon did not create the container")
        time.sleep(0.01)
    start = time.monotonic()
    sh(*runc, "start", "bench")
    while not os.path.exists(f"{where}/exits/bench"):
        time.sleep(0.01)
    taken = time.monotonic() - start
    lines = int(sh("grep", "-c", " F ", f"{where}/log"))  # "P" is a piece of a line
    sh(*runc, "delete", "-f", "bench", check=False)
    shutil.rmtree(where)
    return taken, lines


def bench_logs(work):
    size = int(os.environ.get("SCOW_BENCH_MB", "1000"))
    lines = size * 10000
    script = f"yes {LINE} | head -c {lines * 100}"
    with journaled(work, "12G") as disk:
        store(f"{disk}/scow", work)
        times = {"scow": [], "conmon": []}
        for _ in range(3):  # in turn
            taken, found, read = logs_ours(disk, script)
            if found != lines:
                raise RuntimeError(f"scow: {found} of {lines} lines")
            times["scow"].append(taken)
            if shutil.which("conmon") and shutil.which("runc"):
                taken, found = logs_conmon(disk, work, script)
                times["conmon"].append(taken)
                if found != lines:
                    print(f"conmon lost lines: {found} of {lines}")
        for name, values in times.items():
            if values:
                print(f"| {name} | {statistics.median(values):.2f} s | {size / statistics.median(values):.0f} MB/s |", flush=True)
        print(f"`scow logs` of all of it: {read:.2f} s")


def bench_many(work):
    with journaled(work, "1G") as disk:
        root = f"{disk}/root"
        store(root, work)
        print("1,000 in turn:  " + sh(BUILD / "tests/bench/inproc", root, "base", 1000).replace("\n", "; "))
        print("100 at once from 8 threads: " + sh(BUILD / "tests/bench/inproc", root, "base", 13, 8).replace("\n", "; "))
        for threads in (1, 2, 4, 8, 16):
            line = sh(BUILD / "tests/bench/inproc", root, "base", 400 // threads, threads).splitlines()[0]
            speed = re.search(r"(\d+) runs/s", line).group(1)
            print(f"| {threads} | {speed} |", flush=True)


def debian(work):
    """An OCI layout of a Debian with one gzip layer; debootstrap's tree is made once and kept outside the project."""
    tree, layout = CACHE / "rootfs", CACHE / "debian.oci"
    if not (tree / "etc/os-release").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        sh("debootstrap", "--variant=minbase", "bookworm", tree)
        shutil.rmtree(tree / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(tree / "var/lib/apt/lists", ignore_errors=True)
    if not layout.exists():
        temporary = CACHE / "making"
        shutil.rmtree(temporary, ignore_errors=True)
        sh("umoci", "init", "--layout", temporary)
        sh("umoci", "new", "--image", f"{temporary}:latest")
        sh("umoci", "insert", "--image", f"{temporary}:latest", tree, "/")
        temporary.rename(layout)
    return layout


def timed(prepare, command, count):
    times, peaks = [], []
    for _ in range(count):
        prepare()
        os.sync()
        start = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, status, usage = os.wait4(process.pid, 0)
        times.append(time.monotonic() - start)
        peaks.append(usage.ru_maxrss)
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            raise RuntimeError(f"{command}: {process.stderr.read().decode()}")
        process.stderr.close()
    return statistics.median(times), max(peaks)


def bench_pull(work, count=5):
    layout = debian(work)
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(journaled(work, "10G"))
        address = sh(SUPPORT / "registry.sh", "start", f"{work}/registry").strip()
        stack.callback(sh, SUPPORT / "registry.sh", "stop", f"{work}/registry")
        name = f"{address}/debian:latest"
        sh("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:latest", f"docker://{name}")
        manifest = json.loads(sh("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
        print(f"image: {len(manifest['layers'])} layer(s), {sum(l['size'] for l in manifest['layers']) / 1e6:.0f} MB compressed")

        def clear(*paths):
            for path in paths:
                shutil.rmtree(path, ignore_errors=True)
                os.makedirs(path, mode=0o700)
        results = []
        for turn in range(2):  # twice through all, so that none has only the warm or only the cold half
            one = {}
            one["scow pull"] = timed(lambda: clear(f"{disk}/scow"), [SCOW, "--root", f"{disk}/scow", "pull", "-q", name], count)
            if shutil.which("podman"):
                where = f"{disk}/podman"
                one["podman pull"] = timed(lambda: (sh(*podman(where), "rmi", "-af", check=False)),
                                           [*podman(where), "pull", "-q", "--tls-verify=false", name], count)
            if shutil.which("dockerd"):
                os.makedirs(f"{disk}/docker", exist_ok=True)
                try:
                    with dockerd(f"{disk}/docker", *NO_NETWORK) as docker:
                        one["docker pull"] = timed(lambda: sh(*docker, "rmi", "-f", name, check=False), [*docker, "pull", "-q", name], count)
                except RuntimeError as reason:
                    print(f"docker is left out: {reason}")
            if shutil.which("containerd") and shutil.which("ctr"):
                daemon = Containerd(f"{disk}/containerd")
                try:
                    one["containerd (ctr pull)"] = timed(daemon.restart, [*daemon.ctr, "images", "pull", "--plain-http", name], count)
                finally:
                    daemon.stop()
            if shutil.which("umoci"):
                script = f"skopeo copy -q --src-tls-verify=false docker://{name} oci:{disk}/su/l:latest && umoci unpack --image {disk}/su/l:latest {disk}/su/b"
                one["skopeo copy + umoci unpack"] = timed(lambda: clear(f"{disk}/su"), ["sh", "-c", script], count)
            results.append(one)
        best = {key: statistics.median(one[key][0] for one in results if key in one) for key in results[0]}
        for key, value in best.items():
            peak = max(one[key][1] for one in results if key in one)
            print(f"| {key} | {value:.2f} s | {value / best['scow pull']:.2f} |" + (f" peak {peak / 1024:.0f} MiB" if key == "scow pull" else ""), flush=True)
        sh(*podman(f"{disk}/podman"), "system", "reset", "-f", check=False)


def bench_networks(work):
    import networks
    return networks.main(work)


def bench_throughput(work):
    if not shutil.which("iperf3"):
        return print("iperf3 is not installed")
    import throughput
    return throughput.main(work)


def main():
    which = sys.argv[1:] or ["floor", "run", "many", "detached", "scale", "logs", "pull", "networks"]
    if os.geteuid() != 0:
        sys.exit("bench.py needs root: for loop mounts, peers and a user of its own")
    for name in which:
        print(f"\n## {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="scow-bench.", dir="/var/tmp") as work:
            globals()[f"bench_{name}"](work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
