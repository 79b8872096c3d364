#!/usr/bin/env python3
"""The suites behind tests/run.sh: builds, runs, counts, and ends with one line of totals.

Every suite yields (name, outcome, detail) with outcome "passed", "failed" or "skipped"; a skip names its reason.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("SCOW_BUILD", TOP / "build"))
JOBS = str(os.cpu_count() or 2)
SANITIZER_ENV = {
    "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=1:second_deadlock_stack=1",
    "LSAN_OPTIONS": "exitcode=99",
}
BUILDS = {
    "plain": ["-Dwerror=true"],
    "asan": ["-Db_sanitize=address,undefined"],  # instrumented code draws false warnings
    "tsan": ["-Db_sanitize=thread"],
    "fault": ["-Dfault=true"],
}


def say(text):
    print(text, flush=True)


def run(command, **kwargs):
    kwargs.setdefault("cwd", TOP)
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, **kwargs)


def build(kind, extra=(), targets=()):
    where = BUILD / kind
    options = BUILDS.get(kind, []) + list(extra)
    if not (where / "build.ninja").exists():
        done = run(["meson", "setup", where, TOP, *options])
        if done.returncode:
            raise SystemExit(f"meson setup {kind} failed:\n{done.stdout}{done.stderr}")
    done = run(["ninja", "-C", where, "-j", JOBS, *targets])
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if not re.match(r"\[\d+/\d+\]|ccache |cc ", line)]
        raise SystemExit(f"build {kind} failed:\n" + "\n".join(lines)[-8000:] + done.stderr)
    return where


def tap(text):
    """The cases of a cmocka program's TAP output."""
    for line in text.splitlines():
        found = re.match(r"(not ok|ok) \d+ - (\S+)(.*)", line)
        if found:
            skipped = "# SKIP" in line.upper()
            yield found.group(2), "skipped" if skipped else "passed" if found.group(1) == "ok" else "failed"


def meson_suite(kind, suite):
    """Unit and API tests of one build, a line for each case."""
    where = build(kind)
    log = where / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    run(["meson", "test", "-C", where, "--no-rebuild", "--suite", suite, "--num-processes", JOBS], env={**os.environ, **SANITIZER_ENV})
    for line in log.read_text().splitlines() if log.exists() else []:
        test = json.loads(line)
        name = f"{kind} {test['name'].split(' / ')[-1]}"
        output = test.get("stdout", "")
        cases = list(tap(output))
        reason = "; ".join(re.findall(r"skip(?:ped)?: (.*)", output + test.get("stderr", ""))) or "see its output"
        bad = test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
        for case, outcome in cases:
            yield f"{name} {case}", outcome, reason if outcome == "skipped" else output[-3000:]
        if bad and not any(outcome == "failed" for _, outcome in cases):
            yield name, "failed", f"{test['result']}\n{output[-4000:]}\n{test.get('stderr', '')[-6000:]}"
        elif not cases:
            yield name, "skipped" if test["result"] == "SKIP" else "passed", reason


def steady(attempt):
    """Runs what had failures once more. What passes then is counted as passed, and named: a race to be found, not hidden."""
    first = list(attempt())
    if not any(outcome == "failed" for _, outcome, _ in first):
        yield from first
        return
    again = list(attempt())
    now = {name: outcome for name, outcome, _ in again}
    for name, outcome, detail in first:
        if outcome == "failed" and now.get(name) != "failed":
            say(f"UNSTEADY {name}: passed when it was run again; at first:\n    " + "\n    ".join(detail.strip().splitlines()[-40:]))
    yield from again


def suite_unit(options):
    yield from steady(lambda: meson_suite("asan", "unit"))


def suite_api(options):
    yield from steady(lambda: meson_suite("asan", "api"))


def suite_threads(options):
    yield from steady(lambda: meson_suite("tsan", "threads"))


def suite_style(options):
    library = build("plain") / "lib/libscow.so"
    cli = BUILD / "plain/examples/scow/scow"
    for script in sorted((TOP / "tests/style").glob("*.py")):
        arguments = {"symbols.py": [library], "cli_symbols.py": [cli]}.get(script.name, [])
        done = run([sys.executable, "-B", script, *arguments])
        yield f"style {script.stem}", "failed" if done.returncode else "passed", done.stdout + done.stderr


