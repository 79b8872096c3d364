#!/usr/bin/env python3
"""storage.py: `system df` at 200 images (below 50 ms with the start of the program), and runs on a tmpfs beside runs on the disk.

SCOW names the program. Times are medians in milliseconds; the pairs of runs alternate on a loop-mounted ext4.
"""
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
import cli  # noqa: E402

IMAGES, PAIRS = 200, 60


def timed(root, *args):
    begin = time.perf_counter()
    subprocess.run([cli.SCOW, "--root", root, *args], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def df(work):
    with cli.tarfile.open(f"{work}/base.tar") as base:
        bottom = next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))
    shared = [cli.tar_of([(cli.entry(f"shared{n}"), b"x")]) for n in range(8)]
    for n in range(IMAGES):
        pathlib.Path(work, "image.tar").write_bytes(
            cli.docker_archive([bottom, *shared, cli.tar_of([(cli.entry("own"), b"%d" % n)])], {"Labels": {"n": str(n)}}, f"image{n}:latest"))
        timed(f"{work}/root", "load", "-q", "-i", f"{work}/image.tar")
    print(f"system df, {IMAGES} images of 10 layers: {statistics.median(timed(f'{work}/root', 'system', 'df') for _ in range(15)):.1f}")


def memory(work):
    disk = f"{work}/disk"
    os.mkdir(disk)
    with open(f"{work}/disk.img", "wb") as image:
        image.truncate(600 << 20)
    subprocess.run(["mkfs.ext4", "-q", f"{work}/disk.img"], check=True)
    subprocess.run(["mount", "-o", "loop", f"{work}/disk.img", disk], check=True)
    try:
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
    finally:
        subprocess.run(["umount", disk], check=True)


def main():
    work = tempfile.mkdtemp(prefix="scow-bench.", dir="/dev/shm")
    try:
        subprocess.run([cli.SUPPORT / "make-base-image.sh", f"{work}/base.tar", "base:latest"], check=True)
        df(work)
        if os.geteuid() == 0:
            memory(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
