#!/usr/bin/env python3
"""storage.py [files] [df] [mounts] [memory]: figures of what is stored, beside podman and docker where they are installed.

files   commit of one changed file in an image of 100 MB, cp of a tree of 500 MB in and out of a container that does not run, export
df      `system df` at 200 images (below 50 ms with the start of the program)
mounts  the start of a container with 50 mounts (bench.py)
memory  runs on a tmpfs beside runs on the disk

SCOW names the program. Times are medians in milliseconds; all is on a loop-mounted ext4 with a journal. One engine after the other: what
a daemon still clears up is not the next one's. SCOW_BENCH_MB makes the tree smaller.
"""
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
os.environ.setdefault("SCOW_BUILD_DIR", str(pathlib.Path(os.environ.get("SCOW", "build/plain/examples/scow/scow")).resolve().parents[2]))
import bench  # noqa: E402
import cli  # noqa: E402

IMAGES, PAIRS = 200, 60
TREE_MB, FILE_KB, IMAGE_MB = int(os.environ.get("SCOW_BENCH_MB", "500")), 100, 100


def timed(root, *args):
    begin = time.perf_counter()
    subprocess.run([cli.SCOW, "--root", root, *args], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def clock(*command, check=True):
    os.sync()  # what others have written is not written while this is measured
    begin = time.perf_counter()
    subprocess.run([str(part) for part in command], check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


@contextlib.contextmanager
def engines(disk):
    """(name, command, options of a run that it needs here), each ready when it is asked for and ended before the next."""
    def ours():
        yield "scow", [cli.SCOW, "--root", f"{disk}/scow"], []

    def podman():
        if shutil.which("podman"):
            command = bench.podman(f"{disk}/podman")
            try:
                yield "podman", command, bench.LIMITS
            finally:
                subprocess.run([*command, "system", "reset", "-f"], capture_output=True)

    def docker():
        if not shutil.which("dockerd"):
            return
        os.mkdir(f"{disk}/docker")
        try:
            with bench.dockerd(f"{disk}/docker") as command:
                yield "docker", command, []
        except RuntimeError as reason:
            print(f"docker is left out: {reason}")
    yield (engine for each in (ours, podman, docker) for engine in each())


def table(rows):
    """{what: {engine: ms}}"""
    for what, by_engine in rows.items():
        first = by_engine["scow"]
        print(f"| {what} | " + " | ".join(f"{name} {value:.0f} ms ({value / first:.1f})" for name, value in by_engine.items()) + " |", flush=True)


def bottom_layer(work):
    with cli.tarfile.open(f"{work}/base.tar") as base:
        return next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))


def files_of(engine, options, work, disk):
    """One engine's times."""
    run = ["run", *options, "--network", "none", "--name"]
    times = {"commit of a changed file": [], f"cp of {TREE_MB} MB in": [], f"cp of {TREE_MB} MB out": [], "export": []}
    commit, put, get, export = times.values()
    clock(*engine, "load", "-i", f"{work}/big.tar")
    for n in range(5):
        clock(*engine, *run, f"changed{n}", "big", "sh", "-c", "echo changed >/file500")
        commit.append(clock(*engine, "commit", f"changed{n}", f"made:{n}"))
    clock(*engine, *run, "still", "big", "mkdir", "/at")
    for n in range(3):
        put.append(clock(*engine, "cp", f"{disk}/tree", f"still:/at/{n}"))
        get.append(clock(*engine, "cp", f"still:/at/{n}", f"{disk}/out"))
        shutil.rmtree(f"{disk}/out")
        if n < 2:
            clock(*engine, "rm", "-f", "still")
            clock(*engine, *run, "still", "big", "mkdir", "/at")
    for _ in range(3):
        export.append(clock(*engine, "export", "-o", f"{disk}/all.tar", "still"))
        os.unlink(f"{disk}/all.tar")
    return {what: statistics.median(values) for what, values in times.items()}


def files(work):
    size = IMAGE_MB << 10
    big = cli.tar_of([(cli.entry(f"file{n}"), os.urandom(size)) for n in range(1 << 10)])
    pathlib.Path(work, "big.tar").write_bytes(cli.docker_archive([bottom_layer(work), big], {}, "big:latest"))
    del big
    with bench.journaled(work, "8G") as disk, engines(disk) as each:
        data = os.urandom(FILE_KB << 10)
        for n in range((TREE_MB << 10) // FILE_KB):
            path = pathlib.Path(disk, "tree", str(n % 100), str(n))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        rows = {}
        for name, engine, options in each:
            for what, value in files_of(engine, options, work, disk).items():
                rows.setdefault(what, {})[name] = value
        table(rows)
    os.unlink(f"{work}/big.tar")


def df(work):
    bottom = bottom_layer(work)
    shared = [cli.tar_of([(cli.entry(f"shared{n}"), b"x")]) for n in range(8)]
    with bench.journaled(work) as disk, engines(disk) as each:
        row = {}
        for name, engine, _ in each:
            for n in range(IMAGES):
                pathlib.Path(work, "image.tar").write_bytes(cli.docker_archive(
                    [bottom, *shared, cli.tar_of([(cli.entry("own"), b"%d" % n)])], {"Labels": {"n": str(n)}}, f"image{n}:latest"))
                clock(*engine, "load", "-q", "-i", f"{work}/image.tar")
            row[name] = statistics.median(clock(*engine, "system", "df") for _ in range(9))
        table({f"system df, {IMAGES} images of 10 layers": row})


def memory(work):
    with bench.journaled(work) as disk:
        root = f"{disk}/root"
        timed(root, "load", "-q", "-i", f"{work}/base.tar")
        script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo x >/f$i; done"
        for name, command in (("true", ["true"]), ("10 files written", ["sh", "-c", script])):
            pairs = []
            for _ in range(PAIRS):
                pairs.append([timed(root, "run", "--rm", "--network", "none", *option, "base", *command)
                              for option in ([], ["--storage-opt", "backing=tmpfs"])])
            on_disk, in_memory = zip(*pairs[5:])
            ratio = statistics.median(b / a for a, b in pairs[5:])
            print(f"run --rm, {name}: disk {statistics.median(on_disk):.2f}, tmpfs {statistics.median(in_memory):.2f}, ratio {ratio:.2f}")


def main():
    parts = {"files": files, "df": df, "mounts": bench.bench_mounts, "memory": memory}
    work = tempfile.mkdtemp(prefix="scow-bench.", dir="/dev/shm")
    try:
        subprocess.run([cli.SUPPORT / "make-base-image.sh", f"{work}/base.tar", "base:latest"], check=True)
        for name in sys.argv[1:] or parts:
            parts[name](work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