def suite_headers(options):
    for header in sorted((TOP / "include/scow").glob("*.h")):
        for name, command in {
            "c99": ["gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-x", "c"],
            "c++17": ["g++", "-std=c++17", "-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-x", "c++"],
        }.items():
            source = f"#include <scow/{header.name}>\n#include <scow/{header.name}>\nint main(void) {{ return 0; }}\n"
            done = subprocess.run([*command, "-fsyntax-only", f"-I{TOP}/include", "-"], input=source, capture_output=True, text=True)
            yield f"header {header.name} {name}", "failed" if done.returncode else "passed", done.stderr


def suite_install(options):
    """A foreign program against the installed library, as its user would build it."""
    where = build("plain")
    with tempfile.TemporaryDirectory(prefix="scow-install.") as prefix:
        done = run(["meson", "install", "-C", where, "--no-rebuild", "--destdir", prefix])
        if done.returncode:
            yield "install", "failed", done.stdout + done.stderr
            return
        pc = next(pathlib.Path(prefix).rglob("scow.pc"))
        env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": prefix}
        flags = run(["pkg-config", "--cflags", "--libs", "scow"], env=env).stdout.split()
        program = f"{prefix}/run_hello"
        done = run(["cc", "-Wall", "-Wextra", "-Werror", TOP / "examples/run_hello.c", *flags, "-o", program])
        yield "install: run_hello compiles by pkg-config", "failed" if done.returncode else "passed", done.stdout + done.stderr
        env = {**os.environ, "LD_LIBRARY_PATH": str(next(pathlib.Path(prefix).rglob("libscow.so")).parent)}
        done = run([program], env=env)
        yield "install: run_hello loads the library", "passed" if done.returncode == 2 else "failed", done.stderr
        if os.geteuid() != 0:
            yield "install: run_hello runs as root", "skipped", "needs root"
            return
        run([TOP / "tests/support/make-base-image.sh", f"{prefix}/base.tar", "base:latest"])
        # It uses the default root, /var/lib/scow: here one of a mount namespace.
        script = f"mount -t tmpfs tmpfs /var/lib && {prefix}/usr/local/bin/scow load -q -i {prefix}/base.tar && exec {program} base"
        done = run(["unshare", "-mn", "--propagation", "private", "sh", "-c", script], env=env)
        good = done.returncode == 0 and "hello from a container\nexit code 0" in done.stdout
        yield "install: run_hello runs as root", "passed" if good else "failed", done.stdout + done.stderr


def unittests(script, env, name, timeout):
    """A python unittest file, a line for each of its cases."""
    code = (
        "import sys, unittest, importlib.util\n"
        "spec = importlib.util.spec_from_file_location('cases', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec); sys.modules['cases'] = module; spec.loader.exec_module(module)\n"
        "class Result(unittest.TextTestResult):\n"
        "    def say(self, test, outcome, detail=''):\n"
        "        print('@@', outcome, test.id(), '|', detail.replace('\\n', '\\\\n'), flush=True)\n"
        "    def addSuccess(self, t): super().addSuccess(t); self.say(t, 'passed')\n"
        "    def addFailure(self, t, e): super().addFailure(t, e); self.say(t, 'failed', self._exc_info_to_string(e, t))\n"
        "    def addError(self, t, e): super().addError(t, e); self.say(t, 'failed', self._exc_info_to_string(e, t))\n"
        "    def addSubTest(self, t, s, e):\n"
        "        super().addSubTest(t, s, e)\n"
        "        if e: self.say(s, 'failed', self._exc_info_to_string(e, s))\n"
        "    def addSkip(self, t, r): super().addSkip(t, r); self.say(t, 'skipped', r)\n"
        "suite = unittest.defaultTestLoader.loadTestsFromModule(module)\n"
        "unittest.TextTestRunner(stream=sys.stderr, verbosity=2, resultclass=Result).run(suite)\n"
    )
    try:
        done = run([sys.executable, "-B", "-c", code, script], env=env, timeout=timeout)
        out, err = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        out, err = (late.stdout or b"").decode(errors="replace"), f"not done after {timeout} s"
        yield f"{name} {script.stem}", "failed", err + "\n" + out[-2000:]
    count = 0
    for line in out.splitlines():
        if line.startswith("@@ "):
            _, outcome, rest = line.split(" ", 2)
            case, _, detail = rest.partition(" | ")
            count += 1
            yield f"{name} {script.stem} {case.removeprefix('cases.')}", outcome, detail.replace("\\n", "\n")
    if not count:
        yield f"{name} {script.stem}", "failed", err[-4000:]


