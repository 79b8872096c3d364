#!/usr/bin/env python3
"""cli_symbols.py PROGRAM: the command's own objects, beside the program, use only public symbols of the library."""
import re
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
public = set(re.findall(r"^\s+(scow_\w+);", (TOP / "lib/libscow.map").read_text(), flags=re.M))
objects = sorted(pathlib.Path(sys.argv[1] + ".p").glob("*.o"))
listing = subprocess.run(["nm", "-A", *map(str, objects)], capture_output=True, text=True, check=True).stdout if objects else ""
used = {name for name in re.findall(r"\bU (\w+)", listing) if name.startswith("scow_")}
archive = pathlib.Path(sys.argv[1]).parents[2] / "lib/libscow.a"
visible = set(re.findall(r"^[0-9a-f]+ [A-TV-Z] (\w+)", subprocess.run(["nm", "-g", str(archive)], capture_output=True, text=True, check=True).stdout, re.M))
problems = [f"not public: {name}" for name in sorted(used - public)] + [f"visible in libscow.a: {name}" for name in sorted(visible - public)]
if not used:
    problems.append("uses nothing of the library")
print("\n".join(problems[:20]) or f"{len(used)} public functions used")
sys.exit(1 if problems else 0)
