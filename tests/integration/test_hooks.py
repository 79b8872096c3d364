#!/usr/bin/env python3
"""Hooks, passed descriptors, socket activation and odd users, as the command has them."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

WORK = None


def setUpModule():
    global WORK
    WORK = cli.make_work("hooks-test.")
    # It notes its stage and what it was told, and fails if it was told to.
    pathlib.Path(WORK, "hook").write_text(
        '#!/bin/sh\nPATH=/usr/bin:/bin\n{ printf "%s %s " "$1" "$(readlink /proc/self/cwd)"; cat; echo; } >>"$2"\n'
        '[ "$3" = fail ] && { echo "no, because" >&2; exit 42; }\nexit 0\n')
    os.chmod(f"{WORK}/hook", 0o755)


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


class Hooks(cli.Cli):
    @classmethod
    def setUpClass(cls):
        cls.WORK = WORK
        super().setUpClass()

    def setUp(self):
        self.notes = pathlib.Path(WORK, "notes")
        self.notes.unlink(missing_ok=True)

    def flags(self, *stages):
        return [word for stage in stages for word in ("--hook", f"{stage}={WORK}/hook,{stage},{self.notes}")]

    def told(self):
        lines = [line.split(" ", 2) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []
        return [(stage, where, json.loads(state)) for stage, where, state in lines]

    def stages(self):
        return [stage for stage, _, _ in self.told()]

    def test_order_and_state(self):
        self.run_ok("--annotation", "com.example=1", *self.flags("poststop", "poststart", "createContainer", "createRuntime", "prestart"),
                    "base", "true")
        told = self.told()
        self.assertEqual([stage for stage, _, _ in told], ["prestart", "createRuntime", "createContainer", "poststart", "poststop"])
        self.assertEqual([state["status"] for _, _, state in told], ["creating", "creating", "creating", "running", "stopped"])
        self.assertEqual({where for _, where, _ in told}, {"/"})
        for _, _, state in told:
            self.assertEqual(state["annotations"], {"com.example": "1"})
            self.assertRegex(state["ociVersion"], r"^1\.\d+\.\d+$")
            self.assertEqual(state["bundle"], f"{self.root}/containers/{state['id']}")
        self.assertEqual((told[2][2]["pid"], "pid" in told[4][2]), (1, False))
        self.assertGreater(told[1][2]["pid"], 1)

    def test_namespaces(self):
        """What a hook sets in its network is there when the program starts; the new root is "/.." to a createContainer hook."""
        script = pathlib.Path(WORK, "net")
        script.write_text("#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\npid=$(sed 's/.*\"pid\"://; s/,.*//')\n"
                          "nsenter -t \"$pid\" -n sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'\n")
        script.chmod(0o755)
        root = pathlib.Path(WORK, "root-hook")
        root.write_text("#!/bin/sh\nPATH=/usr/bin:/bin\necho from a hook >/../made\n")
        root.chmod(0o755)
        out = self.run_ok("--hook", f"createRuntime={script}", "--hook", f"createContainer={root}", "base", "cat",
                          "/proc/sys/net/ipv4/ip_forward", "/made")
        self.assertEqual(out, "1\nfrom a hook\n")
        self.assertFalse(os.path.exists("/made"))

    def test_failure(self):
        done = self.run_fails(125, "createRuntime hook", "--hook", f"createRuntime={WORK}/hook,bad,{self.notes},fail",
                              *self.flags("poststop"), "base", "echo", "ran")
        self.assertIn("failed with exit code 42: no, because", done.stderr)
        self.assertEqual((done.stdout, self.stages()), ("", ["bad", "poststop"]))
        self.run_fails(125, "is not an absolute path", "--hook", "prestart=hook", "base", "true")
        self.run_fails(125, "write it as STAGE=PATH", "--hook", "never=/bin/true", "base", "true")

    def test_stored(self):
        """What create was told, every start does, and inspect shows."""
        self.assertEqual(self.scow("create", "--name", "stored", *self.flags("createRuntime", "poststop"), "base", "true").returncode, 0)
        hooks = json.loads(self.scow("inspect", "-f", "{{json .HostConfig.Hooks}}", "stored").stdout)
        self.assertEqual(hooks["poststop"], [{"path": f"{WORK}/hook", "args": [f"{WORK}/hook", "poststop", str(self.notes)]}])
        for _ in range(2):
            done = self.scow("start", "-a", "stored")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.stages(), ["createRuntime", "poststop"] * 2)
        self.assertEqual(self.scow("rm", "stored").returncode, 0)

    def test_owner_is_killed(self):
        """Then who finds the container has its last hooks run."""
        process = self.spawn("run", "--name", "left", *self.flags("poststop"), "base", "sh", "-c", "echo up; sleep 1000",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), "up\n")
        process.kill()
        process.wait()
        self.assertEqual(self.scow("ps", "-aq").returncode, 0)
        self.assertEqual(self.stages(), ["poststop"])
        self.assertEqual(self.scow("rm", "left").returncode, 0)

    def test_supervisor_is_killed(self):
        self.assertEqual(self.scow("run", "-d", "--name", "orphan", *self.flags("poststop"), "base", "sleep", "1000").returncode, 0)
        pid = int(self.scow("inspect", "-f", "{{.State.Pid}}", "orphan").stdout)
        supervisor = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(supervisor, signal.SIGKILL)
        end = time.monotonic() + 20
        while self.scow("inspect", "-f", "{{.State.Status}}", "orphan").stdout != "exited\n" and time.monotonic() < end:
            time.sleep(0.05)
        # Two who find it at once may both do so.
        self.assertEqual(set(self.stages()), {"poststop"})
        self.assertEqual(self.scow("rm", "orphan").returncode, 0)

    def test_directory(self):
        directories = [pathlib.Path(WORK, name) for name in ("first.d", "second.d")]

        def put(directory, name, when, stages=("createRuntime",), tag=None, **more):
            directory.mkdir(exist_ok=True)
            (directory / f"{name}.json").write_text(json.dumps({
                "version": "1.0.0", "when": when, "stages": stages,
                "hook": {"path": f"{WORK}/hook", "args": ["hook", tag or name, str(self.notes)]}, **more}))

        put(directories[0], "20-always", {"always": True}, ("createRuntime", "poststop"))
        put(directories[0], "10-command", {"commands": ["/never", "^true$"]})
        put(directories[0], "30-annotated", {"annotations": {r"^com\.example\.": "^y"}})
        put(directories[0], "40-binds", {"hasBindMounts": True, "always": True})
        put(directories[0], "50-nothing", {})
        put(directories[0], "60-replaced", {"always": True}, tag="old")
        put(directories[1], "60-replaced", {"always": True}, tag="new")
        flags = [word for directory in directories for word in ("--hooks-dir", directory)]
        self.run_ok(*flags, "base", "true")
        self.assertEqual(self.stages(), ["10-command", "20-always", "new", "20-always"])
        self.notes.unlink()
        self.run_ok(*flags, "--annotation", "com.example.x=yes", "-v", f"{WORK}:/work:ro", "base", "sleep", "0")
        self.assertEqual(self.stages(), ["20-always", "30-annotated", "40-binds", "new", "20-always"])
        self.notes.unlink()
        # The image's own command counts where none is given.
        put(directories[1], "70-image", {"commands": ["^sh$"]})
        self.run_ok("--hooks-dir", directories[1], "base")
        self.assertEqual(self.stages(), ["new", "70-image"])
        (directories[1] / "80-bad.json").write_text("{")
        self.run_fails(125, "80-bad.json': it is no JSON object", "--hooks-dir", directories[1], "base", "true")
        put(directories[1], "80-bad", {"always": True}, version="2")
        self.run_fails(125, "only version 1.0.0 is known", "--hooks-dir", directories[1], "base", "true")
        self.run_fails(125, "No such file", "--hooks-dir", "/no/such/directory", "base", "true")

    # ---- descriptors ----

    def with_fds(self, *words, fds=(), env=None, prefix=()):
        """A command that has these descriptors at their numbers, and nothing else that is open."""
        pairs = [(os.dup(fd), number) for number, fd in fds]
        sources = [source for source, _ in pairs]
        moved = " ".join(f"{number}<&{source}" for source, number in pairs) + " " + " ".join(f"{source}<&-" for source in sources
                                                                                              if source not in [n for _, n in pairs])
        try:
            return subprocess.run(["bash", "-c", f'exec "$@" {moved}', "bash", *prefix, cli.SCOW, *map(str, words)],
                                  env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                                  pass_fds=sources)
        finally:
            for source in sources:
                os.close(source)

    def file_with(self, text):
        fd = os.memfd_create("given")
        os.write(fd, text.encode())
        os.lseek(fd, 0, os.SEEK_SET)
        self.addCleanup(os.close, fd)
        return fd

    def test_preserve_fds(self):
        done = self.with_fds("run", "--rm", "--preserve-fds", "2", "base", "sh", "-c", "cat <&3; cat <&4; ls /proc/self/fd | tr '\\n' ' '",
                             fds=[(3, self.file_with("three ")), (4, self.file_with("four ")), (6, self.file_with("six"))])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "three four 0 1 2 3 4 5 ", ""))
        done = self.with_fds("run", "--rm", "--preserve-fd", "7,5", "base", "sh", "-c", "cat <&7; cat <&5",
                             fds=[(7, self.file_with("seven ")), (5, self.file_with("five"))])
        self.assertEqual((done.returncode, done.stdout), (0, "seven five"))
        for flags, words in ((("--preserve-fds", "1"), "descriptor 3 is not open"), (("--preserve-fd", "2"), "numbers from 3 on"),
                             (("--preserve-fd", "9"), "descriptor 9 is not open")):
            self.run_fails(125, words, *flags, "base", "true")

    def test_preserve_fds_in_exec_and_detached(self):
        done = self.with_fds("run", "-d", "--name", "keeps", "--preserve-fds", "1", "base", "sh", "-c", "cat <&3; exec sleep 1000",
                             fds=[(3, self.file_with("detached\n"))])
        self.assertEqual(done.returncode, 0, done)
        end = time.monotonic() + 20
        while self.scow("logs", "keeps").stdout != "detached\n" and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(self.scow("logs", "keeps").stdout, "detached\n")
        done = self.with_fds("exec", "--preserve-fds", "1", "keeps", "cat", "/proc/self/fd/3", fds=[(3, self.file_with("exec"))])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "exec", ""))
        self.assertEqual(self.scow("rm", "-f", "keeps").returncode, 0)

    def test_socket_activation(self):
        """As systemd does it: the socket is 3, and LISTEN_PID is the process that was started."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            done = self.with_fds("run", "--rm", "base", "sh", "-c", "echo $LISTEN_FDS $((LISTEN_PID - $$)); readlink /proc/self/fd/3",
                                 fds=[(3, listener.fileno())], env={"LISTEN_FDS": "1"},
                                 prefix=("sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"^1 0\nsocket:\[\d+\]\n$")
            # Meant for another process.
            done = self.with_fds("run", "--rm", "base", "sh", "-c", "echo \"[$LISTEN_FDS]\"; ls /proc/self/fd | tr '\\n' ' '",
                                 fds=[(3, listener.fileno())], env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
            self.assertEqual(done.stdout, "[]\n0 1 2 3 ")

    # ---- users ----

    def test_group_without_user(self):
        """Root, whatever the image says, in that group and no other, as with Docker."""
        self.make_image("some-user", User="12:34")
        script = "id -u; id -g; sed -n 's/^Groups:.//p' /proc/self/status; echo $HOME"
        for image in ("base", "some-user"):
            self.assertEqual(self.run_ok("-u", ":56", image, "sh", "-c", script), "0\n56\n56 \n/root\n")
        self.assertEqual(self.run_ok("-u", "12:", "base", "sh", "-c", "id -u; id -g"), "12\n0\n")
        self.assertEqual(self.scow("run", "-d", "--name", "grouped", "some-user", "sleep", "1000").returncode, 0)
        self.assertEqual(self.scow("exec", "-u", ":56", "grouped", "sh", "-c", script).stdout, "0\n56\n56 \n/root\n")
        self.run_fails(125, "a group of user", "-u", ":nobody-knows", "base", "true")
        self.assertEqual(self.scow("rm", "-f", "grouped").returncode, 0)
        self.assertEqual(self.scow("rmi", "-f", "some-user").returncode, 0)

    # ---- what no start could do is refused by create ----

    def test_create_refuses(self):
        profile = pathlib.Path(WORK, "profile.json")
        profile.write_text('{"defaultAction": "SCMP_ACT_NEVER_HEARD_OF"}')
        for words, flags in (("not allowed in the host's network", ("--network", "host", "--sysctl", "net.ipv4.ip_forward=1")),
                             ("conflicting options: a hostname", ("--uts", "host", "--hostname", "h")),
                             ("SCMP_ACT_NEVER_HEARD_OF", ("--security-opt", f"seccomp={profile}"))):
            done = self.scow("create", "--name", "refused", *flags, "base", "true")
            self.assertEqual((done.returncode, done.stdout), (125, ""), done)
            self.assertIn(words, done.stderr)
        self.assertEqual(self.scow("ps", "-aq").stdout, "")


if __name__ == "__main__":
    unittest.main()
