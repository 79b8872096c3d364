"""What a test may have left on the host: mounts, processes, cgroups, links, temporary files.

    with snapshot.unchanged(root):
        ...                       # anything that uses the store at `root`

fails with what differs. Only things that are ours are looked at: they name the store's root or scow, or descend
from this process. Others may be at work on the same machine: what could be theirs counts only if it is there at
every look of a few seconds. Temporary files are found where the test sends them: a directory given as one more root
whose `tmp` is $TMPDIR.
"""
import contextlib
import os
import pathlib
import time

import netns  # noqa: F401

PATIENCE = 5.0


def _read(path):
    try:
        return pathlib.Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _mounts(roots):
    lines = _read("/proc/self/mountinfo").splitlines()
    return {" ".join(line.split()[3:]) for line in lines
            if any(root in line for root in roots) or ("scow" in line and "/scow-bench." not in line)}  # peers at work beside us


def _parents():
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _read(f"/proc/{entry}/stat")
            if stat:
                parents[int(entry)] = int(stat.rsplit(")", 1)[1].split()[1])
    return parents


def _descends(pid, parents):
    while pid > 1:
        pid = parents.get(pid, 0)
        if pid == os.getpid():
            return True
    return False


def _processes(roots):
    """pid and command of what descends from us, or names the root on its command line or among its mounts."""
    found = {}
    parents = _parents()
    for pid in parents:
        if pid == os.getpid():
            continue
        command = _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip() or f"[{_read(f'/proc/{pid}/comm').strip()}]"
        named = any(root in command or root in _read(f"/proc/{pid}/mountinfo") for root in roots)
        if named or _descends(pid, parents):
            found[pid] = command
    return {f"{pid} {command}" for pid, command in found.items()}


def _cgroups():
    found = set()
    for top in pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/unified"):
        for directory, names, _ in os.walk(top):
            found.update(os.path.join(directory, name) for name in names if "scow" in name)
            names[:] = [name for name in names if "scow" not in name]
    return found


def _populated_by_others(cgroup):
    """Somebody else's container: it has processes, and they are not ours."""
    members = _read(os.path.join(cgroup, "cgroup.procs")).split()
    parents = _parents()
    return bool(members) and not any(_descends(int(pid), parents) for pid in members)


def _files(roots):
    found = set()
    for root in roots:
        for directory in "tmp", "owners", "containers":
            found.update(str(path) for path in pathlib.Path(root, directory).glob("*"))
    return found


class Snapshot:
    def __init__(self, *roots):
        self.roots = [str(root) for root in roots]
        self.parts = {
            "mounts": _mounts(self.roots),
            "processes": _processes(self.roots),
            "cgroups": _cgroups(),
            "links": {name for name in os.listdir("/sys/class/net") if "scow" in name},
            "files": _files(self.roots),
        }

    def difference(self, after):
        lines = []
        for part, before in self.parts.items():
            new = after.parts[part] - before
            if part == "cgroups":
                new = {name for name in new if not _populated_by_others(name)}
            lines += [f"{part}: left behind: {item}" for item in sorted(new)]
            if part == "mounts":
                lines += [f"{part}: gone: {item}" for item in sorted(before - after.parts[part])]
        return lines

    def check(self):
        """Raises AssertionError with what is there now and was not before, once it had time to go."""
        deadline = time.monotonic() + PATIENCE
        lines = None
        while True:
            now = self.difference(Snapshot(*self.roots))
            lines = now if lines is None else [line for line in now if line in lines]
            if not lines:
                return
            if time.monotonic() > deadline:
                raise AssertionError("the host is not as it was:\n" + "\n".join(lines))
            time.sleep(0.1)


@contextlib.contextmanager
def unchanged(*roots):
    before = Snapshot(*roots)
    yield before
    before.check()
