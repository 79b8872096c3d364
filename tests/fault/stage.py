"""A store of its own, and control over every process of libscow's that works on it.

A build with -Dfault=true has points at which a process waits if it is told to (lib/base/fault.h). It is told by a file and answers on
a socket, both of which it and all that it starts inherit: so whoever holds that socket is one of ours.
"""
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
FD = 900
PATIENCE = 8.0  # a loaded machine


def points():
    """Every point of the source, by name; plan steps as step.N."""
    found = {}
    for path in sorted((TOP / "lib").rglob("*.c")):
        for name in re.findall(r'FAULT_POINT\("([^"]+)"\)', path.read_text()):
            found[name] = str(path.relative_to(TOP))
    kinds = re.search(r"enum wire_kind \{(.*?)\}", (TOP / "lib/init/wire.h").read_text(), re.S).group(1)
    names = re.findall(r"^\s*(WIRE_\w+)", re.sub(r"/\*.*?\*/", "", kinds, flags=re.S), re.M)
    for number, name in enumerate(names[:-1]):
        found[f"step.{number}"] = name
    return found


def read(path):
    try:
        return pathlib.Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def is_alive(pid):
    """Not dead, nor past the point of no return: PF_EXITING."""
    stat = read(f"/proc/{pid}/stat")
    fields = stat.rsplit(")", 1)[1].split() if stat else []
    return bool(fields) and fields[0] not in "ZX" and not int(fields[6]) & 4


def kill_all(pids):
    """And sees them dead, or, frozen, about to be."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    deadline = time.monotonic() + 0.5
    while any(read(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()[:1] not in ([], ["Z"], ["X"]) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.001)


class Failure(Exception):
    pass


class Stage:
    def __init__(self, scow, archive):
        self.scow_path = scow
        self.work = tempfile.mkdtemp(prefix="scow-fault.")
        self.root = f"{self.work}/root"
        self.token = f"fault-{os.getpid()}-{os.path.basename(self.work)}"
        self.generation = 0
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        os.dup2(os.memfd_create("orders", 0), FD)
        os.dup2(theirs.fileno(), FD + 1)
        theirs.close()
        self.holder = os.readlink(f"/proc/self/fd/{FD + 1}")
        self.levels = len(re.search(r"NSpid:(.*)", read("/proc/self/status")).group(1).split())
        self.order("")
        self.output = open(f"{self.work}/output", "w+")
        self.must("load", "-q", "-i", archive)

    def close(self):
        self.order("")
        kill_all(self.processes())
        self.ours.close()
        shutil.rmtree(self.work, ignore_errors=True)

    # ---- programs ----

    def spawn(self, *args):
        self.output.seek(0)
        self.output.truncate()
        return subprocess.Popen([self.scow_path, "--root", self.root, *args], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                pass_fds=(FD, FD + 1))

    def scow(self, *args):
        # To a file: a supervisor that is held early has the caller's output open.
        with tempfile.TemporaryFile("w+", dir=self.work) as out, tempfile.TemporaryFile("w+", dir=self.work) as err:
            try:
                done = subprocess.run([self.scow_path, "--root", self.root, *args], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                      pass_fds=(FD, FD + 1), timeout=60)
            except subprocess.TimeoutExpired:
                raise Failure(f"scow {' '.join(args)}: not done after 60 s") from None
            out.seek(0)
            err.seek(0)
            return done.returncode, out.read(), err.read()

    def must(self, *args):
        code, out, err = self.scow(*args)
        if code:
            raise Failure(f"scow {' '.join(args)}: {code} {err.strip()}")
        return out.strip()

    # ---- points ----

    def order(self, point):
        """The process that waits goes on, if there is one; the next to come to @point will wait."""
        self.generation += 1
        os.pwrite(FD, struct.pack("56sQ", point.encode(), self.generation), 0)

    def heard(self, timeout):
        """(point, process id) or None."""
        if not select.select([self.ours], [], [], timeout)[0]:
            return None
        data, control, _, _ = self.ours.recvmsg(128, socket.CMSG_SPACE(12))
        return data.decode(), struct.unpack("iii", control[0][2])[0]

    def forget(self):
        while self.heard(0):
            pass

    def await_point(self, timeout=PATIENCE):
        heard = self.heard(timeout)
        return heard[1] if heard else None

    # ---- processes ----

    def processes(self):
        """pid -> role, of all that are ours and alive."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            pid = int(entry)
            try:
                ours = os.readlink(f"/proc/{pid}/fd/{FD + 1}") == self.holder
            except OSError:
                ours = False
            if not ours and self.token not in read(f"/proc/{pid}/environ"):
                continue
            if is_alive(pid):
                found[pid] = self.role(pid)
        return found

    def is_inside(self, pid):
        """Alive, in a pid namespace below ours, and not ending. An init that stays (--init) has nothing of ours left in it."""
        levels = re.search(r"NSpid:(.*)", read(f"/proc/{pid}/status"))
        return is_alive(pid) and bool(levels) and len(levels.group(1).split()) > self.levels

    def role(self, pid):
        levels = re.search(r"NSpid:(.*)", read(f"/proc/{pid}/status"))
        levels = levels.group(1).split() if levels else []
        command = read(f"/proc/{pid}/cmdline").split("\0")
        if len(levels) > self.levels:
            return "init" if levels[-1] == "1" else "inside"
        if command[0] == "scow-init":
            if command[1:2] == ["guard"]:
                return "guard"
            return "supervisor" if read(f"/proc/{pid}/comm").strip() == "scow-supervisor" else "helper"
        return "caller"

    def kill(self, role):
        kill_all([pid for pid, its in self.processes().items() if its == role])

    # ---- what is seen, and what is left ----

    def inspect(self, name):
        code, out, err = self.scow("inspect", name)
        if code == 0:
            return json.loads(out)[0]
        if "o such" not in err:
            raise Failure(f"inspect {name}: {err.strip()}")
        return None

    def is_frozen(self, pid):
        for line in read(f"/proc/{pid}/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "freezer":
                return read(f"/sys/fs/cgroup/freezer{path}/freezer.state").strip() != "THAWED"
            if not controllers and read(f"/sys/fs/cgroup{path}/cgroup.freeze"):
                return read(f"/sys/fs/cgroup{path}/cgroup.freeze").strip() == "1"
        return False

    def left(self, ids):
        lines = [f"process {pid} ({role}) {read(f'/proc/{pid}/cmdline')!r}" for pid, role in self.processes().items()]
        for directory in "tmp", "owners", "containers":
            lines += [f"{directory}/{name}" for name in os.listdir(f"{self.root}/{directory}")]
        lines += [line for line in read("/proc/self/mountinfo").splitlines() if self.root in line]
        for line in read("/proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            mount = f"/sys/fs/cgroup/{controllers.removeprefix('name=')}" if controllers else "/sys/fs/cgroup/unified"
            for top in (mount, "/sys/fs/cgroup") if not controllers else (mount,):
                for where in {path, "/"}:
                    lines += [f"cgroup {top}{where}/scow-{one}" for one in ids if os.path.exists(f"{top}{where}/scow-{one}")]
        return lines

    def await_clean(self, ids):
        deadline = time.monotonic() + PATIENCE
        while (lines := self.left(ids)):
            if time.monotonic() > deadline:
                raise Failure("left over: " + "; ".join(lines))
            time.sleep(0.01)
