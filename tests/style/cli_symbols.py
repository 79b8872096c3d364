#!/usr/bin/env python3
"""cli_symbols.py PROGRAM: the command uses only public symbols of the library."""
import re
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
public = set(re.findall(r"^\s+(scow_\w+);", (TOP / "lib/libscow.map").read_text(), flags=re.M))
wanted = subprocess.run(["nm", "-u", sys.argv[1]], capture_output=True, text=True, check=True).stdout
used = {name for name in re.findall(r"\bU (\w+)", wanted) if name.startswith("scow_")}
needed = subprocess.run(["readelf", "-d", sys.argv[1]], capture_output=True, text=True, check=True).stdout
problems = [f"not public: {name}" for name in sorted(used - public)]
if not used:
    problems.append("uses nothing of the library")
if "libscow.so" not in needed:
    problems.append("is not linked with libscow.so")
print("\n".join(problems) or f"{len(used)} public functions used")
sys.exit(1 if problems else 0)
