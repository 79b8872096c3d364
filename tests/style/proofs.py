#!/usr/bin/env python3
"""The documents keep to what is there: tests that doc/semantics-tests.md names exist, links lead somewhere, programs compile,
and no guide is longer than 200 lines."""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
problems = []


def known_tests():
    """{"tests/unit/image/test_reference.c": {"test_good", ...}, ...}; a file's name is also its stem."""
    found = {}
    for path in sorted((TOP / "tests").rglob("*")):
        if path.suffix in (".c", ".py") and path.is_file():
            text = path.read_text(errors="replace")
            names = set(re.findall(r"\bstatic void (test_\w+)\(|\bdef (test_\w+)\(", text))
            found[str(path.relative_to(TOP / "tests"))] = {name for pair in names for name in pair if name}
    return found


tests = known_tests()
table = (TOP / "doc/semantics-tests.md").read_text()
for number, line in enumerate(table.splitlines(), 1):
    if not line.startswith("|") or re.match(r"\|[-| ]+\|$", line):
        continue
    for file, name in re.findall(r"`([\w/.-]+\.(?:c|py))(?::(\w+))?`", line):
        if file not in tests:
            problems.append(f"doc/semantics-tests.md:{number}: no file tests/{file}")
        elif name and name not in tests[file]:
            problems.append(f"doc/semantics-tests.md:{number}: no {name} in tests/{file}")
for path in sorted((TOP / "doc").glob("*.md")):
    text = path.read_text()
    if text.count("\n") > 200 and path.name != "semantics-tests.md":  # a table, not a guide
        problems.append(f"doc/{path.name}: {text.count(chr(10))} lines")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        if not (path.parent / target).exists():
            problems.append(f"doc/{path.name}: no '{target}'")
    for program in re.findall(r"^```c\n(#include.*?)^```", text, re.M | re.S):
        done = subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{TOP}/include", "-x", "c", "-"], input=program,
                              capture_output=True, text=True)
        if done.returncode:
            problems.append(f"doc/{path.name}: its program does not compile\n{done.stderr}")
print("\n".join(problems))
sys.exit(1 if problems else 0)
