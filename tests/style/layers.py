#!/usr/bin/env python3
"""A room includes only rooms above it; examples and bindings include only public headers."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ["base", "engine", "store", "archive", "image", "registry", "runtime", "network", "volume", "container", "build", "system"]
# Rooms that stand side by side do not know each other, but registry knows image.
STRANGERS = {"image", "registry", "runtime", "network", "volume"}
ALLOWED = {("registry", "image")}
problems = []

for path in sorted((TOP / "lib").rglob("*.[ch]")):
    room = path.relative_to(TOP / "lib").parts[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "(\w+)/', line)
        if not found or found.group(1) == room:
            continue
        other = found.group(1)
        where = f"{path.relative_to(TOP)}:{number}"
        if room == "init" or (other == "init" and room not in ("runtime", "engine", "network")):
            problems.append(f"{where}: scow-init stands alone")
        elif other in ROOMS and ROOMS.index(other) > ROOMS.index(room):
            problems.append(f"{where}: {room} includes {other}, which is below it")
        elif room in STRANGERS and other in STRANGERS and (room, other) not in ALLOWED:
            problems.append(f"{where}: {room} does not know {other}")
for path in sorted([*(TOP / "examples").rglob("*.[ch]"), *(TOP / "bindings").rglob("*.[ch]")]):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "([^"]+)"', line)
        if found and "/" in found.group(1):
            problems.append(f"{path.relative_to(TOP)}:{number}: includes {found.group(1)}")
print("\n".join(problems))
sys.exit(1 if problems else 0)
