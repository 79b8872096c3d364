#!/usr/bin/env python3
"""What a network costs: `run --rm` of /bin/true on the default bridge, in one run beside all that it is compared with; then Gbit/s.

in one process  create+start+wait+remove beside floor.c with the same namespaces, veth pair, address and route by bare netlink: wanted is 2x at most
whole programs  scow, podman (netavark) and docker, each with its own bridge, in turn; without a port and with one published. Wanted is 40x.

All of it is in a network namespace of its own. SCOW_BENCH_ROUNDS (30) as in bench.py.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/support"), str(TOP / "tests/bench")]
import bench  # noqa: E402
import dns  # noqa: E402
import throughput  # noqa: E402

PUBLISHED = ["-p", "127.0.0.1:8080:80"]


def in_process(root, work, disk):
    os.mkdir(f"{disk}/scratch")
    layer = next(pathlib.Path(root, "layers").iterdir())
    print("| in one process | floor | libscow | ratio of medians (of each pair) |\n|---|---|---|---|")
    bench.compare_floor("bridge", ["env", "BENCH_NETWORK=bridge"], root, layer, f"{disk}/scratch", f"{work}/filter", 7)


def engines(work, disk, root, stack):
    """Name, what stands before `run`'s own flags, and the image with its program."""
    end = ["base", "/bin/true"]
    yield "scow", [bench.SCOW, "--root", root, "run", "--rm"], end
    if shutil.which("podman"):
        podman = bench.podman(f"{disk}/podman")
        bench.sh(*podman, "load", "-q", "-i", f"{work}/base.tar")
        stack.callback(bench.sh, *podman, "system", "reset", "-f", check=False)
        yield "podman", [*podman, "run", "--rm", *bench.LIMITS], end
    if shutil.which("dockerd"):
        os.mkdir(f"{disk}/docker")
        try:
            docker = stack.enter_context(bench.dockerd(f"{disk}/docker"))  # with its own bridge and rules, as it is by default
            bench.sh(*docker, "load", "-q", "-i", f"{work}/base.tar")
        except RuntimeError as reason:
            print(f"docker is left out: {reason}")
        else:
            yield "docker", [*docker, "run", "--rm"], end


def whole_programs(work, disk, root):
    with contextlib.ExitStack() as stack:
        all_of_them = list(engines(work, disk, root, stack))
        for what, flags in ("the default bridge", []), ("the default bridge, a port published", PUBLISHED):
            named = []
            for name, begin, end in all_of_them:
                try:
                    bench.sh(*begin, *flags, *end) # the first makes the bridge, and whatever else is made once
                except RuntimeError as reason:
                    print(f"{name} is left out: {str(reason)[-300:]}")
                    continue
                named.append([f"{name} run --rm", [*begin, *flags, *end]])
            print(f"\n{what}:")
            # One at a time: what a daemon still clears up after its own container is not the next one's.
            bench.report(named, [bench.rounds([command], bench.ROUNDS if i == 0 else max(bench.ROUNDS // 3, 5))[0] for i, (_, command) in enumerate(named)])


def run(work):
    dns.private_network()
    with bench.journaled(work) as disk:
        root = f"{disk}/scow"
        bench.store(root, work)
        bench.sh(bench.SCOW, "--root", root, "run", "--rm", "base", "true")
        in_process(root, work, disk)
        whole_programs(work, disk, root)
    if shutil.which("iperf3"):
        print("")
        throughput.run(work)


def main(work):
    """In a process of its own, which may change its namespaces."""
    sys.stdout.flush()
    subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable, "-B", __file__, work], check=True)


if __name__ == "__main__":
    run(sys.argv[1])
