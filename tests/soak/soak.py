#!/usr/bin/env python3
"""Thousands of runs, kills and pulls; then a look at what is left. soak.py [RUNS]

Beside that the full counts of three promises: 64 threads of 1,000 mixed calls each under the thread sanitizer (SCOW_TSAN_DIR, its build),
1,000 removals at the end of which a waiter gets every exit code, and all that a process is, before and after each call of the library.
"""
import concurrent.futures
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


CODES = 1000
# Of tests/threads: a round is a run and some six other calls.
THREADS, ROUNDS = 64, 137


def run_and_wait(root, number):
    """One that removes itself, and somebody else who waits for it meanwhile. What is wrong, or None."""
    code, name = number % 120, f"soak-{number}"
    runner = subprocess.Popen([SCOW, "--root", root, "run", "--network", "none", "--rm", "--name", name, "base", "sh", "-c", f"sleep 1; exit {code}"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while True:
        over = runner.poll() is not None
        # One that is created only does not run: a wait for its end would be over at once, as with Docker.
        seen = subprocess.run([SCOW, "--root", root, "inspect", "-f", "{{.State.Running}}", name], capture_output=True, text=True)
        if over or seen.stdout == "true\n":
            break
    done = subprocess.run([SCOW, "--root", root, "wait", name], capture_output=True, text=True)
    errors = runner.communicate()[1]
    right = runner.returncode == code and done.stdout.strip() == str(code)
    return None if right else f"{code}: {runner.returncode} {errors} {done.stdout} {done.stderr}"


def exit_codes(root):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        lost = [problem for problem in pool.map(lambda number: run_and_wait(root, number), range(CODES)) if problem]
    print(f"{CODES} x run --rm and wait: {len(lost)} exit codes lost {lost[:3] if lost else ''}", flush=True)
    return bool(lost)


def threads():
    program = pathlib.Path(os.environ.get("SCOW_TSAN_DIR", TOP / "build/tsan")) / "tests/threads/test_threads"
    if not program.exists():
        print(f"skipped: {program} is not there", flush=True)
        return False
    done = subprocess.run([program], capture_output=True, text=True,
                          env={**os.environ, "SCOW_THREADS": str(THREADS), "SCOW_ROUNDS": str(ROUNDS), "TSAN_OPTIONS": "exitcode=99:halt_on_error=1"})
    print(f"{THREADS} threads of {ROUNDS} rounds under TSan: {'passed' if done.returncode == 0 else done.stdout[-2000:] + done.stderr[-4000:]}",
          flush=True)
    return done.returncode != 0


def host():
    return subprocess.run([sys.executable, "-B", TOP / "tests/soak/host.py"], env={**os.environ, "SCOW_BUILD_DIR": str(BUILD)}).returncode != 0


def main():
    with tempfile.TemporaryDirectory(prefix="scow-soak.") as work:
        root = f"{work}/root"
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{work}/base.tar", "base:latest"], check=True)
        subprocess.run([SCOW, "--root", root, "load", "-q", "-i", f"{work}/base.tar"], check=True)
        before = snapshot.Snapshot(root)
        failed = exit_codes(root) + threads() + host()
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
