#!/usr/bin/env python3
"""Detached containers by the scow command: run -d, start, attach, detach keys, restarts, health, and what is left when something dies.

SCOW names the program under test (default: build/examples/scow/scow).
"""
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

WORK = None


def setUpModule():
    global WORK
    WORK = cli.make_work("detached-test.")
    Detached.WORK = WORK


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


class Detached(cli.Cli):
    def detach(self, name, *args):
        """run -d; its id. @args: flags, then "base" and the command."""
        self.addCleanup(self.scow, "rm", "-f", name)
        out = self.ok("run", "-d", "--name", name, *args)
        self.assertRegex(out, "^[0-9a-f]{64}\n$")
        return out.strip()

    def state(self, name):
        return json.loads(self.ok("inspect", "-f", "{{json .State}}", name))

    def until_state(self, name, status):
        return self.until(lambda: self.state(name)["Status"] == status and self.state(name), f"{name} is not {status}")

    def supervisor_of(self, pid):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Life(Detached):
    def test_run_prints_the_id_and_leaves_it(self):
        made = self.detach("one", "base", "sh", "-c", "echo out; echo err >&2; exec sleep 1000")
        self.assertEqual(self.ok("ps", "-q", "--no-trunc").strip(), made)
        state = self.state("one")
        self.assertEqual((state["Status"], state["Running"]), ("running", True))
        self.assertTrue(os.path.exists(f"/proc/{state['Pid']}"))
        self.until(lambda: self.scow("logs", "one").stdout == "out\n")
        self.assertEqual(self.ok("kill", "one"), "one\n")
        self.assertEqual(self.ok("wait", "one"), "137\n")
        self.assertEqual(self.state("one")["ExitCode"], 137)

    def test_its_end_is_recorded(self):
        self.detach("ends", "base", "sh", "-c", "echo said; exit 7")
        self.assertEqual(self.ok("wait", "ends"), "7\n")
        state = self.state("ends")
        self.assertEqual((state["Status"], state["ExitCode"], state["Pid"]), ("exited", 7, 0))
        self.assertEqual(self.ok("logs", "ends"), "said\n")
        self.assertEqual(self.ok("start", "ends"), "ends\n")
        self.assertEqual(self.ok("wait", "ends"), "7\n")

    def test_failed_starts(self):
        for command, code in (["nosuchprogram"], 127), (["/etc"], 126):
            done = self.scow("run", "-d", "--rm", "base", *command)
            self.assertEqual((done.returncode, done.stdout), (code, ""), done)
        self.assertEqual(self.ok("ps", "-aq"), "")
        for flags in ["--restart", "always", "--rm"], ["--detach-keys", "x,"], ["--log-driver", "syslog"], ["--health-interval", "1us"]:
            done = self.scow("run", "-d", *flags, "base", "true")
            self.assertEqual((done.returncode, done.stdout), (125, ""), done)
        self.assertEqual(self.scow("start", "nosuch").returncode, 1)
        self.assertEqual(self.scow("start", "--restarted", "x").returncode, 125)

    def test_rm(self):
        self.ok("run", "-d", "--rm", "--name", "brief", "base", "true")
        self.until(lambda: self.ok("ps", "-aq") == "")
        self.ok("run", "-d", "--rm", "--name", "brief", "base", "sleep", "1000")
        self.ok("kill", "brief")
        self.until(lambda: self.ok("ps", "-aq") == "")

    def test_start_stop_restart(self):
        self.addCleanup(self.scow, "rm", "-f", "again")
        self.ok("create", "--name", "again", "base", "sh", "-c", "trap 'exit 3' TERM; echo ready; sleep 1000 & wait")
        self.assertEqual(self.ok("start", "again"), "again\n")
        first = self.until_state("again", "running")["Pid"]
        done = self.scow("start", "again")
        self.assertIn(done.returncode, (0, 1))
        self.until(lambda: "ready" in self.ok("logs", "again"))
        self.assertEqual(self.ok("restart", "again"), "again\n")
        self.assertNotEqual(self.until_state("again", "running")["Pid"], first)
        self.until(lambda: self.ok("logs", "again").count("ready") == 2)
        self.assertEqual(self.ok("stop", "again"), "again\n")
        self.assertEqual(self.state("again")["ExitCode"], 3)

    def test_start_in_front(self):
        self.addCleanup(self.scow, "rm", "-f", "front")
        self.ok("create", "-i", "--name", "front", "base", "sh", "-c", "cat; echo err >&2; exit 6")
        # One after the other: the supervisor that ends takes nothing from the one that begins.
        for _ in range(12):
            done = self.scow("start", "-ai", "front", input="through\n")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (6, "through\n", "err\n"), done)
        self.addCleanup(self.scow, "rm", "-f", "quick")
        self.ok("create", "--name", "quick", "base", "sh", "-c", "echo quick; exit 4")
        for _ in range(3):
            done = self.scow("start", "-a", "quick")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (4, "quick\n", ""), done)

    def test_no_log(self):
        self.detach("silent", "--log-driver", "none", "base", "sh", "-c", "echo x; exec sleep 1000")
        done = self.scow("logs", "silent")
        self.assertEqual(done.returncode, 1, done)
        self.ok("kill", "silent")

    def test_killed_supervisor(self):
        self.detach("orphan", "base", "sleep", "1000")
        pid = self.until_state("orphan", "running")["Pid"]
        os.kill(self.supervisor_of(pid), signal.SIGKILL)
        state = self.until_state("orphan", "exited")
        self.assertNotEqual(state["ExitCode"], 0)
        self.until(lambda: not os.path.exists(f"/proc/{pid}"))
        self.ok("start", "orphan")
        self.until_state("orphan", "running")
        self.ok("rm", "-f", "orphan")
        self.detach("orphan", "base", "true")

    def test_stopped_supervisor(self):
        """It cannot tell the end: by force the container goes all the same, and nothing of it stays."""
        self.detach("stuck", "base", "sleep", "1000")
        supervisor = self.supervisor_of(self.until_state("stuck", "running")["Pid"])
        os.kill(supervisor, signal.SIGSTOP)
        done = self.scow("rm", "-f", "stuck")
        self.assertEqual((done.returncode, done.stdout), (0, "stuck\n"), done.stderr)
        self.until(lambda: not os.path.exists(f"/proc/{supervisor}"))
        self.assertEqual(self.ok("ps", "-aq"), "")


