#!/usr/bin/env python3
"""`scow ps` as a whole program in a store of 1,000 containers: lists.py [COUNT]

All created, then as if all ran: one does, and the rows of the others are made to say the same of it, so that each is looked at as a
running one is (its state, its owner's lock). The target is 50 ms for 1,000.
"""
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
SCOW = os.environ.get("SCOW", str(pathlib.Path(os.environ.get("SCOW_BUILD_DIR", TOP / "build/plain"), "examples/scow/scow")))
ROUNDS = 15


def median_ms(env, *args):
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subprocess.run([SCOW, *args], env=env, check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    work = tempfile.mkdtemp(prefix="scow-lists.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    env = {**os.environ, "SCOW_ROOT": f"{work}/root"}
    try:
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{work}/base.tar", "base:latest"], check=True)
        subprocess.run([SCOW, "load", "-q", "-i", f"{work}/base.tar"], env=env, check=True, stdout=subprocess.DEVNULL)
        print(f"{median_ms(env, 'ps', '-a'):6.1f} ms  ps -a of none")
        for _ in range(count - 1):
            subprocess.run([SCOW, "create", "base", "true"], env=env, check=True, stdout=subprocess.DEVNULL)
        print(f"{median_ms(env, 'ps', '-a'):6.1f} ms  ps -a of {count - 1} that were created")
        with subprocess.Popen([SCOW, "run", "--rm", "--name", "one", "base", "sh", "-c", "echo; exec sleep 1000"], env=env,
                              stdout=subprocess.PIPE) as owner:
            owner.stdout.readline()
            subprocess.run([SCOW, "kill", "-s", "CONT", "one"], env=env, check=True, stdout=subprocess.DEVNULL)  # its start is recorded
            rows = sqlite3.connect(f"{work}/root/state.db")
            fields = ("state", "owner", "pid", "pid_start", "boot_id", "started", "cgroup")
            before = rows.execute(f"SELECT {', '.join(fields)} FROM containers WHERE name = 'one'").fetchone()
            others = f"UPDATE containers SET {', '.join(f'{name} = ?' for name in fields)} WHERE name <> 'one'"
            rows.execute(others, before)
            rows.commit()
            for args in ("ps",), ("ps", "-q"), ("ps", "-f", "status=running", "-f", "name=nothing"):
                print(f"{median_ms(env, *args):6.1f} ms  {' '.join(args)} of {count} that run")
            rows.execute(others, (0, None, 0, 0, "", 0, ""))
            rows.commit()
            rows.close()
            subprocess.run([SCOW, "kill", "one"], env=env, check=True, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
