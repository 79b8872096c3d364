#!/usr/bin/env python3
"""Thousands of runs, kills and pulls; then a look at what is left. soak.py [RUNS]"""
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import snapshot  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SCOW_BUILD_DIR", TOP / "build/plain"))
SCOW = str(BUILD / "examples/scow/scow")
RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 10000


def main():
    with tempfile.TemporaryDirectory(prefix="scow-soak.") as work:
        root = f"{work}/root"
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{work}/base.tar", "base:latest"], check=True)
        subprocess.run([SCOW, "--root", root, "load", "-q", "-i", f"{work}/base.tar"], check=True)
        before = snapshot.Snapshot(root)
        failed = 0
        for count, threads in ((RUNS, 1), (RUNS // 8, 8), (RUNS // 64, 64)):
            done = subprocess.run([BUILD / "tests/bench/inproc", root, "base", str(count), str(threads)], capture_output=True, text=True)
            print(f"{count} runs in each of {threads} threads: {done.stdout.strip()}", flush=True)
            failed += done.returncode != 0
        for script in ("test_crash.py", "test_pull.py"):
            done = subprocess.run([sys.executable, "-B", TOP / "tests/integration" / script], capture_output=True, text=True,
                                  env={**os.environ, "SCOW": SCOW, "SCOW_KILLS": "1000", "PULL_TOOL": str(BUILD / "tests/pull_tool")})
            print(f"{script} with 1,000 kills: {done.stderr.strip().splitlines()[-1]}", flush=True)
            failed += done.returncode != 0
        before.check()
    return 1 if failed else 0


sys.exit(main())
