#!/usr/bin/env python3
"""User namespaces of root's containers through the scow command: whose the files are, who shares ids with whom, what an idmapped
mount shows; and every kind of namespace as its own, the host's, or another container's."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402
from cli import entry  # noqa: E402


def setUpModule():
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root: a plain user's are in test_rootless.py")
    cli.Cli.WORK = cli.make_work("userns-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


def owners(top):
    """Of every file: whose it is, and when its inode changed last."""
    found = {}
    for directory, names, files in os.walk(top):
        for name in [".", *names, *files]:
            st = os.lstat(f"{directory}/{name}")
            found[f"{directory}/{name}"] = (st.st_uid, st.st_gid, st.st_mode, st.st_ctime_ns)
    return found


class UserNamespace(cli.Cli):
    def host(self, name):
        """A directory of the host for binds."""
        path = pathlib.Path(self.WORK, name)
        path.mkdir(mode=0o777)
        path.chmod(0o777)
        self.addCleanup(shutil.rmtree, path)
        return path

    def first_id(self, name):
        inside, outside, count = json.loads(self.scow("inspect", name).stdout)[0]["IDMappings"]["UidMap"][0].split(":")
        self.assertEqual(inside, "0")
        return int(outside), int(count)

    def test_whose_files_are(self):
        """FEATURES 75: what root makes inside has an id of the map on the host; the layers are used as they are."""
        shared = self.host("shared")
        before = owners(f"{self.root}/layers")
        done = self.scow("run", "--name", "files", "--userns", "private", "-v", f"{shared}:/shared", "base", "sh", "-c",
                         "id -u; cat /proc/self/uid_map; touch /shared/made /inside; rm /etc/group; chown 5:6 /inside; "
                         "stat -c %u:%g / /bin /etc/passwd /inside /etc/hosts /dev /shared")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        lines = done.stdout.split("\n")
        first, count = self.first_id("files")
        self.assertEqual((lines[0], lines[1].split()), ("0", ["0", str(first), "65536"]))
        self.assertEqual(lines[2:9], ["0:0", "0:0", "0:0", "5:6", "0:0", "0:0", "65534:65534"])
        self.assertGreaterEqual(first, 65536)
        self.assertEqual((shared / "made").stat().st_uid, first)
        self.assertEqual((shared / "made").stat().st_gid, first)
        self.assertEqual(owners(f"{self.root}/layers"), before)
        # What it wrote has the container's ids on the disk, for whoever reads it there.
        diff = next(pathlib.Path(self.root, "containers").glob("*/diff"))
        self.assertEqual((diff / "inside").stat()[4:6], (5, 6))
        self.assertEqual((diff / "etc/group").lstat().st_rdev, 0)
        # A second start has the same ids, and finds its files.
        self.scow("start", "-a", "files")
        self.assertEqual(self.first_id("files"), (first, count))
        self.assertEqual(self.scow("rm", "files").returncode, 0)

    def test_root_inside_is_nobody_outside(self):
        private = self.host("private")
        (private / "secret").write_text("x")
        (private / "secret").chmod(0o600)
        private.chmod(0o755)
        done = self.scow("run", "--rm", "--userns", "private", "--cap-add", "ALL", "-v", f"{private}:/p", "base", "sh", "-c",
                         "cat /p/secret; touch /p/x; chown 0 /p; mknod /n c 1 3; echo 1 >/proc/sys/kernel/panic; kill -0 1 && echo done")
        self.assertEqual(done.stdout, "done\n")
        self.assertEqual(done.stderr.count("Permission denied") + done.stderr.count("not permitted") + done.stderr.count("Read-only"), 5, done)
        self.assertEqual(os.listdir(private), ["secret"])

    def test_no_two_share_ids(self):
        """Made by many processes at once; freed with the container."""
        makers = [self.spawn("create", "--name", f"many{i}", "--userns", "auto:size=3000", "base", "true", stdout=subprocess.PIPE) for i in range(12)]
        self.assertEqual([maker.wait(60) for maker in makers], [0] * 12)
        ranges = sorted(self.first_id(f"many{i}") for i in range(12))
        for (first, count), (following, _) in zip(ranges, ranges[1:]):
            self.assertLessEqual(first + count, following)
        self.assertEqual({count for _, count in ranges}, {3000})
        self.assertEqual(self.scow("rm", *[f"many{i}" for i in range(12)]).returncode, 0)
        self.scow("create", "--name", "next", "--userns", "auto:size=3000", "base", "true")
        self.assertIn(self.first_id("next"), ranges)

    def test_maps_as_given(self):
        out = self.run_ok("--uidmap", "0:300000:1000", "--uidmap", "1000:7", "--gidmap", "0:400000:2000", "base", "sh", "-c",
                          "cat /proc/self/uid_map /proc/self/gid_map; touch /x; stat -c %u:%g /x")
        self.assertEqual(out.split(), "0 300000 1000 1000 7 1 0 400000 2000 0:0".split())
        for args, words in ((["--uidmap", "5:300000:10"], "must map the id 0"), (["--uidmap", "0:1:x"], "INSIDE:OUTSIDE[:COUNT]"),
                            (["--uidmap", "0:1:10", "--userns", "host"], "conflicting"), (["--userns", "keep-id"], "plain user"),
                            (["--userns", "nomap"], "no mode of a user namespace"),
                            (["--userns", "private", "-u", "70000"], "give it more ids"),
                            (["--userns", "private", "--network", "container:no"], "cannot be entered"),
                            (["-v", "/tmp:/t:idmap"], "needs a user namespace")):
            self.run_fails(125, words, *args, "base", "true")

    def test_streams_terminal_and_users(self):
        """The container's user opens /dev/stdout again, though root made the pipe."""
        for args in ([], ["-u", "1000:1000"], ["--init", "-u", "33"]):
            self.assertEqual(self.run_ok("--userns", "private", *args, "base", "sh", "-c", "echo again >/dev/stdout"), "again\n")
        done = self.scow("run", "--rm", "-t", "--userns", "private", "base", "sh", "-c",
                         "tty; stat -c %u:%g /dev/pts/0 /dev/console; echo x >/dev/tty")
        self.assertEqual(done.stdout.split(), ["/dev/pts/0", "0:5", "0:5", "x"], done)

    def test_settings(self):
        out = self.run_ok("--userns", "private", "--oom-score-adj", "77", "--sysctl", "net.ipv4.ip_forward=1", "--tmpfs", "/scratch",
                          "--read-only", "--hostname", "mapped", "-w", "/proc", "base", "sh", "-c",
                          "cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_forward; hostname; touch /scratch/x; stat -c %u /scratch/x; "
                          "grep CapEff /proc/self/status; cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
        self.assertEqual(out.split(), ["77", "1", "mapped", "0", "CapEff:", "00000000a80425fb", "0"])
        self.run_ok("--userns", "private", "--network", "host", "base", "ls", "/sys/class/net/lo")
        self.run_ok("--userns", "private", "--pid", "host", "base", "ls", f"/proc/{os.getpid()}")
        self.run_ok("--userns", "private", "--privileged", "base", "sh", "-c", "mkdir /m && mount -t tmpfs t /m && umount /m")

    def test_file_capabilities(self):
        """Those of the image are given by the container's root, who is root of its user namespace."""
        value = bytes.fromhex("0100000200200000000000000000000000000000").decode("latin-1")  # cap_net_raw+ep
        program = entry("cap/grep", mode=0o755)
        program.pax_headers = {"SCHILY.xattr.security.capability": value}
        self.make_image("caps", [(entry("cap", tarfile.DIRTYPE), b""), (program, pathlib.Path("/bin/busybox").read_bytes())])
        for args in ([], ["--userns", "private"]):
            self.assertEqual(self.run_ok(*args, "-u", "1000", "caps", "/cap/grep", "CapEff", "/proc/self/status").split()[1], "0000000000002000")

    def test_idmapped_binds(self):
        shared = self.host("idmap")
        (shared / "mine").write_text("x")
        os.chown(shared / "mine", 12, 13)
        out = self.run_ok("--userns", "private", "-v", f"{shared}:/s:idmap", "--mount", f"type=bind,src={shared},dst=/m,idmap,ro", "base", "sh",
                          "-c", "stat -c %u:%g /s /s/mine /m/mine; touch /s/made; chown 44:45 /s/mine")
        self.assertEqual(out.split(), ["0:0", "12:13", "12:13"])
        self.assertEqual((shared / "made").stat()[4:6], (0, 0))
        self.assertEqual((shared / "mine").stat()[4:6], (44, 45))

    def test_ownership_by_mount(self):
        """":U": the owner of the source is the container's user, and nothing is chowned."""
        shared = self.host("own")
        (shared / "old").write_text("x")
        (shared / "others").write_text("x")
        os.chown(shared, 3000, 3001)
        os.chown(shared / "old", 3000, 3001)
        os.chown(shared / "others", 77, 77)
        shared.chmod(0o700)
        for args, uid, gid in ((["--userns", "private"], 0, 0), (["--userns", "private", "-u", "8:9"], 8, 9), (["-u", "1000:1001"], 1000, 1001), ([], 0, 0)):
            out = self.run_ok(*args, "-v", f"{shared}:/s:U", "base", "sh", "-c", "stat -c %u:%g /s /s/old /s/others; touch /s/new")
            self.assertEqual(out.split(), [f"{uid}:{gid}", f"{uid}:{gid}", "77:77"], args)
            self.assertEqual((shared / "new").stat()[4:6], (3000, 3001), args)
            (shared / "new").unlink()
        self.assertEqual([path.stat().st_uid for path in (shared, shared / "old", shared / "others")], [3000, 3000, 77])
        self.run_fails(125, "as numbers", "-u", "nobody", "-v", f"{shared}:/s:U", "base", "true")

    def test_what_cannot_be_idmapped(self):
        """The error names the file system and the kernel."""
        top = self.host("overlay")
        for name in "lumw":
            (top / name).mkdir()
        subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={top}/l,upperdir={top}/u,workdir={top}/w", "none", top / "m"], check=True)
        try:
            done = self.run_fails(125, "cannot make an idmapped mount of this overlay file system", "--userns", "private",
                                  "-v", f"{top}/m:/x:idmap", "base", "true")
            self.assertRegex(done.stderr, r"Linux \d+\.\d+ ")
        finally:
            subprocess.run(["umount", top / "m"], check=True)

    def test_detached_exec_restart_and_sharing(self):
        done = self.scow("run", "-d", "--name", "back", "--network", "none", "--userns", "private", "base", "sh", "-c", "id -u >/dev/stdout; sleep 1000")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        first, _ = self.first_id("back")
        for _ in range(2):
            out = self.scow("exec", "back", "sh", "-c", "id -u >/dev/stdout; cat /proc/self/uid_map; touch /by-exec; stat -c %u /by-exec")
            self.assertEqual((out.stdout.split(), out.stderr), (["0", "0", str(first), "65536", "0"], ""))
            self.assertEqual(self.scow("exec", "-t", "-u", "1000", "back", "sh", "-c", "tty; id -u").stdout.split(), ["/dev/pts/0", "1000"])
            self.assertIn(f"\n{first} ", self.scow("top", "back").stdout)
            self.assertEqual(self.scow("restart", "-t", "0", "back").returncode, 0)
        self.assertEqual(set(self.scow("logs", "back").stdout.split()), {"0"})
        ours = self.scow("exec", "back", "readlink", "/proc/self/ns/user").stdout
        shared = self.run_ok("--userns", "container:back", "base", "sh", "-c", "readlink /proc/self/ns/user; touch /x; stat -c %u /x; cat /proc/self/uid_map")
        self.assertEqual(shared.split(), [ours.strip(), "0", "0", str(first), "65536"])
        self.run_ok("--userns", "container:back", "--pid", "container:back", "--network", "container:back", "--ipc", "container:back", "base", "true")
        self.assertEqual(self.scow("rm", "-f", "back").returncode, 0)


class Namespaces(cli.Cli):
    """FEATURES 79: eight kinds, each of its own, the host's, and another container's."""
    FLAGS = {"pid": "--pid", "net": "--network", "ipc": "--ipc", "uts": "--uts", "cgroup": "--cgroupns", "user": "--userns", "time": "--timens"}
    PRIVATE = {"net": "none"}

    def setUp(self):
        flags = [word for kind, flag in self.FLAGS.items() for word in (flag, self.PRIVATE.get(kind, "private"))]
        done = self.scow("run", "-d", "--name", "other", *flags, "base", "sleep", "1000")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)

    def tearDown(self):
        self.scow("rm", "-f", "other")

    def test_matrix(self):
        kinds = [*self.FLAGS, "mnt"]
        show = ["base", "sh", "-c", "for kind in " + " ".join(kinds) + "; do readlink /proc/self/ns/$kind; done"]
        host = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
        other = self.scow("exec", "other", *show[1:]).stdout.split()
        self.assertEqual(len(set(other) & set(host)), 0, other)
        for at, (kind, flag) in enumerate(self.FLAGS.items()):
            for mode in (self.PRIVATE.get(kind, "private"), "host", "container:other"):
                out = self.scow("run", "--rm", flag, mode, *show)
                self.assertEqual((out.returncode, out.stderr), (0, ""), (kind, mode))
                link = out.stdout.split()[at]
                expected = link if mode in ("private", "none") else host[at] if mode == "host" else other[at]
                self.assertEqual(link, expected, (kind, mode))
                if expected is link:
                    self.assertNotIn(link, [host[at], other[at]], (kind, mode))
                # The mounts are always the container's own.
                self.assertNotIn(out.stdout.split()[-1], [host[-1], other[-1]], (kind, mode))

    def test_time(self):
        """PID 1 is in it, whoever that is, and so is who is executed."""
        for args in ([], ["--init"], ["--userns", "private"]):
            one, own = self.run_ok("--timens", "private", *args, "base", "sh", "-c", "readlink /proc/1/ns/time; readlink /proc/self/ns/time").split()
            self.assertEqual(one, own, args)
            self.assertNotEqual(one, os.readlink("/proc/self/ns/time"), args)
        inside = self.scow("exec", "other", "sh", "-c", "readlink /proc/1/ns/time; readlink /proc/self/ns/time").stdout.split()
        self.assertEqual(inside[0], inside[1])


if __name__ == "__main__":
    unittest.main()
