#!/usr/bin/env python3
"""No file over 800 lines, no function over 100: a file is one idea, a function one step."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
problems = []
for folder in ("lib", "examples", "include"):
    for path in sorted((TOP / folder).rglob("*.[ch]")):
        lines = path.read_text().splitlines()
        name = path.relative_to(TOP)
        if len(lines) > 800:
            problems.append(f"{name}: {len(lines)} lines")
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start > 100:
                    problems.append(f"{name}:{start}: a function of {number - start} lines")
                start = None
        if path.suffix in (".c", ".h") and not re.match(r"/\* SPDX-License-Identifier: LGPL-2.1-or-later \*/", lines[0] if lines else ""):
            problems.append(f"{name}: no SPDX line")
print("\n".join(problems))
sys.exit(1 if problems else 0)
