#!/usr/bin/env python3
"""The core of the suite as a plain user that this test makes: with ranges in /etc/subuid, and without any."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402
import snapshot  # noqa: E402

SCOW = pathlib.Path(os.environ.get("SCOW", TOP / "build/examples/scow/scow"))
BUILD = pathlib.Path(os.environ.get("SCOW_BUILD_DIR", SCOW.parents[2]))


class Rootless:
    NAME = None
    OWNER = 0  # of a file that is not root's, where that can be

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root to make users")
        cls.work = tempfile.mkdtemp(prefix="scow-rootless.")
        os.chmod(cls.work, 0o755)
        subprocess.run(["userdel", "-f", cls.NAME], capture_output=True)
        subprocess.run(["useradd", "--create-home", "--home-dir", f"{cls.work}/home", "--shell", "/bin/sh", cls.NAME], check=True)
        cls.user = pwd.getpwnam(cls.NAME)
        cls.ranges()
        # The build may lie where this user cannot go: what is run is copied, in the layout that its library path expects.
        for name in ("examples/scow/scow", "lib/libscow.so.0", "tests/api/test_api_container", "tests/api/test_api_process",
                     "tests/api/test_api_exec", "tests/api/test_api_exec_lives", "tests/api/test_api_detached", "tests/api/test_api_hooks",
                     "tests/api/test_api_lifecycle",
                     "tests/api/test_api_copy", "tests/api/test_api_files",
                     "tests/api/test_container", "tests/api/test_process", "examples/run_hello", "examples/seal"):
            if (BUILD / name).exists():
                to = pathlib.Path(cls.work, "build", name)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(BUILD / name, to)
        cls.scow_path = f"{cls.work}/build/examples/scow/scow"
        cls.root = f"{cls.work}/home/.local/share/scow"
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{cls.work}/base.tar", "base:latest"], check=True)
        os.chmod(f"{cls.work}/base.tar", 0o644)
        done = cls.scow("load", "-q", "-i", f"{cls.work}/base.tar")
        assert done.returncode == 0, done
        cls.before = snapshot.Snapshot(cls.root)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.before.check()
        finally:
            subprocess.run(["userdel", "-f", cls.NAME], capture_output=True)
            shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def as_user(cls, *command, **kwargs):
        env = {"PATH": os.environ["PATH"], "HOME": f"{cls.work}/home", "LANG": "C", "TMPDIR": f"{cls.work}/home"}
        env.update({name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")})
        env.update(kwargs.pop("env", {}))
        return subprocess.run([str(part) for part in command], user=cls.user.pw_uid, group=cls.user.pw_gid, extra_groups=[], env=env,
                              cwd=f"{cls.work}/home", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, **kwargs)

    @classmethod
    def scow(cls, *args):
        return cls.as_user(cls.scow_path, *args)

    def run_ok(self, *args):
        done = self.scow("run", "--rm", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_root_inside_is_the_user_outside(self):
        self.assertEqual(self.run_ok("base", "id", "-u").strip(), "0")
        maps = self.run_ok("base", "cat", "/proc/self/uid_map").split()
        self.assertEqual(maps[:2], ["0", str(self.user.pw_uid)])
        self.assertTrue(json.loads(self.scow("info", "--format", "json").stdout)["Rootless"])

    def test_exit_codes(self):
        for script, code in (("exit 3", 3), ("sh -c 'kill -9 $$'; exit $?", 137)):
            self.assertEqual(self.scow("run", "--rm", "base", "sh", "-c", script).returncode, code)
        self.assertEqual(self.scow("run", "--rm", "base", "nothing-there").returncode, 127)
        self.assertEqual(self.scow("run", "--rm", "base", "/etc/passwd").returncode, 126)

    def test_writable_root_binds_and_tmpfs(self):
        shared = pathlib.Path(self.work, "home/shared")
        self.as_user("mkdir", "-p", shared)
        self.run_ok("-v", f"{shared}:/data", "--tmpfs", "/scratch", "base", "sh", "-c",
                    "echo x >/data/made && echo y >/scratch/a && echo z >/etc/changed && mkdir -p /new/dir")
        self.assertEqual((shared / "made").stat().st_uid, self.user.pw_uid)

    def test_volumes(self):
        look = "stat -c '%u %a' /etc; cat /etc/group >/dev/null && touch /etc/mine"
        self.assertEqual(self.run_ok("-v", "vol:/etc", "base", "sh", "-c", look), "0 755\n")
        self.assertIn("mine", self.run_ok("-v", "vol:/x:ro", "base", "ls", "/x"))
        self.assertIn("bin", self.run_ok("--mount", "type=image,src=base,dst=/image", "base", "ls", "/image"))
        self.assertEqual(self.scow("run", "-d", "--name", "cont", "base", "sleep", "100").returncode, 0)
        for mount in "type=volume,src=vol,dst=/v", "type=tmpfs,dst=/t":
            done = self.scow("mount", "cont", mount)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("mine", self.scow("exec", "cont", "ls", "/v").stdout)
        self.assertEqual(self.scow("unmount", "cont", "/v").returncode, 0)
        self.assertEqual(self.scow("exec", "cont", "ls", "/v").stdout, "")
        self.assertEqual(self.scow("rm", "-f", "cont").returncode, 0)
        # Changes that are thrown away; one that is stopped has its volumes.
        self.assertEqual(self.run_ok("-v", "vol:/x:O", "base", "sh", "-c", "rm /x/mine; echo 1 >/x/new; cat /x/new; ls /x | grep -c mine || :"),
                         "1\n0\n")
        self.assertEqual(self.scow("create", "--name", "cont", "-v", "vol:/x", "base", "true").returncode, 0)
        done = self.scow("cp", "-q", "cont:/x/mine", "out")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.scow("cp", "-q", "out", "cont:/x/in")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.run_ok("-v", "vol:/x", "base", "stat", "-c", "%u", "/x/in"), "0\n")
        self.assertEqual(self.scow("rm", "cont").returncode, 0)
        self.assertEqual(self.scow("volume", "rm", "vol").stdout, "vol\n")

    def test_commit_without_a_freezer(self):
        """Where a plain user cannot pause it says so, changes nothing, and names the way round."""
        self.assertEqual(self.scow("run", "-d", "--name", "cont", "base", "sleep", "100").returncode, 0)
        done = self.scow("commit", "cont", "made")
        if done.returncode:
            self.assertIn("--no-pause", done.stderr)
            self.assertNotIn("warning", done.stderr)
            self.assertIn("running", self.scow("inspect", "-f", "{{.State.Status}}", "cont").stdout)
            self.assertEqual(self.scow("commit", "--no-pause", "cont", "made").returncode, 0)
        self.assertEqual(self.scow("rm", "-f", "cont").returncode, 0)
        self.assertEqual(self.scow("rmi", "made").returncode, 0)

    def test_namespaces_are_new(self):
        out = self.run_ok("base", "sh", "-c", "for n in net pid mnt; do readlink /proc/self/ns/$n; done; hostname; ls /sys/class/net")
        self.assertNotIn(os.readlink("/proc/self/ns/net"), out)
        self.assertNotIn(os.readlink("/proc/self/ns/mnt"), out)

    def test_limits_are_refused_not_dropped(self):
        done = self.scow("run", "--rm", "--memory", "64m", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("cgroup", done.stderr)

    def test_no_host_root(self):
        """Files of the host's root cannot be changed through a bind."""
        done = self.scow("run", "--rm", "-v", "/etc:/host", "base", "sh", "-c", "echo x >/host/scow-was-here")
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists("/etc/scow-was-here"))

    def test_removal_of_what_others_own(self):
        self.assertEqual(self.scow("create", "--name", "kept", "base", "sh", "-c", "mkdir -p /a/b && touch /a/b/c && chmod 0 /a/b").returncode, 0)
        done = self.scow("start", "-a", "kept")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.scow("rm", "kept")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(os.listdir(f"{self.root}/containers"), [])

    def test_link_into_a_lower_layer(self):
        """The target belongs to a mapped user, if there are any, and is closed to everybody else: the copy is the same."""
        below = [(cli.entry("data", cli.tarfile.DIRTYPE, mode=0o700, uid=self.OWNER, gid=self.OWNER), b""),
                 (cli.entry("data/file", mode=0o600, uid=self.OWNER, gid=self.OWNER, mtime=1_600_000_000), b"from below\n")]
        path = f"{self.work}/linked.tar"
        with cli.tarfile.open(f"{self.work}/base.tar") as base:
            bottom = next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))
        above = [(cli.entry("link", cli.tarfile.LNKTYPE, linkname="data/file"), b"")]
        pathlib.Path(path).write_bytes(cli.docker_archive([bottom, cli.tar_of(below), cli.tar_of(above)], {}, "linked:latest"))
        os.chmod(path, 0o644)
        done = self.scow("load", "-q", "-i", path)
        self.assertEqual(done.returncode, 0, done)
        out = self.run_ok("linked", "sh", "-c", "stat -c '%h %a %u %Y' /link; stat -c %a /data; cat /link; [ /link -ef /data/file ] && echo one")
        self.assertEqual(out.split("\n")[:-1], [f"2 600 {self.OWNER} 1600000000", "700", "from below", "one"])
        self.assertEqual(self.scow("rmi", "linked").returncode, 0)

    def test_changes_in_memory(self):
        done = self.scow("run", "--rm", "--storage-opt", "backing=tmpfs", "--storage-opt", "size=2m", "base", "sh", "-c",
                         "echo x >/x && rm -r /var && mkdir /var && ls /var && df -k / | tail -1 | awk '{print $2}'")
        self.assertEqual((done.returncode, done.stdout), (0, "2048\n"), done)
        done = self.scow("run", "--rm", "--storage-opt", "size=1g", "base", "true")
        self.assertIn("only the host's root may set quotas", done.stderr)

    def test_check(self):
        done = self.scow("system", "check")
        self.assertEqual(done.returncode, 0, done)

    def test_run_hello(self):
        """The first example, on this user's default root."""
        done = self.as_user(f"{self.work}/build/examples/run_hello", "base")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("hello from a container\nexit code 0", done.stdout)

    def test_seal(self):
        """The whole life of a container, kept as an image. Its terminal ends at the end of our stdin."""
        done = self.as_user(f"{self.work}/build/examples/seal", "base", "sealed:1")
        if "cgroup" in done.stderr:
            self.skipTest("limits need a cgroup that this user may write")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertTrue(done.stdout.splitlines()[-1].startswith("sha256:"))
        self.assertEqual(self.run_ok("sealed:1", "test", "-s", "/built"), "")

    def test_api_suite(self):
        """The API's own tests, as this user."""
        found = sorted(pathlib.Path(self.work, "build/tests/api").glob("test_*"))
        self.assertTrue(found, "the API tests are built")
        for program in found:
            # Leaks are looked for as root: a skip here jumps over what would give memory back.
            done = self.as_user(program, env={"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})
            self.assertEqual(done.returncode, 0, f"{program.name}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")


class WithRanges(Rootless, unittest.TestCase):
    NAME = "scowtest1"
    OWNER = 7

    @classmethod
    def ranges(cls):
        for name in ("/etc/subuid", "/etc/subgid"):
            if cls.NAME not in pathlib.Path(name).read_text():
                with open(name, "a") as file:
                    file.write(f"{cls.NAME}:700000:65536\n")

    def test_other_ids(self):
        self.assertEqual(self.run_ok("-u", "1000:1000", "base", "sh", "-c", "id -u; id -g").split(), ["1000", "1000"])
        self.run_ok("base", "sh", "-c", "touch /f && chown 33:33 /f && [ $(stat -c %u /f) = 33 ]")

    def test_a_user_of_the_image_writes(self):
        done = self.scow("run", "--name", "owner", "base", "sh", "-c", "mkdir /d && touch /d/f && chown -R 1000:1000 /d && chmod 700 /d")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.scow("rm", "owner")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


    def test_keep_id(self):
        """The user is himself inside; or who he says; and maps are of positions in what he has."""
        shared = pathlib.Path(self.work, "home/kept")
        self.as_user("mkdir", "-p", shared)
        uid, gid = self.user.pw_uid, self.user.pw_gid
        out = self.run_ok("--userns", "keep-id", "-v", f"{shared}:/data", "base", "sh", "-c",
                          "id -u; id -g; touch /data/made /tmp/x; stat -c %u:%g /data /data/made /tmp/x")
        self.assertEqual(out.split(), [str(uid), str(gid), *[f"{uid}:{gid}"] * 3])
        self.assertEqual((shared / "made").stat()[4:6], (uid, gid))
        self.assertEqual(self.run_ok("--userns", "keep-id:uid=7,gid=8", "base", "sh", "-c", "id -u; id -g").split(), ["7", "8"])
        self.assertEqual(self.run_ok("--userns", "keep-id", "-u", "0", "base", "sh", "-c", "touch /r; stat -c %u /r; id -u").split(), ["0", "0"])
        out = self.run_ok("--uidmap", "0:1:10", "--uidmap", "10:0:1", "base", "cat", "/proc/self/uid_map")
        self.assertEqual(out.split(), "0 1 10 10 0 1".split())
        done = self.scow("run", "-d", "--name", "kept", "--userns", "keep-id", "base", "sleep", "1000")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for _ in range(2):
            self.assertEqual(self.scow("exec", "kept", "id", "-u").stdout.strip(), str(uid))
            self.assertEqual(self.scow("restart", "-t", "0", "kept").returncode, 0)
        self.assertEqual(self.scow("rm", "-f", "kept").returncode, 0)
        for args, words in ((["--userns", "auto:size=10"], "all containers of a plain user"), (["--userns", "host"], "plain user"),
                            (["-v", f"{shared}:/d:idmap"], "needs root"), (["-v", f"{shared}:/d:U"], "needs root")):
            done = self.scow("run", "--rm", *args, "base", "true")
            self.assertEqual(done.returncode, 125, args)
            self.assertIn(words, done.stderr)


class SingleId(Rootless, unittest.TestCase):
    NAME = "scowtest2"

    @classmethod
    def ranges(cls):
        for name in ("/etc/subuid", "/etc/subgid"):
            lines = [line for line in pathlib.Path(name).read_text().splitlines(True) if not line.startswith(cls.NAME + ":")]
            pathlib.Path(name).write_text("".join(lines))

    def test_one_id_is_mapped(self):
        self.assertEqual(self.run_ok("base", "cat", "/proc/self/uid_map").split(), ["0", str(self.user.pw_uid), "1"])


if __name__ == "__main__":
    unittest.main()
