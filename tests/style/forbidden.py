#!/usr/bin/env python3
"""Calls that a library must not make in somebody else's process, and marks that must not be left behind."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
CALLS = re.compile(r"(?<![\w>.])(fork|vfork|clone|posix_spawnp?|popen|system|setenv|unsetenv|putenv|chdir|fchdir|umask|signal|sigaction|"
                   r"sigprocmask|exit|_exit|abort|atexit|setlocale|srand|rand|strerror|perror|strtok|localtime|gmtime|getpwnam|getpwuid|"
                   r"setrlimit|prctl(?!\(PR_CAPBSET_READ)|unshare|setns|mount|chroot)\s*\(")
# One place each, for a reason that its file gives.
ALLOWED = {("lib/base/spawn.c", "clone"), ("lib/runtime/io.c", "descriptors"), ("lib/engine/userns.c", "descriptors")}  # their numbers, in a child
STDERR = re.compile(r"\b(stderr|stdout|STDERR_FILENO)\b|(?<![\w>.])(printf|puts|putchar)\s*\(")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
problems = []


def code_of(path):
    text = path.read_text()
    blank = lambda found: re.sub(r"[^\n]", " ", found.group(0))
    text = re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.S)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', blank, text)


for path in sorted((TOP / "lib").rglob("*.[ch]")):
    name = str(path.relative_to(TOP))
    if not name.startswith("lib/init/"):
        for number, line in enumerate(code_of(path).splitlines(), 1):
            for found in CALLS.finditer(line):
                if (name, found.group(1)) not in ALLOWED:
                    problems.append(f"{name}:{number}: calls {found.group(1)}()")
            if STDERR.search(line) and (name, "descriptors") not in ALLOWED:
                problems.append(f"{name}:{number}: writes to the host's output")
for folder in ("lib", "include", "examples", "bindings"):
    for path in sorted((TOP / folder).rglob("*")):
        if path.is_file() and path.suffix in (".c", ".h", ".py", ".go", ".sh", ".build"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if MARKS.search(line):
                    problems.append(f"{path.relative_to(TOP)}:{number}: left undone: {line.strip()}")
print("\n".join(problems))
sys.exit(1 if problems else 0)
