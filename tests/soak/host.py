#!/usr/bin/env python3
"""No call changes the process that it is made in: the API tests and the command with a witness before each function. host.py [TEST...]

Without arguments all API tests run, and those integration tests in which the command comes to what they leave out.
"""
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SCOW_BUILD_DIR", TOP / "build/plain"))
LEAST = 200  # functions that have to be seen when all is run
COMMAND = ("cli", "semantics", "exec", "lifecycle", "detached", "load", "pull", "logs_events")


def plain(line):
    """Without the signals 32 and 33, which libc keeps for itself and takes with the first thread."""
    return f"SigCgt {int(line.split()[1], 16) & ~(3 << 31):x}" if line.startswith("SigCgt:") else line


def main():
    if platform.machine() != "x86_64":
        print("skipped: the witness is written for x86_64")
        return 0
    names = re.findall(r"^\s*(scow_\w+);", (TOP / "lib/libscow.map").read_text(), re.M)
    with tempfile.TemporaryDirectory(prefix="scow-witness.") as work:
        stubs = "".join(f".globl {name}\n.type {name}, @function\n{name}:\n\tmov ${number}, %eax\n\tjmp witness_enter\n"
                        for number, name in enumerate(names))
        pathlib.Path(f"{work}/stubs.s").write_text(f".text\n{stubs}.section .note.GNU-stack\n")
        listed = ",".join(f'"{name}"' for name in names)
        pathlib.Path(f"{work}/names.c").write_text(f"const char *const witness_names[] = {{{listed}}};\n"
                                                   f"const unsigned int witness_count = {len(names)};\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", TOP / "tests/soak/witness.c", f"{work}/names.c",
                        f"{work}/stubs.s", "-Wl,-Bsymbolic-functions", "-o", f"{work}/witness.so", "-ldl"], check=True)
        log = pathlib.Path(f"{work}/log")
        log.touch()
        failed = 0
        witnessed = {**os.environ, "LD_PRELOAD": f"{work}/witness.so", "WITNESS": str(log)}
        command = pathlib.Path(f"{work}/scow")
        command.write_text(f"#!/bin/sh\nLD_PRELOAD={work}/witness.so WITNESS={log} exec {BUILD}/examples/scow/scow \"$@\"\n")
        command.chmod(0o755)
        programs = [path for path in sorted((BUILD / "tests/api").glob("test_api_*")) if path.is_file() and os.access(path, os.X_OK)]
        for test in [pathlib.Path(one) for one in sys.argv[1:]] or [*programs, *(TOP / f"tests/integration/test_{one}.py" for one in COMMAND)]:
            if test.suffix == ".py":
                run, env = [sys.executable, "-B", test], {**os.environ, "SCOW": str(command), "PULL_TOOL": str(BUILD / "tests/pull_tool"),
                                                          "LOAD_TOOL": str(BUILD / "tests/load_tool")}
            else:
                run, env = [test], witnessed
            done = subprocess.run(run, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            # What they assert is for their own suites to say.
            print(f"{test.name}: {'passed' if done.returncode == 0 else 'failed'}", flush=True)
        text = log.read_text()
        changes = re.findall(r"^changed (\w+)\n(.*?)^---$", text, re.M | re.S)
        called = set(re.findall(r"^called (\w+)$", text, re.M))
        for name, what in changes:
            before, after = what.split("--- after\n")
            lines = [f"{old} / {new}" for old, new in zip(before.splitlines()[1:], after.splitlines()) if plain(old) != plain(new)]
            if lines:
                print(f"{name} changed its process: {'; '.join(lines)}")
                failed += 1
        print(f"{len(called)} of {len(names)} functions were called, {failed} times with a change; never: "
              f"{' '.join(sorted(set(names) - called))}")
        if len(called) < LEAST and not sys.argv[1:]:
            failed += 1
        return 1 if failed else 0


sys.exit(main())
