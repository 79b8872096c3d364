#!/usr/bin/env python3
"""cp, diff, commit, export and import through the scow command: Docker's rules, and what hostile files cannot do."""
import io
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


def setUpModule():
    cli.Cli.WORK = cli.make_work("copy-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


# What is copied, where to, and the tree that it makes there; None: it is refused. "T" stands for the directory of targets, in which are
# a file "file", a directory "dir", and a link "to-dir" to it.
MATRIX = [
    ("f", "T/new", {"T/new": "f"}),
    ("f", "T/new/", None),
    ("f", "T/file", {"T/file": "f"}),
    ("f", "T/dir", {"T/dir/f": "f"}),
    ("d", "T/new", {"T/new/in": "in"}),
    ("d", "T/new/", {"T/new/in": "in"}),
    ("d", "T/file", None),
    ("d", "T/dir", {"T/dir/d/in": "in"}),
    ("d/.", "T/new", {"T/new/in": "in"}),
    ("d/.", "T/new/", {"T/new/in": "in"}),
    ("d/.", "T/file", None),
    ("d/.", "T/dir", {"T/dir/in": "in"}),
    ("l", "T/dir", {"T/dir/l": "-> f"}),
    ("l", "T/new", {"T/new": "-> f"}),
    ("f", "T/to-dir", {"T/dir/f": "f"}),
    ("f", "T/none/new", None),
]
SETUP = ("rm -rf {0}/S {0}/T; mkdir -p {0}/S/d {0}/T/dir; cd {0}; printf f >S/f; printf in >S/d/in; ln -s f S/l; ln -s d S/ld; printf old >T/file; "
         "ln -s dir T/to-dir")
LIST = ("cd {0}; find T ! -type d | sort | while read -r p; do if [ -L \"$p\" ]; then echo \"$p -> $(readlink \"$p\")\"; "
        "else echo \"$p $(cat \"$p\")\"; fi; done")

EDITS = """
echo x >/a; mkdir /b; echo y >/b/c; rm /etc/passwd; chmod 711 /root; mkdir -p /e/f/g; rmdir /e/f/g; touch /e/h
ln -s x /link; ln /a /hard; mkfifo /pipe; chown 5 /pipe; mv /b/c /b/d; rm -rf /tmp; mkdir -m 1777 /tmp
echo z >>/etc/group; echo new >/etc/new; touch -d '2001-01-01 00:00:00' /etc/new; touch /etc; chmod 700 /home 2>/dev/null
rm -rf /var; mkdir /var; mkdir /var/newdir; rm /bin/ls; echo x > /bin/ls; rm /bin/cat; mkdir /bin/cat; touch /bin/cat/in
rm -rf /root; touch /root; mkdir -p /opt/x/y/z; echo 1 >/opt/x/y/z/1; rm -rf /opt/x/y; mv /a /a2; chmod 4755 /bin/busybox
mkdir /m; mv /m /m2; ln -s /bin /binlink; truncate -s 1000000 /sparse; touch -d '2001-01-01 00:00:00' /bin/sh; mkdir '/sp ace'; touch '/sp ace/n'
"""
EDITED = ["A /a2", "A /b", "A /b/d", "A /bin/cat/in", "A /binlink", "A /e", "A /e/f", "A /e/h", "A /etc/new", "A /hard", "A /link",
          "A /m2", "A /opt", "A /opt/x", "A /pipe", "A /sp ace", "A /sp ace/n", "A /sparse", "A /var/newdir", "C /bin", "C /bin/busybox",
          "C /bin/cat", "C /bin/ls", "C /etc", "C /etc/group", "C /home", "C /root", "C /var", "D /etc/passwd", "D /var/tmp"]


class Copy(cli.Cli):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host = f"{cls.WORK}/host"
        os.makedirs(cls.host, exist_ok=True)

    def setUp(self):
        super().setUp()
        self.box = "box-" + self.id().rsplit("_", 1)[-1]
        self.scow("run", "-d", "--name", self.box, "base", "sleep", "1000")
        self.addCleanup(self.scow, "rm", "-f", self.box)

    def inside(self, script):
        done = self.scow("exec", self.box, "sh", "-c", script)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def raw(self, *args, **kwargs):
        """Bytes in and out."""
        return subprocess.run([cli.SCOW, *args], env=self.env, capture_output=True, timeout=60, **kwargs)

    def check_matrix(self, there, source_place, target_place, source_prefix, target_prefix, prepare_source, prepare_target, look):
        for source, target, made in MATRIX:
            with self.subTest(there=there, source=source, target=target):
                prepare_source()
                prepare_target()
                before = look()
                done = self.scow("cp", "-q", f"{source_prefix}{source_place}/S/{source}", f"{target_prefix}{target_place}/{target}")
                after = look()
                if made is None:
                    self.assertEqual(done.returncode, 1, done)
                    self.assertEqual(before, after)
                    continue
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                expected = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in before}
                expected.update(made)
                self.assertEqual(sorted(f"{path} {text}" for path, text in expected.items()), after)

    def on_host(self, script):
        return subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout

    def test_matrix_in(self):
        self.check_matrix("in", self.host, "/m", "", f"{self.box}:", lambda: self.on_host(SETUP.format(self.host)),
                          lambda: self.inside("mkdir -p /m; " + SETUP.format("/m")),
                          lambda: sorted(self.inside(LIST.format("/m")).splitlines()))

    def test_matrix_out(self):
        self.check_matrix("out", "/m", self.host, f"{self.box}:", "", lambda: self.inside("mkdir -p /m; " + SETUP.format("/m")),
                          lambda: self.on_host(SETUP.format(self.host)),
                          lambda: sorted(self.on_host(LIST.format(self.host)).splitlines()))

    def test_flags(self):
        self.on_host(SETUP.format(self.host))
        self.assertEqual(self.scow("cp", "-q", "-L", f"{self.host}/S/ld", f"{self.box}:/followed").returncode, 0)
        self.assertEqual(self.inside("cat /followed/in"), "in")
        self.assertEqual(self.scow("cp", "-q", f"{self.host}/S/ld/", f"{self.box}:/slash").returncode, 0)
        self.assertEqual(self.inside("cat /slash/in"), "in")
        self.inside("ln -s /followed/in /abs")
        self.assertEqual(self.scow("cp", "-q", "-L", f"{self.box}:/abs", f"{self.host}/abs").returncode, 0)
        self.assertEqual(self.on_host(f"cat {self.host}/abs"), "in")
        done = self.scow("cp", f"{self.host}/S/f", f"{self.box}:/root")
        self.assertIn("Successfully copied", done.stderr)
        for wrong in (["/a", "/b"], [f"{self.box}:/a", f"{self.box}:/b"]):
            self.assertEqual(self.scow("cp", *wrong).returncode, 1)
        self.assertIn("no such container", self.scow("cp", "nobody:/a", "/tmp").stderr)
        if os.geteuid() == 0:
            os.chown(f"{self.host}/S/f", 1234, 2345)
            self.scow("cp", "-q", "-a", f"{self.host}/S/f", f"{self.box}:/owned")
            self.scow("cp", "-q", f"{self.host}/S/f", f"{self.box}:/given")
            self.assertEqual(self.inside("stat -c %u:%g /owned /given").split(), ["1234:2345", "0:0"])

    def test_diff(self):
        """Forty edits, and what Docker 20.10 says of them."""
        self.inside(EDITS)
        self.assertEqual(sorted(self.scow("diff", self.box).stdout.splitlines()), EDITED)

    def test_events(self):
        self.scow("cp", "-q", f"{self.box}:/etc/group", f"{self.host}/group")
        self.scow("cp", "-q", f"{self.host}/group", f"{self.box}:/root")
        told = [json.loads(line) for line in
                self.scow("events", "--since", "1m", "--until", "0s", "--filter", f"container={self.box}", "--format", "json").stdout.splitlines()]
        self.assertEqual([event["Action"] for event in told if "-" in event["Action"]], ["archive-path", "extract-to-dir"])

    def test_commit(self):
        self.inside("echo kept >/kept; dd if=/dev/zero of=/big bs=1M count=3 2>/dev/null; rm /etc/passwd")
        done = self.scow("commit", "-a", "Me", "-m", "why", "-c", "CMD cat /kept", "-c", "ENV A=1", "-c", "EXPOSE 80", self.box, "kept:1")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.run_ok("kept:1"), "kept\n")
        self.assertEqual(self.run_ok("kept:1", "sh", "-c", "ls /etc/passwd 2>/dev/null; echo $A"), "1\n")
        image = json.loads(self.scow("image", "inspect", "kept:1").stdout)[0]
        self.assertEqual((image["Author"], image["Config"]["ExposedPorts"]), ("Me", {"80/tcp": {}}))
        history = json.loads(self.scow("history", "--format", "json", "kept:1").stdout.splitlines()[0])
        self.assertIn("why", history["Comment"])
        self.assertEqual(self.scow("commit", "-c", "RUN x", self.box).returncode, 1)
        self.assertEqual(self.scow("inspect", "-f", "{{.State.Status}}", self.box).stdout.strip(), "running")

    def test_streams(self):
        stream = cli.tar_of([(cli.entry("sub", tarfile.DIRTYPE), b""), ("sub/f", b"text"), (cli.entry("sub/l", tarfile.SYMTYPE, linkname="/etc/passwd"), b"")])
        done = self.raw("cp", "-", f"{self.box}:/root", input=stream)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.inside("cat /root/sub/f; readlink /root/sub/l"), "text/etc/passwd\n")
        done = self.raw("cp", f"{self.box}:/root/sub", "-")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            self.assertEqual([entry.name for entry in tar], ["sub", "sub/f", "sub/l"])
        done = self.raw("export", self.box)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            names = tar.getnames()
        self.assertIn("root/sub/f", names)
        self.assertFalse([name for name in names if name.startswith(("proc/", "sys/", "dev/"))])
        done = self.raw("import", "-c", "CMD cat /root/sub/f", "-", "again", input=done.stdout)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.run_ok("again"), "text")


if __name__ == "__main__":
    unittest.main()
