#!/usr/bin/env python3
"""The store among many: images come and go while containers run on them and layers are collected; a full disk loses nothing that was there."""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

WORK = None
SECONDS = float(os.environ.get("SCOW_COLLECT_SECONDS", "6"))


def setUpModule():
    global WORK
    WORK = cli.make_work("scow-collect.")


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


def bottom():
    with cli.tarfile.open(f"{WORK}/base.tar") as base:
        return next(base.extractfile(member).read() for member in base if member.name.endswith(".tar"))


class Collect(cli.Cli):
    @classmethod
    def setUpClass(cls):
        cls.WORK = WORK
        super().setUpClass()

    def test_nothing_in_use_is_lost(self):
        """Processes load, run and remove images that share layers; prune collects all the time. Whoever got a container going sees its files."""
        archives = []
        for n in range(4):
            layers = [bottom(), cli.tar_of([(cli.entry("shared"), b"s" * 1000)]), cli.tar_of([(cli.entry("own"), b"%d\n" % n)])]
            path = f"{WORK}/image{n}.tar"
            pathlib.Path(path).write_bytes(cli.docker_archive(layers, {}, f"image{n}:latest"))
            archives.append(path)
        end, failures, runs = time.monotonic() + SECONDS, [], [0]
        allowed = ("no such image", "was removed", "uses it", "is used by", "in use", "no such container", "No such image", "conflict", "try again")

        def work(seed):
            choose = random.Random(seed)
            while time.monotonic() < end and not failures:
                n = choose.randrange(4)
                todo = choose.choice(("load", "run", "run", "run", "remove", "prune"))
                if todo == "load":
                    done = self.scow("load", "-q", "-i", archives[n])
                elif todo == "run":
                    done = self.scow("run", "--rm", "--pull", "never", "--network", "none", f"image{n}", "sh", "-c",
                                     "for i in 1 2 3; do cat /own /shared >/dev/null && ls /bin >/dev/null || exit 9; done; cat /own")
                    if done.returncode == 0:
                        runs[0] += 1
                        if done.stdout != f"{n}\n":
                            failures.append(done)
                elif todo == "remove":
                    done = self.scow("rmi", f"image{n}")
                else:
                    done = self.scow("image", "prune", "-a", "-f") if choose.random() < 0.3 else self.scow("image", "prune", "-f")
                if done.returncode and not any(words in done.stderr for words in allowed):
                    failures.append(done)
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures[:1], [])
        self.assertGreater(runs[0], 3)
        done = self.scow("system", "check")
        self.assertEqual(done.returncode, 0, done)

    def disk(self, name, size, *make):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount")
        if not shutil.which(make[0]):
            self.skipTest(f"{make[0]} is not here")
        at = f"{WORK}/{name}"
        os.mkdir(at)
        with open(f"{at}.img", "wb") as file:
            file.truncate(size)
        subprocess.run([*make, f"{at}.img"], check=True, stdout=subprocess.DEVNULL)
        if subprocess.run(["mount", "-o", "loop", f"{at}.img", at], capture_output=True).returncode:
            self.skipTest("no loop devices, or not this file system")
        self.addCleanup(subprocess.run, ["umount", "-l", at], check=False)
        return at

    def full_disk(self, at):
        """At each size of what is left: load, create, run, commit and a volume fail or work; what there was stays whole."""
        env = {**self.env, "SCOW_ROOT": f"{at}/root"}

        def scow(*args):
            return self.scow(*args, env=env)
        self.assertEqual(scow("load", "-q", "-i", f"{WORK}/base.tar").returncode, 0)
        done = scow("run", "--name", "kept", "--network", "none", "-v", "data:/data", "base", "sh", "-c", "echo precious >/data/file; echo changed >/etc/issue")
        self.assertEqual(done.returncode, 0, done)
        big = f"{WORK}/big.tar"
        pathlib.Path(big).write_bytes(cli.docker_archive([bottom(), cli.tar_of([(cli.entry(f"file{n}"), os.urandom(300_000)) for n in range(20)])], {}, "big:latest"))
        ballast, failed = f"{at}/ballast", 0
        for left in (0, 40, 150, 400, 1200, 3000, 6000):
            free = os.statvfs(at)
            free = free.f_bavail * free.f_frsize >> 10
            subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=1k", f"count={max(free - left, 0)}"], capture_output=True)
            for command in (["load", "-q", "-i", big], ["run", "--rm", "--network", "none", "base", "sh", "-c", "head -c 200000 /dev/zero >/x"],
                            ["run", "--rm", "--network", "none", "-v", "data:/data", "base", "sh", "-c", "head -c 2000000 /dev/zero >/data/more"],
                            ["create", "--name", f"new{left}", "base", "true"], ["commit", "kept", f"made:{left}"]):
                done = scow(*command)
                self.assertGreaterEqual(done.returncode, 0, done)
                if done.returncode:
                    failed += 1
                    self.assertTrue("No space left" in done.stderr or "no space" in done.stderr.lower() or "I/O error" in done.stderr or not done.stderr, done)
            os.unlink(ballast)
            done = scow("system", "check")
            self.assertEqual(done.returncode, 0, (left, done))
            self.assertEqual(scow("run", "--rm", "--network", "none", "-v", "data:/data", "base", "cat", "/data/file").stdout, "precious\n")
            self.assertEqual(scow("start", "-a", "kept").returncode, 0)
            scow("run", "--rm", "--network", "none", "-v", "data:/data", "base", "rm", "-f", "/data/more")
            scow("rmi", "-f", "big")
            scow("rm", "-f", f"new{left}")
        self.assertGreater(failed, 4)
        self.assertEqual(scow("load", "-q", "-i", big).returncode, 0)

    def test_blocks_are_shared(self):
        """XFS shares blocks between files: commit, import of a directory and cp into a volume take none for what is there already."""
        at = self.disk("reflink", 400 << 20, "mkfs.xfs", "-q", "-m", "reflink=1")
        size, source = 48 << 20, pathlib.Path(at, "source")
        source.mkdir()
        (source / "big").write_bytes(os.urandom(1 << 20) * (size >> 20))
        (source / "linked").hardlink_to(source / "big")

        def taken(*args):
            os.sync()
            before = os.statvfs(at).f_bfree
            done = self.scow(*args, env={**self.env, "SCOW_ROOT": f"{at}/root"})
            self.assertEqual(done.returncode, 0, done)
            os.sync()
            return (before - os.statvfs(at).f_bfree) * os.statvfs(at).f_frsize
        taken("load", "-q", "-i", f"{WORK}/base.tar")
        self.assertLess(taken("import", source, "imported"), size / 4)
        taken("run", "--name", "made", "--network", "none", "base", "dd", "if=/dev/urandom", "of=/big", "bs=1M", f"count={size >> 20}")
        self.assertLess(taken("commit", "made", "committed"), size / 4)
        taken("create", "--name", "still", "-v", "vol:/v", "base", "true")
        self.assertLess(taken("cp", "-q", source / "big", "still:/v/"), size / 4)
        self.assertLess(taken("cp", "-q", "still:/v/big", f"{at}/out"), size / 4)
        self.assertEqual(pathlib.Path(at, "out").read_bytes(), (source / "big").read_bytes())

    def test_full_ext4(self):
        self.full_disk(self.disk("ext4", 48 << 20, "mkfs.ext4", "-q"))

    def test_full_xfs(self):
        self.full_disk(self.disk("xfs", 300 << 20, "mkfs.xfs", "-q"))


if __name__ == "__main__":
    unittest.main()