def suite_integration(options):
    plain, asan = build("plain"), build("asan")
    for script in sorted((TOP / "tests/integration").glob("test_*.py")):
        kind, where = ("plain", plain) if script.stem in ("test_bench_floor",) else ("asan", asan)
        env = {**os.environ, **SANITIZER_ENV, "SCOW": str(where / "examples/scow/scow"), "SCOW_BUILD_DIR": str(where),
               "PULL_TOOL": str(where / "tests/pull_tool"), "LOAD_TOOL": str(where / "tests/load_tool")}
        yield from steady(lambda script=script, env=env, kind=kind: unittests(script, env, kind, 600))


def suite_fault(options):
    """Processes that are killed at named points of the code: tests/fault."""
    if os.geteuid() != 0:
        yield "fault", "skipped", "needs root"
        return
    where = build("fault", targets=["examples/scow/scow"])
    yield from steady(lambda: fault(where, ["--full"] if options.fault_full else ["--seconds", "70"]))


def fault(where, arguments):
    done = run([sys.executable, "-B", TOP / "tests/fault/fault.py", *arguments], env={**os.environ, "SCOW": str(where / "examples/scow/scow")})
    for line in done.stdout.splitlines():
        if line.startswith("@@ "):
            _, outcome, rest = line.split(" ", 2)
            name, _, detail = rest.partition(" | ")
            yield f"fault {name}", outcome, detail.replace("\\n", "\n")
    if done.returncode and "@@ failed" not in done.stdout:
        yield "fault", "failed", done.stderr[-4000:]


def suite_guest(options):
    yield from steady(lambda: guest(options))


def guest(options):
    """What needs cgroup v2 controllers, in a user-mode-linux guest over the same files."""
    where = build("plain")
    if not shutil.which("linux.uml"):
        yield "guest", "skipped", "user-mode-linux is not installed"
        return
    if os.geteuid() != 0:
        yield "guest", "skipped", "needs root"
        return
    commands = {
        "cgroup v2": [where / "tests/unit/test_runtime_cgroup"],
        "containers on cgroup v2": ["/usr/bin/python3", "-B", TOP / "tests/guest/test_run.py"],
        "quotas": ["/usr/bin/python3", "-B", TOP / "tests/guest/test_quota.py"],
        "launch": [where / "tests/unit/test_runtime_launch"],
        "life on cgroup v2": ["/usr/bin/env", "TMPDIR=/tmp/guest", where / "tests/api/test_api_lifecycle"],
        "exec": ["env", "TMPDIR=/tmp/guest", where / "tests/api/test_api_exec"],
        "lives of exec": ["env", "TMPDIR=/tmp/guest", where / "tests/api/test_api_exec_lives"],
        "pressure": ["env", "TMPDIR=/tmp/guest", where / "tests/api/test_api_pressure"],
    }
    # A guest has one core.
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        for outcomes in pool.map(lambda item: list(one_guest(where, *item)), commands.items()):
            yield from outcomes


def one_guest(where, name, command):
    if not pathlib.Path(command[-1]).exists():
        yield f"guest {name}", "failed", f"{command[-1]} is not there"
        return
    try:
        done = run([TOP / "tests/guest.sh", "--", "env", "CMOCKA_MESSAGE_OUTPUT=TAP", f"SCOW={where}/examples/scow/scow", *command], timeout=240)
    except subprocess.TimeoutExpired:
        yield f"guest {name}", "failed", "not done after 240 s"
        return
    cases = list(tap(done.stdout))
    for case, outcome in cases:
        yield f"guest {name} {case}", outcome, done.stdout[-4000:]
    if not cases or (done.returncode and not any(outcome == "failed" for _, outcome in cases)):
        yield f"guest {name}", "failed" if done.returncode else "passed", done.stdout[-4000:] + done.stderr[-2000:]


