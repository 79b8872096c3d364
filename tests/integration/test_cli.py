#!/usr/bin/env python3
"""The scow command from outside: exit codes, streams, terminals, signals, lists.

SCOW names the program under test (default: build/examples/scow/scow). Needs busybox-static; the pulls need
docker-registry and skopeo, and are skipped without them.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import fcntl

TOP = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = TOP / "tests/support"
sys.path.insert(0, str(SUPPORT))
sys.dont_write_bytecode = True
import cli  # noqa: E402

WORK = None


def setUpModule():
    global WORK
    WORK = cli.Cli.WORK = cli.make_work("cli-test.")
    subprocess.run([SUPPORT / "make-base-image.sh", f"{WORK}/base.oci", "layout:latest"], check=True)


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


def many_ids():
    """A plain user without a range of ids has one in the container: root."""
    if os.geteuid() == 0:
        return True
    names = [str(os.geteuid())] + [line.split(":")[0] for line in open("/etc/passwd") if line.split(":")[2] == str(os.geteuid())]
    return any(line.split(":")[0] in names for line in open("/etc/subuid")) and shutil.which("newuidmap") is not None


class CommandLine(unittest.TestCase):
    """What needs no store."""

    def scow(self, *args):
        return subprocess.run([cli.SCOW, *args], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL,
                              env={**os.environ, "SCOW_ROOT": "/proc/nonexistent/scow"})

    def refused(self, args, message, code=125):
        done = self.scow(*args)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done)
        self.assertIn(message, done.stderr)
        self.assertTrue(done.stderr.startswith("scow: "), done.stderr)

    def test_help_of_every_command(self):
        listing = self.scow("--help").stdout
        names = re.findall(r"^  (\w+) +\w", listing.split("Commands:")[1], re.M)
        self.assertIn("run", names)
        for name in names:
            done = self.scow(name, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"Usage:  scow {name}", done.stdout)
            self.assertEqual(self.scow("help", name).stdout, done.stdout)

    def test_no_such_command(self):
        self.refused(["frobnicate"], "'frobnicate' is not a scow command")
        self.refused(["image", "frobnicate"], "'image frobnicate' is not a scow command")

    def test_usage_errors(self):
        self.refused(["run", "--frob", "x"], "unknown flag: --frob")
        self.refused(["run", "-Z", "x"], "unknown shorthand flag: 'Z' in -Z")
        self.refused(["run", "--name"], "flag needs an argument: --name")
        self.refused(["run", "-m", "lots", "x"], 'invalid argument "lots" for "-m, --memory" flag')
        self.refused(["run", "--rm=maybe", "x"], 'invalid argument "maybe" for "--rm" flag')
        self.refused(["run", "-a", "stdlog", "x"], 'invalid argument "stdlog" for "-a, --attach" flag')
        self.refused(["run", "-d", "-a", "stdout", "x"], "cannot specify both --attach and --detach")
        self.refused(["run"], "'scow run' requires at least 1 argument", 1)
        self.refused(["tag", "x"], "'scow tag' requires exactly 2 arguments", 1)
        for args in ["run", "--frob", "x"], ["run"], ["run", "-m", "lots", "x"]:
            self.assertIn("Run 'scow run --help' for more information", self.scow(*args).stderr)

    def test_bad_values(self):
        for flags in [["-v", "/x:ro"], ["-v", ":/x"], ["--mount", "type=bind,source=/x"], ["--mount", "type=floppy,target=/x"],
                      ["--mount", "type=bind,target=/x"], ["--mount", 'type="bind'], ["--cpus", "x"], ["--cpus", "1.00001"],
                      ["--ulimit", "nofile"], ["--ulimit", "nofile=9:3"], ["--sysctl", "a"], ["--security-opt", "what=ever"],
                      ["--device-read-bps", "/dev/null"], ["-e", "=x"], ["--env-file", "/nonexistent"], ["-m", "-1"],
                      ["--pull", "perhaps"], ["--security-opt", "seccomp=/nonexistent"]]:
            with self.subTest(flags=flags):
                self.refused(["run", *flags, "image"], "")

    def test_version(self):
        self.assertRegex(self.scow("--version").stdout, r"^scow version \d+\.\d+\.\d+\n$")
        self.assertRegex(self.scow("version", "--format", "{{.Client.Version}}").stdout, r"^\d+\.\d+\.\d+\n$")


class Images(cli.Cli):
    def test_list(self):
        table = self.scow("images").stdout.splitlines()
        self.assertRegex(table[0], r"^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$")
        self.assertRegex(table[1], r"^base +latest +[0-9a-f]{12} +\d+ \w+ ago +[\d.]+[kM]B$")
        row = json.loads(self.scow("images", "--format", "json").stdout)
        self.assertEqual((row["Repository"], row["Tag"]), ("base", "latest"))
        self.assertEqual(self.scow("images", "-q").stdout.strip(), row["ID"])
        self.assertEqual(self.scow("images", "--format", r"{{.Repository}}\t{{.Tag | upper}}").stdout, "base\tLATEST\n")
        self.assertRegex(self.scow("images", "--format", "table {{.ID}}").stdout, r"^IMAGE ID\n[0-9a-f]{12}\n$")
        self.assertEqual(self.scow("images", "--format", "{{.Nope}}").returncode, 1)

    def test_tag_and_remove(self):
        self.assertEqual(self.scow("tag", "base", "other/name:1").returncode, 0)
        self.assertIn("other/name", self.scow("image", "ls").stdout)
        done = self.scow("rmi", "other/name:1")
        self.assertEqual((done.returncode, done.stdout), (0, "Untagged: other/name:1\n"))
        self.assertEqual(self.scow("rmi", "other/name:1").returncode, 1)

    def test_load_layout_and_stdin(self):
        done = self.scow("load", "-i", f"{WORK}/base.oci")
        # The same image as base: the names that it has besides are not told.
        self.assertEqual((done.returncode, done.stdout), (0, "Loaded image: layout:latest\n"), done)
        with open(f"{WORK}/base.tar", "rb") as archive:
            done = self.scow("load", stdin=archive)
        self.assertEqual(done.stdout, "Loaded image: base:latest\n", done)
        self.assertEqual(self.scow("rmi", "layout").stdout, "Untagged: layout:latest\n")

    def test_inspect(self):
        documents = json.loads(self.scow("inspect", "base").stdout)
        self.assertEqual(documents[0]["Config"]["Cmd"], ["sh"])
        self.assertEqual(self.scow("image", "inspect", "-f", "{{json .Config.Cmd}} {{index .RepoTags 0}}", "base").stdout,
                         '["sh"] base:latest\n')
        self.assertEqual(self.scow("inspect", "-f", r"{{range .RepoTags}}<{{.}}>{{else}}none{{end}}\t{{if .Config.Cmd}}yes{{else}}no{{end}}"
                                   r" {{len .RepoTags}} {{join .Config.Cmd `,`}} {{with .Id}}", "base").returncode, 1)
        self.assertEqual(self.scow("inspect", "-f", r"{{range .RepoTags}}<{{.}}>{{else}}none{{end}}\t{{if .Config.Cmd}}yes{{else}}no{{end}}"
                                   r" {{len .RepoTags}} {{join .Config.Cmd `,`}} {{ eq .Os \"linux\" }}".replace('\\"', '"'), "base").stdout,
                         "<base:latest>\tyes 1 sh true\n")
        done = self.scow("inspect", "nope")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "[]\n", "scow: no such object: nope\n"))

    def test_history(self):
        lines = self.scow("history", "base").stdout.splitlines()
        self.assertRegex(lines[0], r"^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$")
        self.assertIn('CMD ["sh"]', lines[1])


class Run(cli.Cli):
    def test_exit_codes(self):
        for args, code in [(["true"], 0), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 0), (["nope"], 127),
                           (["/nope"], 127), (["/etc"], 126), (["/etc/passwd"], 126), (["sh", "-c", "exit 125"], 125)]:
            with self.subTest(args=args):
                done = self.scow("run", "--rm", "base", *args)
                self.assertEqual(done.returncode, code, done)
        self.assertEqual(self.scow("run", "--rm", "--init", "base", "sh", "-c", "kill -9 $$").returncode, 137)
        for flags in [["--pull", "never", "nosuch"], ["--name", "/", "base"], ["-v", "a/b:/x", "base"], ["--cap-add", "NO_SUCH", "base"],
                      ["-u", "nosuchuser", "base"]]:
            with self.subTest(flags=flags):
                done = self.scow("run", "--rm", *flags, "true")
                self.assertEqual(done.returncode, 125, done)
                self.assertTrue(done.stderr.startswith("scow: "), done.stderr)

    def test_streams(self):
        done = self.scow("run", "--rm", "base", "sh", "-c", "echo out; echo err >&2")
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
        for detach_keys in [], ["--detach-keys", "ctrl-x"]:  # by itself, and by a supervisor
            done = self.scow("run", "--rm", *detach_keys, "-a", "STDERR", "base", "sh", "-c", "echo out; echo err >&2; sleep 0.5")
            self.assertEqual((done.stdout, done.stderr), ("", "err\n"))
        self.assertEqual(self.run_ok("-i", "base", "cat", input="through\n"), "through\n")
        self.assertEqual(self.run_ok("base", "cat", input="not seen\n"), "")
        self.assertEqual(self.run_ok("base", "sh", "-c", "echo x >/dev/stdout"), "x\n")

    def test_created_to_be_removed(self):
        name = self.scow("create", "--rm", "--name", "passing", "base", "sh", "-c", "exit 4").stdout.strip()
        self.assertIn(name[:12], self.scow("ps", "-a").stdout)
        self.assertEqual(self.scow("start", "-a", "passing").returncode, 4)
        self.assertEqual(self.scow("wait", "passing").returncode, 1)
        self.assertNotIn(name[:12], self.scow("ps", "-a").stdout)

    def test_large_stdin(self):
        data = os.urandom(1 << 20).hex() * 8
        self.assertEqual(int(self.run_ok("-i", "base", "wc", "-c", input=data)), len(data))

    def test_options_end_at_the_image(self):
        self.assertEqual(self.run_ok("base", "echo", "--rm", "-it", "--", ""), "--rm -it -- \n")
        self.assertEqual(self.run_ok("--", "base", "echo", "x"), "x\n")

    def test_environment(self):
        env_file = pathlib.Path(WORK, "env")
        env_file.write_text("# a comment\n  A=one two \nB=\"quoted\"\nCOPIED\nUNSET_HERE\nC=$A # kept\n\n")
        env = {**self.env, "COPIED": "mine", "ALSO": "here"}
        out = self.run_ok("--env-file", env_file, "-e", "ALSO", "-e", "PATH", "-e", "X=a=b", "base", "env",
                          env={**env, "PATH": "/bin:/mine"}).splitlines()
        for line in ["A=one two ", 'B="quoted"', "COPIED=mine", "C=$A # kept", "ALSO=here", "X=a=b", "PATH=/bin:/mine"]:
            self.assertIn(line, out)
        self.assertFalse([line for line in out if line.startswith("UNSET_HERE")])
        env_file.write_text("a b=c\n")
        self.assertEqual(self.scow("run", "--env-file", env_file, "base", "true").returncode, 125)

    def test_process_settings(self):
        self.assertEqual(self.run_ok("-w", "/new/dir", "base", "pwd"), "/new/dir\n")
        if many_ids():
            self.assertEqual(self.run_ok("-u", "user", "base", "id", "-un"), "user\n")
            self.assertEqual(self.run_ok("-u", "1000:29", "base", "id", "-g"), "29\n")
        self.assertEqual(self.run_ok("-h", "named", "base", "hostname"), "named\n")
        self.assertEqual(self.run_ok("--entrypoint", "echo", "base", "a", "b"), "a b\n")
        self.assertEqual(self.run_ok("--ulimit", "nofile=99:100", "base", "sh", "-c", "ulimit -n"), "99\n")

    def test_mounts(self):
        missing = pathlib.Path(WORK, "made/by/v")
        self.assertEqual(self.run_ok("-v", f"{missing}:/x", "base", "ls", "/x"), "")
        self.assertTrue(missing.is_dir())
        pathlib.Path(WORK, "file").write_text("host\n")
        self.assertEqual(self.run_ok("-v", f"{WORK}/file:/f:ro", "base", "cat", "/f"), "host\n")
        self.assertNotEqual(self.scow("run", "--rm", "-v", f"{WORK}/file:/f:ro", "base", "sh", "-c", "echo x >/f").returncode, 0)
        self.assertEqual(self.run_ok("-v", "./file:/f", "base", "cat", "/f", cwd=WORK), "host\n")
        done = self.scow("run", "--rm", "--mount", f"type=bind,source={WORK}/none,target=/x", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(f"{WORK}/none", done.stderr)
        self.assertIn("tmpfs", self.run_ok("--tmpfs", "/t:size=1m", "base", "grep", " /t ", "/proc/mounts"))
        self.assertIn("size=2048k", self.run_ok("--mount", "type=tmpfs,dst=/t,tmpfs-size=2m", "base", "grep", " /t ", "/proc/mounts"))
        self.assertNotEqual(self.scow("run", "--rm", "--read-only", "base", "touch", "/x").returncode, 0)

    def test_cidfile_name_and_lists(self):
        cidfile = pathlib.Path(WORK, "cid")
        done = self.scow("run", "--name", "kept", "--cidfile", cidfile, "-l", "a=1", "-l", "bad=\033[31m", "base", "sh", "-c", "exit 4")
        self.assertEqual(done.returncode, 4, done)
        self.assertRegex(cidfile.read_text(), "^[0-9a-f]{64}$")
        self.assertEqual(self.scow("run", "--cidfile", cidfile, "base", "true").returncode, 125)
        self.assertEqual(self.scow("inspect", "-f", "{{.State.ExitCode}} {{.State.Status}}", "kept").stdout, "4 exited\n")
        row = json.loads(self.scow("ps", "-a", "--format", "json").stdout)
        self.assertEqual((row["Names"], row["Image"], row["State"]), ("kept", "base", "exited"))
        self.assertIn("a=1", row["Labels"])
        self.assertTrue(row["Status"].startswith("Exited (4)"), row)
        self.assertEqual(self.scow("ps", "-q").stdout, "")
        self.assertEqual(self.scow("ps", "-aq", "--no-trunc").stdout.strip(), cidfile.read_text())
        self.assertEqual(self.scow("run", "--name", "kept", "base", "true").returncode, 125)
        self.assertEqual(self.scow("rm", "kept").stdout, "kept\n")
        self.assertEqual(self.scow("rm", "kept").returncode, 1)

    def test_rm_leaves_nothing(self):
        self.run_ok("base", "true")
        self.assertEqual(self.scow("ps", "-aq").stdout, "")

    def test_create_start_wait(self):
        done = self.scow("create", "-i", "--name", "made", "base", "sh", "-c", "cat; exit 6")
        self.assertRegex(done.stdout, "^[0-9a-f]{64}\n$", done)
        done = self.scow("start", "-ai", "made", input="again\n")
        self.assertEqual((done.returncode, done.stdout), (6, "again\n"), done)
        self.assertEqual(self.scow("wait", "made").stdout, "6\n")
        self.scow("rm", "made")

    def test_messages(self):
        done = self.scow("run", "--rm", "base", "nosuchprogram")
        self.assertIn("nosuchprogram", done.stderr)
        done = self.scow("run", "--pull", "never", "nosuchimage")
        self.assertIn("nosuchimage", done.stderr)


class Signals(cli.Cli):
    def start(self, script, *flags):
        process = self.spawn("run", "--rm", *flags, "base", "sh", "-c", script, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def test_proxy(self):
        for number, name in (signal.SIGTERM, "TERM"), (signal.SIGUSR1, "USR1"), (signal.SIGHUP, "HUP"), (signal.SIGINT, "INT"):
            with self.subTest(name=name):
                process = self.start(f"trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done")
                process.send_signal(number)
                self.assertEqual(process.stdout.read(), f"got {name}\n")
                self.assertEqual(process.wait(10), 9)

    def test_default_action_through_init(self):
        process = self.start("echo ready; exec sleep 60", "--init")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 128 + signal.SIGTERM)

    def test_pid_1_ignores_defaults(self):
        process = self.start("echo ready; exec sleep 60")
        process.send_signal(signal.SIGTERM)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        self.assertEqual(process.poll(), None)

    def test_kill_and_stop_from_elsewhere(self):
        process = self.start("echo ready; exec sleep 60", "--name", "killed")
        self.assertEqual(self.scow("ps", "--format", "{{.Names}} {{.State}}").stdout, "killed running\n")
        self.assertEqual(self.scow("rm", "killed").returncode, 1)
        self.assertEqual(self.scow("kill", "killed").stdout, "killed\n")
        self.assertEqual(process.wait(10), 137)
        process = self.start("trap 'exit 5' USR2; echo ready; while :; do sleep 0.05; done", "--name", "stopped", "--stop-signal", "USR2")
        self.assertEqual(self.scow("stop", "stopped").stdout, "stopped\n")
        self.assertEqual(process.wait(10), 5)

    def test_killed_caller_takes_the_container_along(self):
        process = self.start("echo ready; exec sleep 61", "--name", "orphan")
        process.kill()
        process.wait()
        self.assertEqual(self.scow("ps", "-aq").stdout, "")


class Terminal(cli.Cli):
    def open(self, *args):
        return self.on_terminal(*args, rows=33, columns=99)

    def test_shell(self):
        process, master, slave, before = self.open("run", "-it", "--rm", "base")
        self.expect(master, "#")
        os.write(master, b"echo pid=$$; stty size; tty\n")
        self.expect(master, "pid=1\r\n33 99\r\n/dev/pts/0")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 111, 0, 0))
        time.sleep(0.2)
        os.write(master, b"stty size\n")
        self.expect(master, "44 111")
        os.write(master, b"exit 7\n")
        self.assertEqual(process.wait(10), 7)
        self.assertEqual(termios.tcgetattr(slave), before)

    def test_size_at_the_first_prompt(self):
        process, master, _, _ = self.open("run", "-t", "--rm", "base", "stty", "size")
        self.expect(master, "33 99")
        self.assertEqual(process.wait(10), 0)

    def test_interrupt_key_reaches_the_program(self):
        process, master, slave, before = self.open("run", "-it", "--rm", "base", "sh", "-c",
                                                  "trap 'echo int; exit 3' INT; echo ready; while :; do sleep 0.05; done")
        self.expect(master, "ready")
        os.write(master, b"\x03")
        self.expect(master, "int")
        self.assertEqual(process.wait(10), 3)

    def test_restored_when_killed(self):
        for number in signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
            with self.subTest(signal=number):
                process, master, slave, before = self.open("run", "-it", "--rm", "base")
                self.expect(master, "#")
                process.send_signal(number)
                self.assertEqual(process.wait(10), -number)
                self.assertEqual(termios.tcgetattr(slave), before)
        self.assertEqual(self.scow("ps", "-aq").stdout, "")

    def test_stopped_from_outside(self):
        process, master, slave, before = self.open("run", "-it", "--rm", "base")
        self.expect(master, "#")
        raw = termios.tcgetattr(slave)
        process.send_signal(signal.SIGTSTP)
        self.assertTrue(os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1]))
        self.assertEqual(termios.tcgetattr(slave), before)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        self.assertEqual(termios.tcgetattr(slave), raw)
        os.write(master, b"exit\n")
        self.assertEqual(process.wait(10), 0)

    def test_input_must_be_a_terminal(self):
        done = self.scow("run", "-it", "--rm", "base", "true")
        self.assertEqual((done.returncode, done.stderr), (1, "scow: the input device is not a TTY\n"))

    def test_end_of_file(self):
        process, master, _, _ = self.open("run", "-it", "--rm", "base", "sh", "-c", "echo ready; cat")
        self.expect(master, "ready")
        os.write(master, b"line\n\x04")
        self.assertEqual(process.wait(10), 0)

    def test_much_output(self):
        process, master, _, _ = self.open("run", "-t", "--rm", "base", "sh", "-c", "seq 20000; echo end")
        seen = self.expect(master, "end")
        self.assertGreaterEqual(seen.count("\n"), 20000)
        self.assertEqual(process.wait(10), 0)

    def test_escapes_are_shown(self):
        process, master, _, _ = self.open("inspect", "no\033[31msuch")
        self.assertIn("no\\x1b[31msuch", self.expect(master, "such"))
        self.assertEqual(process.wait(10), 1)


@unittest.skipUnless(shutil.which("docker-registry") and shutil.which("skopeo"), "needs docker-registry and skopeo")
class Pull(cli.Cli):
    @classmethod
    def setUpClass(cls):
        cls.registry_dir = tempfile.mkdtemp(prefix="registry.", dir=WORK)
        cls.address = subprocess.run([SUPPORT / "registry.sh", "start", cls.registry_dir], check=True, capture_output=True,
                                     text=True).stdout.strip()
        cls.addClassCleanup(subprocess.run, [SUPPORT / "registry.sh", "stop", cls.registry_dir], check=True)
        subprocess.run([SUPPORT / "registry.sh", "push", cls.address, f"{WORK}/base.oci", "team/busybox:1"], check=True)
        super().setUpClass()

    def test_pull(self):
        name = f"{self.address}/team/busybox:1"
        done = self.scow("pull", name)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertRegex(done.stdout, rf"^1: Pulling from {self.address}/team/busybox\n(?s:.*)\n"
                         rf"Digest: sha256:[0-9a-f]{{64}}\nStatus: Downloaded newer image for {name}\n{name}\n$")
        self.assertRegex(done.stdout, r"[0-9a-f]{12}: (Pull complete|Already exists)\n")
        self.assertIn("Image is up to date", self.scow("pull", name).stdout)
        self.assertEqual(self.scow("pull", "-q", name).stdout, name + "\n")
        self.assertEqual(self.scow("rmi", name).returncode, 0)

    def test_run_pulls_what_is_missing(self):
        name = f"{self.address}/team/busybox:1"
        done = self.scow("run", "--rm", name, "echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done)
        self.assertIn(f"Unable to find image '{name}' locally\n", done.stderr)
        done = self.scow("run", "--rm", name, "echo", "hello")
        self.assertEqual((done.stdout, done.stderr), ("hello\n", ""))
        done = self.scow("run", "--rm", "--pull", "always", "-q", name, "echo", "hello")
        self.assertEqual((done.stdout, done.stderr), ("hello\n", ""))
        self.scow("rmi", name)

    def test_interrupted(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for command in ["pull"], ["run", "--rm"]:
                process = self.spawn(*command, f"127.0.0.1:{silent.getsockname()[1]}/x", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                peer, _ = silent.accept()
                with peer:
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(process.wait(5), -signal.SIGINT)

    def test_failures(self):
        done = self.scow("pull", f"{self.address}/no/such:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/such", done.stderr)
        done = self.scow("run", f"{self.address}/no/such:1")
        self.assertEqual(done.returncode, 125)
        self.assertEqual(self.scow("pull", "UPPER/case").returncode, 1)
        self.assertEqual(self.scow("run", "UPPER/case").returncode, 125)


if __name__ == "__main__":
    unittest.main()
