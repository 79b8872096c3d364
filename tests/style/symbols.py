#!/usr/bin/env python3
"""The version script, the public headers and the built library name the same functions.

symbols.py [--write] [LIBRARY]: --write makes lib/libscow.map from the headers (new names go to the newest node).
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
MAP = TOP / "lib/libscow.map"


def declared():
    names = set()
    for header in sorted((TOP / "include/scow").glob("*.h")):
        text = re.sub(r"/\*.*?\*/|^#.*?$", "", header.read_text(), flags=re.S | re.M)
        for statement in re.findall(r"SCOW_API\s[^;]*?;", text):
            names.add(re.search(r"\b(scow_\w+)\s*\(", statement).group(1))
    return names


def mapped():
    return set(re.findall(r"^\s+(scow_\w+);", MAP.read_text(), flags=re.M)) if MAP.exists() else set()


def main():
    args = sys.argv[1:]
    if "--write" in args:
        lines = "".join(f"\t{name};\n" for name in sorted(declared()))
        MAP.write_text("SCOW_0.1 {\nglobal:\n" + lines + "local:\n\t*;\n};\n")
        return 0
    problems = [f"in the headers, not in the map: {n}" for n in sorted(declared() - mapped())]
    problems += [f"in the map, not in the headers: {n}" for n in sorted(mapped() - declared())]
    for library in args:
        out = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
        exported = {line.split()[-1].split("@")[0] for line in out.splitlines() if " A " not in line}
        problems += [f"in the headers, not in the library: {n}" for n in sorted(declared() - exported)]
        problems += [f"exported without a declaration: {n}" for n in sorted(exported - declared())]
    print("\n".join(problems) if problems else f"{len(declared())} symbols agree")
    return 1 if problems else 0


sys.exit(main())
