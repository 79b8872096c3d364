#!/usr/bin/env python3
"""Inside somebody else's container: in a user namespace, and in containers of our own with more and less allowed."""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

ROOT = os.geteuid() == 0
CLONE_NEWUSER = 0x10000000


def setUpModule():
    cli.Cli.WORK = cli.make_work("nested-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


@unittest.skipUnless(ROOT, "needs root to set up what it is nested in")
class Nested(cli.Cli):
    def in_user_namespace(self, first, count):
        """Runs commands as root of a user namespace whose ids are @count from @first on of the host."""
        store = tempfile.mkdtemp(dir=self.WORK)
        os.chown(store, first, first)
        for directory in pathlib.Path(store).parents:
            if str(directory).startswith(str(self.WORK)):
                os.chmod(directory, 0o755)
        scow = self.reachable()

        def run(*args):
            ready, go = os.pipe(), os.pipe()

            def enter():
                if ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0:
                    os._exit(99)
                os.write(ready[1], b"x")
                os.read(go[0], 1)
                os.setgid(0)
                os.setuid(0)
            command = [scow, *map(str, args)]
            reader = os.fork()  # Popen returns only after enter(), so somebody else has to write the maps
            if reader == 0:
                try:
                    os.read(ready[0], 1)
                    child = next(pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (os.getpid(), os.getppid())
                                 and parent_of(pid) == os.getppid())
                    for name in "uid_map", "gid_map":
                        pathlib.Path(f"/proc/{child}/{name}").write_text(f"0 {first} {count}\n")
                    os.write(go[1], b"x")
                finally:
                    os._exit(0)
            done = subprocess.run(command, preexec_fn=enter, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                                  env={**self.env, "SCOW_ROOT": store, "HOME": store, "LD_LIBRARY_PATH": str(pathlib.Path(scow).parent)})
            os.waitpid(reader, 0)
            for fd in (*ready, *go):
                os.close(fd)
            return done
        return run

    def reachable(self):
        """The program and its library, where other users may go."""
        place = pathlib.Path(self.WORK, "bin")
        if not place.exists():
            place.mkdir()
            shutil.copy(cli.SCOW, place)
            shutil.copy(pathlib.Path(cli.SCOW).parents[2] / "lib/libscow.so.0", place)
        return str(place / "scow")

    def test_root_of_a_user_namespace(self):
        scow = self.in_user_namespace(300000, 5000)
        self.assertEqual(scow("load", "-q", "-i", f"{self.WORK}/base.tar").stderr, "")
        done = scow("run", "--rm", "-u", "user", "base", "sh", "-c", "id -u; id -G; cat /proc/self/uid_map")
        self.assertEqual((done.stdout.split(), done.stderr), (["1000", "1000", "29", "44", "0", "0", "5000"], ""))
        done = scow("run", "--rm", "base", "sh", "-c", "touch /x && chown 33:33 /x && stat -c %u /x; hostname; ls /sys/class/net")
        self.assertEqual((done.returncode, done.stdout.split()[0], done.stdout.split()[-1]), (0, "33", "lo"), done)

    def test_one_id(self):
        scow = self.in_user_namespace(300000, 1)
        self.assertEqual(scow("load", "-q", "-i", f"{self.WORK}/base.tar").stderr, "")
        done = scow("run", "--rm", "base", "sh", "-c", "id -u; cat /proc/self/setgroups")
        self.assertEqual((done.stdout, done.stderr), ("0\ndeny\n", ""))
        done = scow("run", "--rm", "-u", "user", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("one id only", done.stderr)

    def test_in_a_container(self):
        build = pathlib.Path(cli.SCOW).parents[2]
        flags = [flag for path in ("/usr", "/lib", "/lib64", build) if os.path.exists(path) for flag in ("-v", f"{path}:{path}:ro")]
        flags += [flag for name, value in self.env.items() if name.endswith("SAN_OPTIONS") for flag in ("-e", f"{name}={value}")]
        flags += ["-v", f"{self.WORK}/base.tar:/base.tar:ro", "--tmpfs", "/store:exec,mode=1777", "-e", "SCOW_ROOT=/store/root"]
        script = f"{cli.SCOW} load -q -i /base.tar >/dev/null && exec {cli.SCOW} run --rm base sh -c 'echo nested $$'"
        for allowed, works in [(["--privileged"], True), (["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"], True),
                               (["--security-opt", "seccomp=unconfined"], True), ([], False)]:
            for user in "0", "1000":
                with self.subTest(allowed=allowed, user=user):
                    done = self.scow("run", "--rm", *allowed, "-u", user, *flags, "base", "sh", "-c", script)
                    if works:
                        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "nested 1\n", ""))
                    else:
                        self.assertEqual(done.returncode, 125, done)
                        self.assertIn("create a process in new namespaces: Operation not permitted", done.stderr)
                        self.assertIn("seccomp", done.stderr)


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


if __name__ == "__main__":
    unittest.main()
