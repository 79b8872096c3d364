#!/usr/bin/env python3
"""Every public function has a comment that names it and says since when."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
problems = []
for path in sorted((TOP / "include/scow").glob("*.h")):
    text = path.read_text()
    for found in re.finditer(r"SCOW_API\s[^;]*?\b(scow_\w+)\s*\([^;]*;", text):
        name = found.group(1)
        before = text[:found.start()].rstrip()
        comment = re.search(r"/\*\*(?:(?!\*/).)*\*/$", before, flags=re.S)
        if not comment:
            problems.append(f"{path.name}: {name} has no comment")
        elif f"{name}()" not in comment.group(0):
            problems.append(f"{path.name}: the comment before {name} does not name it")
        elif "Since:" not in comment.group(0):
            problems.append(f"{path.name}: {name} does not say since when")
print("\n".join(problems))
sys.exit(1 if problems else 0)