def suite_fuzz(options):
    if not shutil.which("clang"):
        yield "fuzz", "skipped", "clang is not installed"
        return
    where = BUILD / "fuzz"
    if not (where / "build.ninja").exists():
        done = run(["meson", "setup", where, TOP, "-Dfuzz=true", "-Dtests=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                   env={**os.environ, "CC": "clang"})
        if done.returncode:
            raise SystemExit(f"meson setup fuzz failed:\n{done.stdout}{done.stderr}")
    done = run(["ninja", "-C", where, "-j", JOBS, "fuzz-targets"])
    if done.returncode:
        raise SystemExit(f"build fuzz failed:\n{done.stdout[-8000:]}")

    def fuzz(target):
        corpus = TOP / "tests/fuzz/corpus" / target.name.removeprefix("fuzz_")
        with tempfile.TemporaryDirectory(prefix="scow-fuzz.") as scratch:
            done = run([target, f"-max_total_time={options.fuzz}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=0",
                        f"-artifact_prefix={scratch}/", scratch, *([corpus] if corpus.is_dir() else [])],
                       env={**os.environ, **SANITIZER_ENV}, timeout=options.fuzz + 120)
        return f"fuzz {target.name} {options.fuzz} s", "failed" if done.returncode else "passed", done.stderr[-6000:]

    targets = [path for path in sorted((where / "tests/fuzz").glob("fuzz_*")) if path.is_file() and os.access(path, os.X_OK)]
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        yield from pool.map(fuzz, targets)


def suite_lint(options):
    where = build("plain")
    if shutil.which("cppcheck"):
        done = run(["cppcheck", "--quiet", "--std=c11", "-j", JOBS, "--enable=warning,portability", "--inline-suppr", "--error-exitcode=1",
                    f"--suppressions-list={TOP}/tests/style/cppcheck.txt", "-D_GNU_SOURCE", "-D__x86_64__", "--include=/usr/include/cjson/cJSON.h", f"-I{TOP}/include", f"-I{TOP}/lib",
                    TOP / "lib", TOP / "examples"])
        yield "lint cppcheck", "failed" if done.returncode else "passed", done.stderr[-6000:]
    if shutil.which("clang-tidy"):
        # scow-init is built with an option that only gcc has, and its system calls are assembler, which the analyser cannot see into.
        # fault.c is not of this build.
        files = sorted(str(path) for path in (TOP / "lib").rglob("*.c") if path.parent.name != "init" and path.name != "fault.c")
        done = subprocess.run(["xargs", "-P", JOBS, "-n", "8", "clang-tidy", "--quiet", "-p", str(where), "--warnings-as-errors=*"],
                              input="\n".join(files), capture_output=True, text=True, cwd=TOP)
        yield "lint clang-tidy", "failed" if done.returncode else "passed", "\n".join(re.findall(r".*(?:error|warning): .*", done.stdout + done.stderr))


def script_suite(script, name, arguments=()):
    where = build("plain")
    done = subprocess.run([sys.executable, "-B", str(TOP / "tests" / script), *arguments], cwd=TOP,
                          env={**os.environ, "SCOW": str(where / "examples/scow/scow"), "SCOW_BUILD_DIR": str(where)})
    yield name, "failed" if done.returncode else "passed", f"exit code {done.returncode}"


def suite_soak(options):
    yield from script_suite("soak/soak.py", "soak")


def suite_bench(options):
    yield from script_suite("bench/bench.py", "bench")


ALWAYS = ["style", "headers", "install", "unit", "api", "integration", "threads", "fault", "guest", "fuzz", "lint"]


def main():
    parser = argparse.ArgumentParser(prog="run.sh")
    parser.add_argument("--only", help=f"of: {', '.join(ALWAYS)}, soak, bench")
    parser.add_argument("--fuzz", type=int, default=6, metavar="SECONDS", help="for each target")
    parser.add_argument("--fault-full", action="store_true", help="kill everybody at every point, which takes some minutes")
    parser.add_argument("--soak", action="store_true", help="thousands of runs, then look for leaks")
    parser.add_argument("--bench", action="store_true", help="figures beside peers, into doc/performance.md's tables")
    parser.add_argument("--quick", action="store_true", help="no fuzzing, no lint, no guest")
    options = parser.parse_args()
    suites = options.only.split(",") if options.only else [s for s in ALWAYS if not (options.quick and s in ("fuzz", "lint", "guest"))]
    suites += ["soak"] * options.soak + ["bench"] * options.bench
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in suites:
        start = time.monotonic()
        say(f"==> {suite}")
        counts = dict.fromkeys(totals, 0)
        try:
            for name, outcome, detail in globals()[f"suite_{suite}"](options):
                counts[outcome] += 1
                if outcome == "failed":
                    say(f"FAILED {name}\n    " + "\n    ".join(detail.strip().splitlines()))
                elif outcome == "skipped":
                    say(f"skipped {name}: {detail.strip().splitlines()[0] if detail.strip() else ''}")
        except SystemExit as stop:
            counts["failed"] += 1
            say(f"FAILED {suite}: {stop}")
        for outcome, count in counts.items():
            totals[outcome] += count
        say(f"    {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped, {time.monotonic() - start:.0f} s")
    say(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if totals["failed"] or not totals["passed"] else 0


sys.exit(main())
