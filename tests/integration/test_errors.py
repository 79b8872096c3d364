#!/usr/bin/env python3
"""doc/errors.md shows mistakes and what is said about them: each is made here, and has to be answered just so.

With an argument "write" the answers in the document are replaced by the real ones.
"""
import os
import pathlib
import re
import shlex
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

DOCUMENT = cli.TOP / "doc/errors.md"
HOME = "/home/me"  # what the document calls the directory in which this runs


def setUpModule():
    cli.Cli.WORK = cli.make_work("errors-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


def blocks(text):
    """(command, answer) of every line that begins with "$ scow" in a fenced block, and where they are."""
    for found in re.finditer(r"^\$ scow (.*)\n((?:(?!\$ |```).*\n)*)", text, re.M):
        yield found.group(1), found.group(2), found.span(2)


@unittest.skipUnless(os.geteuid() == 0, "a plain user is told other things in places")
class Errors(cli.Cli):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = pathlib.Path(cls.WORK, "home")
        cls.home.mkdir()
        (cls.home / "file").write_text("")
        (cls.home / "dir").mkdir()
        (cls.home / "open").mkdir()
        (cls.home / "open").chmod(0o777)
        data = pathlib.Path(cls.WORK, "base.tar").read_bytes()
        (cls.home / "cut.tar").write_bytes(data[:100000])
        cls.scow("create", "--name", "job", "base", "true")

    def answer(self, command):
        words = [word.replace(HOME, str(self.home)) for word in shlex.split(command)]
        done = self.scow(*words, cwd=self.home)
        self.assertNotEqual(done.returncode, 0, done)
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("Unable to find", "Run '", "See '"))]
        text = "".join(line.replace(str(self.home), HOME) + "\n" for line in lines if line)
        return re.sub(r"\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b", "<id>", text)

    def test_document(self):
        text = DOCUMENT.read_text()
        found = list(blocks(text))
        self.assertGreaterEqual(len(found), 30)
        for command, answer, _ in found:
            with self.subTest(command=command):
                self.assertEqual(self.answer(command), answer)

    def write(self):
        text = DOCUMENT.read_text()
        for command, _, (start, end) in reversed(list(blocks(text))):
            text = text[:start] + self.answer(command) + text[end:]
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        setUpModule()
        try:
            Errors.setUpClass()
            Errors("write").write()
        finally:
            tearDownModule()
    else:
        unittest.main()