class Attach(Detached):
    def attach(self, name, *flags, rows=24, columns=80):
        return self.on_terminal("attach", *flags, name, rows=rows, columns=columns)

    def on_terminal(self, *args, **size):
        process, master, slave, before = super().on_terminal(*args, **size)
        self.until(lambda: termios.tcgetattr(slave)[3] != before[3], "the terminal does not become raw")
        return process, master, slave, before

    def quiet(self, master):
        while select.select([master], [], [], 0.2)[0]:
            os.read(master, 4096)

    def leave(self, attached, keys=b"\x10\x11"):
        process, master, slave, before = attached
        os.write(master, keys)
        self.expect(master, "read escape sequence")
        self.assertEqual(process.wait(cli.PATIENCE), 0)
        self.assertEqual(termios.tcgetattr(slave), before)

    def test_shell(self):
        self.detach("shell", "-it", "base", "sh")
        attached = self.attach("shell", rows=33, columns=99)
        os.write(attached[1], b"echo a$((1 + 1))b; stty size\n")
        self.expect(attached[1], "a2b\r\n33 99")
        self.leave(attached)
        self.assertEqual(self.state("shell")["Status"], "running")
        attached = self.attach("shell", "--detach-keys", "ctrl-a,d", rows=44, columns=111)
        # What may be the keys and is not goes on: ctrl-a to the line's start, then a key.
        os.write(attached[1], b"lost\x01echo =")
        os.write(attached[1], b"\n")
        self.expect(attached[1], "=lost")
        os.write(attached[1], b"stty size\n")
        self.expect(attached[1], "44 111")
        fcntl.ioctl(attached[1], termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
        attached[0].send_signal(signal.SIGWINCH)
        time.sleep(0.5)
        os.write(attached[1], b"stty size\n")
        self.expect(attached[1], "20 60")
        self.leave(attached, b"\x01d")
        attached = self.attach("shell")
        os.write(attached[1], b"exit 9\n")
        self.assertEqual(attached[0].wait(cli.PATIENCE), 9)
        self.assertEqual(termios.tcgetattr(attached[2]), attached[3])
        self.assertEqual(self.state("shell")["ExitCode"], 9)

    def test_run_that_can_be_left(self):
        self.addCleanup(self.scow, "rm", "-f", "left")
        attached = self.on_terminal("run", "-it", "--detach-keys", "ctrl-x,x", "--name", "left", "base", "sh", rows=33, columns=99)
        os.write(attached[1], b"stty size; echo a$((1 + 1))b\n")
        self.expect(attached[1], "33 99\r\na2b")
        self.leave(attached, b"\x18x")
        attached = self.attach("left")
        os.write(attached[1], b"exit 4\n")
        self.assertEqual(attached[0].wait(cli.PATIENCE), 4)
        attached = self.on_terminal("start", "-ai", "left")
        os.write(attached[1], b"echo a$((2 + 1))b\n")
        self.expect(attached[1], "a3b")
        self.leave(attached)
        attached = self.attach("left")
        os.kill(self.supervisor_of(self.state("left")["Pid"]), signal.SIGKILL)
        self.assertNotEqual(attached[0].wait(cli.PATIENCE), 0)
        self.assertEqual(termios.tcgetattr(attached[2]), attached[3])

    def test_two_clients(self):
        self.detach("shared", "-it", "base", "sh", "-c", "stty -echo; while read x; do echo got:$x; done; exit 2")
        first, second = self.attach("shared"), self.attach("shared")
        os.write(first[1], b"one\n")
        self.expect(first[1], "got:one")
        self.expect(second[1], "got:one")
        self.leave(first)
        os.write(second[1], b"two\n")
        self.expect(second[1], "got:two")
        second[0].kill()
        second[0].wait()
        third = self.attach("shared")
        os.write(third[1], b"three\n")
        self.expect(third[1], "got:three")
        os.write(third[1], b"\x04")
        self.assertEqual(third[0].wait(cli.PATIENCE), 2)

    def test_killed_client_restores_its_terminal(self):
        self.detach("kept", "-it", "base", "sh")
        process, master, slave, before = self.attach("kept")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(cli.PATIENCE), -signal.SIGTERM)
        self.assertEqual(termios.tcgetattr(slave), before)
        self.assertEqual(self.state("kept")["Status"], "running")

    ECHOES = ("base", "sh", "-c", "while read x; do echo got:$x; echo err:$x >&2; done; echo end; exit 5")

    def pipes(self, name):
        process = self.spawn("attach", name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for stream in process.stdin, process.stdout, process.stderr:
            self.addCleanup(stream.close)
        return process

    def test_kept_stdin(self):
        """run -d -i: neither the end of a client's stdin nor its death is the end of the program's."""
        self.detach("kept", "-i", *self.ECHOES)
        first, second, killed = self.pipes("kept"), self.pipes("kept"), self.pipes("kept")
        self.until(lambda: self.ok("events", "--since", "1m", "--until", "0s", "--filter", "container=kept").count("container attach") == 3)
        first.stdin.close()
        second.stdin.write("line\n")
        second.stdin.flush()
        for process in first, second, killed:
            self.assertEqual(process.stdout.readline(), "got:line\n")
        killed.kill()
        killed.wait()
        second.stdin.write("more\n")
        second.stdin.flush()
        self.assertEqual(first.stdout.readline(), "got:more\n")

    def test_dead_client(self):
        """run -i, start: with the first who had stdin it ends, though he never wrote."""
        self.addCleanup(self.scow, "rm", "-f", "silent")
        self.ok("create", "-i", "--name", "silent", *self.ECHOES)
        self.ok("start", "silent")
        process = self.pipes("silent")
        self.until(lambda: "container attach" in self.ok("events", "--since", "1m", "--until", "0s"))
        process.kill()
        self.assertEqual(self.ok("wait", "silent"), "5\n")

    def test_pipes(self):
        self.addCleanup(self.scow, "rm", "-f", "piped")
        self.ok("create", "-i", "--name", "piped", *self.ECHOES)
        self.ok("start", "piped")
        process = self.pipes("piped")
        process.stdin.write("line\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "got:line\n")
        self.assertEqual(process.stderr.readline(), "err:line\n")
        process.stdin.close()
        self.assertEqual(process.stdout.read(), "end\n")
        self.assertEqual(process.wait(cli.PATIENCE), 5)

    def test_signals(self):
        script = "trap 'echo caught; exit 8' TERM; while :; do sleep 0.1; echo tick; done"
        self.detach("signalled", "base", "sh", "-c", script)
        aside = self.spawn("attach", "--no-stdin", "--sig-proxy=false", "signalled", stdout=subprocess.PIPE)
        self.assertEqual(aside.stdout.readline(), "tick\n")
        aside.send_signal(signal.SIGTERM)
        self.assertEqual(aside.wait(cli.PATIENCE), -signal.SIGTERM)
        self.assertEqual(self.state("signalled")["Status"], "running")
        process = self.spawn("attach", "--no-stdin", "signalled", stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), "tick\n")
        process.send_signal(signal.SIGTERM)
        self.assertIn("caught\n", process.stdout.read())
        self.assertEqual(process.wait(cli.PATIENCE), 8)

    def test_refused(self):
        self.detach("over", "base", "true")
        self.ok("wait", "over")
        self.assertEqual(self.scow("attach", "over").returncode, 1)
        self.assertEqual(self.scow("attach", "nosuch").returncode, 1)
        self.detach("tty", "-it", "base", "sh")
        done = self.scow("attach", "tty")
        self.assertEqual((done.returncode, done.stderr), (1, "scow: the input device is not a TTY\n"))
        self.assertEqual(self.scow("attach", "--detach-keys", "ctrl-1", "tty").returncode, 1)


class Restarts(Detached):
    def count(self, name):
        return int(self.ok("inspect", "-f", "{{.RestartCount}}", name))

    def test_on_failure(self):
        self.detach("fails", "--restart", "on-failure:2", "base", "sh", "-c", "echo run; exit 1")
        self.until(lambda: self.count("fails") == 2)
        state = self.until_state("fails", "exited")
        self.assertEqual((state["ExitCode"], self.count("fails")), (1, 2))
        self.assertEqual(self.ok("logs", "fails"), "run\n" * 3)
        # In front until the run that we came to ends: on a slow machine that is the second.
        self.addCleanup(self.scow, "rm", "-f", "in-front")
        done = self.scow("run", "--restart", "on-failure:1", "--name", "in-front", "base", "sh", "-c", "echo run; exit 3")
        self.assertEqual((done.returncode, done.stdout.replace("run\n", "")), (3, ""), done)
        self.until(lambda: self.count("in-front") == 1)
        self.detach("succeeds", "--restart", "on-failure", "base", "true")
        self.ok("wait", "succeeds")
        self.assertEqual(self.count("succeeds"), 0)

    def test_slow_reader_in_front(self):
        """Who came before the run misses nothing, however slowly it reads; more than all buffers on the way hold."""
        self.ok("create", "--name", "pours", "base", "sh", "-c", "yes | head -c 4000000; exit 6")
        reader = self.spawn("start", "-a", "pours", stdout=subprocess.PIPE)
        time.sleep(1)
        size = 0
        while data := os.read(reader.stdout.fileno(), 500000):
            size += len(data)
            time.sleep(0.01)
        self.assertEqual((size, reader.wait(20)), (4000000, 6))
        self.ok("rm", "pours")

    def test_back_off(self):
        """100 ms after the first end, then twice as long each time."""
        self.detach("backs-off", "--restart", "always", "base", "sh", "-c", "exit 1")
        self.until(lambda: self.count("backs-off") >= 5)
        self.ok("stop", "-t", "0", "backs-off")
        events = [json.loads(line) for line in self.ok("events", "--since", "1", "--until", "0s", "--filter", "container=backs-off",
                                                       "--filter", "event=start", "--filter", "event=die", "--format", "json").splitlines()]
        self.assertEqual([event["Action"] for event in events[:9]], ["start", "die"] * 4 + ["start"])
        for number, least in enumerate((0.1, 0.2, 0.4, 0.8)):
            pause = (events[number * 2 + 2]["timeNano"] - events[number * 2 + 1]["timeNano"]) / 1e9
            self.assertGreater(pause, least - 0.01)
            self.assertLess(pause, least + 1)  # a busy machine

    def test_always_until_stopped(self):
        for policy in "always", "unless-stopped":
            with self.subTest(policy=policy):
                self.detach(policy, "--restart", policy, "base", "sh", "-c", "exit 0")
                self.until(lambda: self.count(policy) >= 2)
                self.ok("stop", policy)
                self.until_state(policy, "exited")
                count = self.count(policy)
                time.sleep(1)
                self.assertEqual((self.state(policy)["Status"], self.count(policy)), ("exited", count))

    def test_stopped_with_many_attached(self):
        """However many listen: who stops it is heard."""
        self.detach("heard", "--restart", "always", "base", "sleep", "1000")
        listeners = [subprocess.Popen([cli.SCOW, "attach", "--no-stdin", "--sig-proxy=false", "heard"], env=self.env,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(70)]
        self.until(lambda: sum(one.poll() is not None for one in listeners) >= 6)
        self.ok("stop", "-t", "0", "heard")
        self.until_state("heard", "exited")
        for one in listeners:
            one.wait(10)
        time.sleep(1)
        self.assertEqual(self.state("heard")["Status"], "exited")

    def test_after_a_reboot(self):
        for name, policy in ("a-always", "always"), ("a-unless", "unless-stopped"), ("a-no", "no"), ("stopped-always", "always"), ("stopped-unless", "unless-stopped"):
            self.detach(name, "--restart", policy, "base", "sleep", "1000")
        self.ok("stop", "-t", "0", "stopped-always", "stopped-unless")
        self.assertEqual(self.ok("start", "--restarted"), "0\n")
        # As a reboot leaves it: nothing runs any more, and what the rows tell is of another boot.
        for name in "a-always", "a-unless", "a-no":
            pid = self.state(name)["Pid"]
            os.kill(self.supervisor_of(pid), signal.SIGKILL)
            self.until_state(name, "exited")
        with sqlite3.connect(f"{self.root}/state.db", timeout=30) as db:
            db.execute("UPDATE containers SET boot_id = '00000000-0000-0000-0000-000000000000'")
        db.close()
        self.assertEqual(self.ok("start", "--restarted"), "3\n")
        running = set(self.ok("ps", "--format", "{{.Names}}").split())
        self.assertEqual(running, {"a-always", "a-unless", "stopped-always"})
        self.assertEqual(self.ok("start", "--restarted"), "0\n")


class Health(Detached):
    def health(self, name):
        return self.state(name)["Health"]

    def until_health(self, name, status):
        return self.until(lambda: self.health(name)["Status"] == status and self.health(name), f"{name} is not {status}")

    def test_transitions(self):
        self.detach("checked", "--health-cmd", "test -e /well || { echo ill; exit 3; }", "--health-interval", "150ms", "--health-timeout", "20s",
                    "--health-retries", "2", "base", "sleep", "1000")
        self.assertIn(self.health("checked")["Status"], ("starting", "unhealthy"))
        ill = self.until_health("checked", "unhealthy")
        self.assertGreaterEqual(ill["FailingStreak"], 2)
        self.assertLessEqual(len(ill["Log"]), 5)
        self.assertEqual((ill["Log"][-1]["ExitCode"], ill["Log"][-1]["Output"]), (3, "ill\n"))
        self.assertIn("(unhealthy)", self.ok("ps", "--format", "{{.Status}}"))
        self.ok("exec", "checked", "touch", "/well")
        self.assertEqual(self.until_health("checked", "healthy")["FailingStreak"], 0)
        self.ok("exec", "checked", "rm", "/well")
        self.until_health("checked", "unhealthy")

    def test_start_period(self):
        self.detach("starting", "--health-cmd", "false", "--health-interval", "100ms", "--health-start-interval", "100ms", "--health-retries",
                    "1", "--health-start-period", "1h", "base", "sleep", "1000")
        self.until(lambda: len(self.health("starting").get("Log") or []) >= 2)
        self.assertEqual((self.health("starting")["Status"], self.health("starting")["FailingStreak"]), ("starting", 0))

    def test_timeout(self):
        self.detach("hangs", "--health-cmd", "sleep 1000", "--health-interval", "100ms", "--health-timeout", "200ms", "--health-retries", "1",
                    "base", "sleep", "1001")
        self.until_health("hangs", "unhealthy")

    def test_run_that_ends_at_once(self):
        """It is attached to before it starts: it may be gone before its start returns. Then its name is free."""
        for _ in range(50):
            done = self.scow("run", "--rm", "--name", "brief", "--network", "none", "--health-cmd", "true", "base", "sh", "-c", "echo x; exit 7")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (7, "x\n", ""))
        self.assertEqual(self.ok("ps", "-aq"), "")

    def test_of_the_image(self):
        image = self.make_image("healthy", Cmd=["sleep", "1000"], Healthcheck={"Test": ["CMD", "true"], "Interval": 100000000, "Retries": 7})
        self.detach("from-image", image)
        self.until_health("from-image", "healthy")
        self.assertEqual(json.loads(self.ok("inspect", "-f", "{{json .Config.Healthcheck}}", "from-image"))["Retries"], 7)
        self.detach("without", "--no-healthcheck", image)
        self.assertIsNone(self.state("without").get("Health"))


if __name__ == "__main__":
    unittest.main()
