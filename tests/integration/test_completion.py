#!/usr/bin/env python3
"""Completion of command lines, the help of every command, and the manual that is made of it."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCOW = os.environ.get("SCOW", str(TOP / "build/examples/scow/scow"))


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="completion-test.")
        cls.addClassCleanup(shutil.rmtree, cls.work, True)
        cls.env = {**os.environ, "SCOW_ROOT": f"{cls.work}/root"}
        subprocess.run([TOP / "tests/support/make-base-image.sh", f"{cls.work}/base.tar", "base:latest"], check=True)
        cls.scow("load", "-q", "-i", f"{cls.work}/base.tar")
        cls.scow("create", "--name", "web", "base")

    @classmethod
    def scow(cls, *args):
        return subprocess.run([SCOW, *args], env=cls.env, capture_output=True, text=True, check=True, timeout=30).stdout

    def offered(self, *words):
        return [line.split("\t")[0] for line in self.scow("__complete", "--", *words).splitlines()]

    def test_commands(self):
        self.assertEqual(self.offered("crea"), ["create"])
        self.assertIn("image", self.offered(""))
        self.assertIn("ls", self.offered("image", ""))
        self.assertNotIn("__complete", self.offered(""))
        self.assertEqual(self.offered("nosuchcommand", ""), [])
        self.assertEqual(self.offered("help", "vers"), ["version"])
        self.assertEqual(self.offered("--deb"), ["--debug"])

    def test_options(self):
        self.assertEqual(self.offered("run", "--read"), ["--read-only"])
        self.assertIn("--help", self.offered("image", "ls", "--"))
        self.assertEqual(self.offered("run", "--restart", "un"), ["unless-stopped"])
        self.assertEqual(self.offered("run", "--restart=on"), ["--restart=on-failure"])
        self.assertEqual(self.offered("run", "-v", "/e"), [":"])
        self.assertEqual(self.offered("run", "base", "-"), [":"])
        self.assertEqual(self.offered("rm", "--", "--"), [])
        # Every option that the help has is offered, and no other.
        for command in "run", "ps", "images":
            told = set(re.findall(r"^  (?:-\w, |    )(--[\w-]+)", self.scow(command, "--help"), re.M))
            self.assertEqual(set(self.offered(command, "--")) - {"--help"}, told)

    @unittest.skipUnless(os.geteuid() == 0, "networks of one's own need root")
    def test_networks(self):
        self.scow("network", "create", "backend")
        self.assertEqual(self.offered("network", "rm", ""), ["backend"])
        self.assertEqual(self.offered("network", "connect", ""), ["backend", "bridge", "host", "none"])
        self.assertEqual(self.offered("network", "connect", "backend", ""), ["web"])
        self.assertEqual(self.offered("run", "--network", "b"), ["backend"])

    def test_names(self):
        self.assertEqual(self.offered("rm", "-f", ""), ["web"])
        self.assertEqual(self.offered("rm", "nosuch"), [])
        self.assertEqual(self.offered("start", ""), ["web"])
        self.assertEqual(self.offered("stop", ""), [])
        self.assertEqual(self.offered("run", "-it", "--name", "x", "b"), ["base:latest"])
        self.assertEqual(sorted(self.offered("inspect", "")), ["base:latest", "web"])
        self.assertEqual(self.offered("--root", f"{self.work}/none", "rm", ""), [])
        self.assertEqual(self.offered("--root", f"{self.work}/root", "rm", ""), ["web"])

    def in_bash(self, line):
        script = 'source <(scow completion bash); COMP_LINE=$1 COMP_POINT=${#1}; _scow scow 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"'
        os.makedirs(f"{self.work}/bin", exist_ok=True)
        if not os.path.exists(f"{self.work}/bin/scow"):
            os.symlink(SCOW, f"{self.work}/bin/scow")
        env = {**self.env, "PATH": f"{self.work}/bin:{os.environ['PATH']}"}
        return subprocess.run(["bash", "--norc", "-c", script, "bash", line], env=env, capture_output=True, text=True, check=True,
                              timeout=30).stdout.split()

    @unittest.skipUnless(shutil.which("bash"), "bash is not installed")
    def test_bash(self):
        self.assertEqual(self.in_bash("scow unp") if "unpause" in self.offered("") else ["unpause"], ["unpause"])
        self.assertEqual(self.in_bash("scow rm w"), ["web"])
        self.assertEqual(self.in_bash("scow rm "), ["web"])
        # The colon is a break of readline's: what is before it is on the line already.
        self.assertEqual(self.in_bash("scow run base:l"), ["latest"])
        self.assertEqual(self.in_bash("scow run --restart=on"), ["on-failure"])

    def test_scripts_are_sound(self):
        for shell, check in ("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"]):
            script = self.scow("completion", shell)
            self.assertIn("__complete", script)
            if shutil.which(shell):
                subprocess.run([shell, *check, "/dev/stdin"], input=script, text=True, check=True)
        done = subprocess.run([SCOW, "completion", "tcsh"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (125, ""))

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        env = {**self.env, "HOME": self.work, "PATH": f"{os.path.dirname(SCOW)}:{os.environ['PATH']}"}
        out = subprocess.run(["fish", "-c", "scow completion fish | source; complete -C 'scow rm w'"], env=env, capture_output=True,
                             text=True, timeout=60).stdout
        self.assertEqual(out.split("\t")[0].strip(), "web")


class Manual(unittest.TestCase):
    """Sanitizers and build types change nothing in what the help says."""

    def test_it_is_what_the_help_says(self):
        done = subprocess.run([sys.executable, "-B", TOP / "doc/man/make-man.py", "--check", SCOW], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_it_is_good_roff(self):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", TOP / "doc/man/scow.1"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
