#!/usr/bin/env python3
"""scow exec: other programs in running containers, as a process other than the one that runs them."""
import concurrent.futures
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import snapshot  # noqa: E402
import cli  # noqa: E402

SCOW = cli.SCOW


def read_until(fd, pattern, seconds=20):
    text, end = "", time.monotonic() + seconds
    while not re.search(pattern, text):
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            raise AssertionError(f"no {pattern!r} in {text!r}")
        try:
            text += os.read(fd, 4096).decode(errors="replace")
        except OSError:
            raise AssertionError(f"ended without {pattern!r}: {text!r}") from None
    return text


class Exec(unittest.TestCase):
    """A store with the base image in it, and one container that runs."""

    @classmethod
    def setUpClass(cls):
        import tempfile
        cls.work = tempfile.mkdtemp(prefix="exec-test.")
        os.mkdir(f"{cls.work}/tmp")
        cls.root = f"{cls.work}/root"
        cls.env = {**os.environ, "SCOW_ROOT": cls.root, "TMPDIR": f"{cls.work}/tmp"}
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{cls.work}/base.tar", "base:latest"], check=True)
        subprocess.run([SCOW, "load", "-q", "-i", f"{cls.work}/base.tar"], env=cls.env, check=True, stdout=subprocess.DEVNULL)
        cls.before = snapshot.Snapshot(cls.root, cls.work)
        cls.main = cls.begin("main", "-e", "FROM=container", "-w", "/usr")

    @classmethod
    def tearDownClass(cls):
        import shutil
        try:
            cls.scow("rm", "-f", "main")
            cls.main.wait(30)
            cls.before.check()
        finally:
            shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def begin(cls, name, *args):
        process = subprocess.Popen([SCOW, "run", "--rm", "--name", name, *args, "base", "sh", "-c", "echo up; exec sleep 1000"],
                                   env=cls.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        with process.stdout:
            assert process.stdout.readline() == "up\n"
        return process

    @classmethod
    def scow(cls, *args, **kwargs):
        if "input" not in kwargs:
            kwargs["stdin"] = subprocess.DEVNULL
        return subprocess.run([SCOW, *map(str, args)], env=kwargs.pop("env", cls.env), capture_output=True, text=True, timeout=60, **kwargs)

    def test_what_it_gets(self):
        done = self.scow("exec", "-e", "A=1", "main", "sh", "-c", "echo $FROM $A; pwd; cat /proc/1/comm; id -u")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "container 1\n/usr\nsleep\n0\n", ""))
        done = self.scow("container", "exec", "-u", "12:34", "-w", "/etc", "main", "sh", "-c", "id -u; id -g; pwd")
        self.assertEqual((done.returncode, done.stdout), (0, "12\n34\n/etc\n"))
        done = self.scow("exec", "--privileged", "main", "grep", "^Seccomp:", "/proc/self/status")
        self.assertEqual(done.stdout, "Seccomp:\t0\n")

    def test_environment(self):
        pathlib.Path(self.work, "env").write_text("# comment\nA=of the file\nB=b\nC\n")
        done = self.scow("exec", "--env-file", f"{self.work}/env", "-e", "A=over it", "-e", "FROM", "main", "sh", "-c",
                         "echo $A,$B,$C,${FROM-gone}", env={**self.env, "C": "ours"})
        self.assertEqual(done.stdout, "over it,b,ours,gone\n")

    def test_exit_codes(self):
        for script, code in (("exit 3", 3), ("kill -9 $$", 137), ("true", 0)):
            self.assertEqual(self.scow("exec", "main", "sh", "-c", script).returncode, code)
        done = self.scow("exec", "main", "nothing-there")
        self.assertEqual((done.returncode, "nothing-there" in done.stderr), (127, True))
        self.assertEqual(self.scow("exec", "main", "/etc/passwd").returncode, 126)
        self.assertEqual(self.scow("exec", "-w", "/nothing-there", "main", "true").returncode, 127)
        self.assertEqual(self.scow("exec", "nosuchcontainer", "true").returncode, 1)
        self.assertEqual(self.scow("exec", "main").returncode, 1)
        self.assertEqual(self.scow("exec", "--nosuchflag", "main", "true").returncode, 125)
        self.assertEqual(self.scow("exec", "-w", "relative", "main", "true").returncode, 125)
        self.assertEqual(self.scow("create", "--name", "idle", "base", "true").returncode, 0)
        done = self.scow("exec", "idle", "true")
        self.assertEqual((done.returncode, "not running" in done.stderr), (1, True))
        self.scow("rm", "idle")

    def test_streams(self):
        done = self.scow("exec", "-i", "main", "sh", "-c", "cat; echo err >&2", input="typed\n")
        self.assertEqual((done.stdout, done.stderr), ("typed\n", "err\n"))
        self.assertEqual(self.scow("exec", "main", "cat", input="not read").stdout, "")

    def test_terminal(self):
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(SCOW, [SCOW, "exec", "-it", "main", "sh"], self.env)
        try:
            read_until(fd, "# ")
            os.write(fd, b"tty; echo $TERM; stty -a | grep -c isig\r")
            read_until(fd, r"/dev/pts/\d+\r\nxterm\r\n1\r\n")
            os.write(fd, b"sleep 100\r")
            time.sleep(0.3)
            os.write(fd, b"\003")
            read_until(fd, "# ")
            os.write(fd, b"exit 5\r")
            _, status = os.waitpid(pid, 0)
            self.assertEqual(os.waitstatus_to_exitcode(status), 5)
        finally:
            os.close(fd)

    def test_detach_keys(self):
        """Left by keys it goes on; else its exit code and our end are as without."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(SCOW, [SCOW, "exec", "-it", "--detach-keys", "ctrl-x,x", "main", "sh"], self.env)
        try:
            read_until(fd, "# ")
            os.write(fd, b"(sleep 0.5; echo still >/tmp/left) & wait; echo $$ >>/tmp/left; sleep 1000\r")
            time.sleep(0.2)
            os.write(fd, b"\030x")
            _, status = os.waitpid(pid, 0)
            self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        finally:
            os.close(fd)
        script = "for i in $(seq 100); do [ $(wc -l </tmp/left) = 2 ] && kill -9 $(tail -n 1 /tmp/left) && exit; sleep 0.1; done 2>/dev/null; exit 1"
        self.assertEqual(self.scow("exec", "main", "sh", "-c", script).returncode, 0)
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(SCOW, [SCOW, "exec", "-it", "--detach-keys", "ctrl-x,x", "main", "sh"], self.env)
        try:
            read_until(fd, "# ")
            os.write(fd, b"exit 6\r")
            _, status = os.waitpid(pid, 0)
            self.assertEqual(os.waitstatus_to_exitcode(status), 6)
        finally:
            os.close(fd)
        self.assertEqual(self.scow("exec", "--detach-keys", "x,", "main", "true").returncode, 125)

    def test_detach(self):
        done = self.scow("exec", "-d", "main", "sh", "-c", "sleep 0.5; echo $$ >/tmp/detached; exec sleep 1000")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        done = self.scow("exec", "main", "sh", "-c", "for i in $(seq 100); do [ -s /tmp/detached ] && kill -9 $(cat /tmp/detached) && exit; sleep 0.1; done")
        self.assertEqual(done.returncode, 0)

    def test_signals_are_passed_on(self):
        process = subprocess.Popen([SCOW, "exec", "main", "sh", "-c", "trap 'exit 44' TERM; echo up; while :; do sleep 0.1; done"],
                                   env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        with process.stdout:
            self.assertEqual(process.stdout.readline(), b"up\n")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(20), 44)

    def test_ends_with_whoever_asked(self):
        """Killed outright, its program goes, also what left the program's session; the container stays."""
        script = "setsid sleep 2222 </dev/null >/dev/null 2>&1 & echo up; exec sleep 3333"
        process = subprocess.Popen([SCOW, "exec", "main", "sh", "-c", script], env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        with process.stdout:
            self.assertEqual(process.stdout.readline(), b"up\n")
        process.kill()
        process.wait()
        done = self.scow("exec", "main", "sh", "-c", "for i in $(seq 100); do ps | grep -q 'sleep [23][23][23][23]$' || exit 0; sleep 0.1; done; exit 1")
        self.assertEqual(done.returncode, 0)

    def test_ends_with_the_container(self):
        other = self.begin("other")
        process = subprocess.Popen([SCOW, "exec", "other", "sh", "-c", "echo up; exec sleep 1000"], env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        with process.stdout:
            self.assertEqual(process.stdout.readline(), b"up\n")
        self.assertEqual(self.scow("kill", "other").returncode, 0)
        self.assertEqual(process.wait(20), 137)
        self.assertEqual(other.wait(20), 137)

    def test_no_way_out(self):
        """CVE-2024-21626, with what a shell may leave open."""
        held = [os.open("/", os.O_RDONLY | os.O_DIRECTORY) for _ in range(20)]
        for fd in held:
            os.set_inheritable(fd, True)
        try:
            for number in range(40):
                done = self.scow("exec", "-w", f"/proc/self/fd/{number}", "main", "pwd", close_fds=False)
                self.assertNotEqual(done.returncode, 0, done)
            done = self.scow("exec", "main", "ls", "/proc/self/fd", close_fds=False)
            self.assertEqual(done.stdout.split(), ["0", "1", "2", "3"])  # 3 is what ls reads
        finally:
            for fd in held:
                os.close(fd)

    def test_many_at_once(self):
        def one(number):
            done = self.scow("exec", "main", "sh", "-c", f"echo {number}; exit {number}")
            return done.returncode == number and done.stdout == f"{number}\n" and not done.stderr
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual(list(pool.map(one, range(60))), [True] * 60)


if __name__ == "__main__":
    unittest.main()
