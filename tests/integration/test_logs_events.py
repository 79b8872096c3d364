#!/usr/bin/env python3
"""`scow logs` and `scow events`: what they print, in which forms they take moments, and what they say of other processes' doings."""
import datetime
import json
import os
import pathlib
import re
import select
import shutil
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

# 2026-01-02T03:04:05Z; line n is n seconds later.
BEGIN = 1767323045
LONG = 30


def setUpModule():
    cli.Cli.WORK = cli.make_work("logs-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


def stamp(n, zone="Z", digits=9):
    moment = datetime.datetime.fromtimestamp(BEGIN + n, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + ("." + "0" * digits if digits else "") + zone


def entry(n, text=None, stream=None):
    return json.dumps({"log": f"line {n}\n" if text is None else text, "stream": stream or ("stdout" if n % 2 else "stderr"),
                       "time": stamp(n)}) + "\n"


def lines(*numbers):
    return "".join(f"line {n}\n" for n in numbers)


class Lines:
    """A process's output, line by line, with an end to one's patience."""

    def __init__(self, process):
        self.fd = process.stdout.fileno()
        self.held = b""

    def next(self):
        while b"\n" not in self.held:
            ready, _, _ = select.select([self.fd], [], [], LONG)
            data = os.read(self.fd, 65536) if ready else b""
            if not data:
                raise AssertionError("no more came" if ready else "nothing came")
            self.held += data
        line, _, self.held = self.held.partition(b"\n")
        return line.decode()


class Logs(cli.Cli):
    def make(self, name, *entries):
        """A container that never ran, with a log as of a detached one."""
        done = self.scow("create", "--name", name, "base", "true")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.addCleanup(self.scow, "rm", "-f", name)
        self.write(done.stdout.strip(), *entries)
        return done.stdout.strip()

    def write(self, identity, *entries, mode="a"):
        directory = pathlib.Path(self.root, "containers", identity)
        directory.mkdir(exist_ok=True)
        with open(directory / "log.json", mode) as log:
            log.write("".join(entries))

    def expect(self, out, err, *args):
        done = self.scow("logs", *args)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, out, err), args)

    def test_streams_and_tail(self):
        self.make("lg-streams", *map(entry, range(1, 7)))
        self.expect(lines(1, 3, 5), lines(2, 4, 6), "lg-streams")
        self.expect(lines(5), lines(4, 6), "-n", "3", "lg-streams")
        self.expect(lines(5), lines(6), "--tail=2", "lg-streams")
        self.expect(lines(1, 3, 5), lines(2, 4, 6), "--tail", "all", "lg-streams")
        self.expect(lines(1, 3, 5), lines(2, 4, 6), "--tail", "-1", "--details", "lg-streams")
        self.expect("", "", "--tail", "0", "lg-streams")
        # It does not run: nothing to wait for.
        self.expect("", lines(6), "-f", "-n", "1", "lg-streams")

    def test_timestamps(self):
        self.make("lg-stamps", entry(1), entry(2), entry(3, "part one, "), entry(4, "lost\n", "stderr"), entry(5, "part two\n"))
        self.expect(f"{stamp(1)} line 1\n{stamp(3)} part one, part two\n", f"{stamp(2)} line 2\n{stamp(4)} lost\n", "-t", "lg-stamps")

    def test_moments(self):
        self.make("lg-moments", *map(entry, range(1, 10)))
        for since, until in [(stamp(4), stamp(7)), (stamp(4, digits=0), stamp(7, digits=3)), (str(BEGIN + 4), f"{BEGIN + 6}.000000001"),
                             (stamp(4 + 3600, "+01:00"), stamp(7 - 5400, "-01:30", 0))]:
            with self.subTest(since=since, until=until):
                self.expect(lines(5), lines(4, 6), "--since", since, "--until", until, "lg-moments")
        # Without a zone: local time.
        done = self.scow("logs", "--since", stamp(9 + 7200, "", 0), "lg-moments", env={**self.env, "TZ": "XYZ-2"})
        self.assertEqual((done.stdout, done.stderr), (lines(9), ""))
        self.expect(lines(1, 3, 5, 7, 9), lines(2, 4, 6, 8), "--since", "2026-01-01", "lg-moments")
        self.expect("", "", "--since", "2026-01-04", "lg-moments")
        self.expect("", "", "--since", "1h30m", "lg-moments")
        self.expect(lines(1, 3, 5, 7, 9), lines(2, 4, 6, 8), "--until", "1.5h10s", "lg-moments")
        self.expect("", lines(6), "--since", stamp(3), "--until", stamp(7), "-n", "1", "lg-moments")

    def test_mistakes(self):
        self.make("lg-mistakes", entry(1))
        self.scow("create", "--name", "lg-none", "base", "true")
        self.addCleanup(self.scow, "rm", "-f", "lg-none")
        for words, *args in [("no such container: 'nobody'", "nobody"), ("never started detached", "lg-none"),
                             ("--tail: 'x' is neither", "-n", "x", "lg-mistakes"), ("--since: 'soon' is no moment", "--since", "soon", "lg-mistakes"),
                             ("--until: '10x' is no moment", "--until", "10x", "lg-mistakes"), ("requires exactly 1 argument", "lg-none", "lg-none")]:
            done = self.scow("logs", *args)
            self.assertNotEqual(done.returncode, 0, args)
            self.assertIn(words, done.stderr)

    def test_torn(self):
        self.make("lg-torn", entry(1), entry(2)[:30] + "\n", "garbage\n", entry(3), entry(5)[:50])
        self.expect(lines(1, 3), "", "lg-torn")

    def test_follow(self):
        self.spawn("run", "--name", "lg-follow", "base", "sleep", "1000")
        self.addCleanup(self.scow, "rm", "-f", "lg-follow")
        end = time.monotonic() + LONG
        while self.scow("ps", "-q", "--filter", "name=lg-follow", "--filter", "status=running").stdout == "" and time.monotonic() < end:
            time.sleep(0.05)
        identity = self.scow("inspect", "-f", "{{.Id}}", "lg-follow").stdout.strip()
        self.write(identity, entry(1))
        reader = self.spawn("logs", "-f", "lg-follow", stdout=cli.subprocess.PIPE)
        out = Lines(reader)
        self.assertEqual(out.next(), "line 1")
        directory = pathlib.Path(self.root, "containers", identity)
        for n in range(3, 41, 2):
            if n % 4 == 1:
                os.rename(directory / "log.json", directory / f"log.json.{100 - n}")
            self.write(identity, entry(n)[:20])
            self.write(identity, entry(n)[20:])
            self.assertEqual(out.next(), f"line {n}")
        self.scow("kill", "lg-follow")
        self.assertEqual(reader.stdout.read(), "")
        self.assertEqual(reader.wait(LONG), 0)
        self.expect(lines(*range(1, 41, 2)), "", "lg-follow")


class Events(cli.Cli):
    def past(self, *args):
        done = self.scow("events", "--since", "1h", "--until", "0s", "--format", "json", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def actions(self, *args):
        return [event["Action"] for event in self.past(*args)]

    def listen(self, *args):
        """What happens from now on, as it happens."""
        return Lines(self.spawn("events", "--since", f"{time.time():.6f}", "--format", "json", *args, stdout=cli.subprocess.PIPE))

    def hear(self, listener):
        return json.loads(listener.next())

    def test_life(self):
        self.run_ok("--name", "ev-life", "--label", "k=v", "base", "true")
        events = self.past("-f", "container=ev-life")
        self.assertEqual([event["Action"] for event in events], ["create", "start", "die", "destroy"])
        for event in events:
            attributes = event["Actor"]["Attributes"]
            self.assertEqual((attributes["name"], attributes["image"], attributes["k"]), ("ev-life", "base", "v"))
            self.assertEqual((event["id"], event["status"], event["from"], event["scope"]),
                             (event["Actor"]["ID"], event["Action"], "base", "local"))
            self.assertEqual(event["timeNano"] // 10**9, event["time"])
        self.assertEqual(self.actions("-f", "container=" + events[0]["id"][:12], "-f", "event=die"), ["die"])
        self.assertEqual(self.actions("-f", "container=ev-life", "-f", "label=k=w"), [])

    def test_forms(self):
        self.run_ok("--name", "ev-forms", "base", "sh", "-c", "exit 0")
        common = "--since", "1h", "--until", "0s", "-f", "container=ev-forms", "-f", "event=die"
        line = self.scow("events", *common).stdout
        self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) container die [0-9a-f]{64} "
                               r"\(execDuration=0, exitCode=0, image=base, name=ev-forms\)\n$")
        out = self.scow("events", *common, "--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.exitCode}} {{.TimeNano}} {{.From}}").stdout
        self.assertEqual(out, f"container die 0 {self.past(*common[4:])[0]['timeNano']} base\n")
        line = self.scow("events", *common, env={**self.env, "TZ": "XYZ-2:30"}).stdout
        self.assertRegex(line, r"^\S+\.\d{9}\+02:30 container die ")

    def test_mistakes(self):
        for words, *args in [("'colour' is not a filter", "-f", "colour=red"), ("write it as NAME=VALUE", "-f", "die"),
                             ("--since: 'x' is no moment", "--since", "x"), ("accepts no arguments", "x")]:
            done = self.scow("events", "--until", "0s", *args)
            self.assertNotEqual(done.returncode, 0, args)
            self.assertIn(words, done.stderr)

    def test_images(self):
        self.scow("tag", "base", "other:1")
        self.scow("rmi", "other:1")
        self.assertEqual([(event["Action"], event["Actor"]["Attributes"]["name"]) for event in self.past("-f", "type=image")],
                         [("load", "base:latest"), ("tag", "other:1"), ("untag", "other:1")])

    def test_live(self):
        listener = self.listen("-f", "type=container")
        self.run_ok("--name", "ev-live", "base", "true")
        self.assertEqual([self.hear(listener)["Action"] for _ in range(4)], ["create", "start", "die", "destroy"])
        end = self.spawn("events", "--until", f"{time.time() + 0.5:.3f}", stdout=cli.subprocess.PIPE)
        self.assertEqual(end.stdout.read(), "")
        self.assertEqual(end.wait(LONG), 0)

    def test_owner_killed(self):
        """Whoever ran it cannot write its end down: the next to look does, once."""
        listener = self.listen("-f", "container=ev-orphan")
        owner = self.spawn("run", "--rm", "--name", "ev-orphan", "base", "sleep", "1000")
        self.assertEqual([self.hear(listener)["Action"] for _ in range(2)], ["create", "start"])
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        self.scow("ps")
        events = [self.hear(listener) for _ in range(2)]
        self.assertEqual([event["Action"] for event in events], ["die", "destroy"])
        self.assertEqual(events[0]["Actor"]["Attributes"]["exitCode"], "137")
        self.scow("ps")
        self.assertEqual(self.actions("-f", "container=ev-orphan"), ["create", "start", "die", "destroy"])

    def test_many_at_once(self):
        """Eight at once; a listener hears each of them whole and in order."""
        listener = self.listen("-f", "label=ev=many")
        runs = [self.spawn("run", "--rm", "--label", "ev=many", "base", "true") for _ in range(8)]
        heard = [self.hear(listener) for _ in range(32)]
        self.assertEqual([run.wait(LONG) for run in runs], [0] * 8)
        for identity in {event["id"] for event in heard}:
            self.assertEqual([event["Action"] for event in heard if event["id"] == identity], ["create", "start", "die", "destroy"])


@unittest.skipUnless("--detach " in cli.subprocess.run([cli.SCOW, "run", "--help"], capture_output=True, text=True).stdout,
                     "this scow has no run -d")
class Detached(cli.Cli):
    def start(self, name, script, *flags):
        done = self.scow("run", "-d", "--name", name, *flags, "base", "sh", "-c", script)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.addCleanup(self.scow, "rm", "-f", name)
        return done.stdout.strip()

    def test_logs(self):
        self.start("dt-logs", "for n in 1 2 3; do echo out $n; echo err $n >&2; done; printf 'no end'")
        done = self.scow("logs", "-f", "dt-logs")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "out 1\nout 2\nout 3\nno end", "err 1\nerr 2\nerr 3\n"))
        self.assertEqual(self.scow("logs", "-n", "1", "dt-logs").stdout, "no end")

    def test_follow_over_rotation(self):
        self.start("dt-rotate", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done", "--log-opt", "max-size=20k",
                   "--log-opt", "max-file=200")
        done = self.scow("logs", "-f", "dt-rotate")
        self.assertEqual(done.stdout, "".join(f"line {n}\n" for n in range(20000)))
        self.assertEqual(self.scow("logs", "dt-rotate").stdout, done.stdout)

    def test_follow_ephemeral(self):
        """Who follows has all of it, though the container and its files go with its end."""
        self.start("dt-rm", "sleep 0.3; i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done", "--rm", "--log-opt", "max-size=100k",
                   "--log-opt", "max-file=100")
        done = self.scow("logs", "-f", "dt-rm")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "".join(f"line {n}\n" for n in range(5000)))
        self.assertEqual(self.scow("ps", "-aq", "--filter", "name=dt-rm").stdout, "")

    def test_none(self):
        self.start("dt-none", "echo x", "--log-driver", "none")
        done = self.scow("logs", "dt-none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("none", done.stderr)

    def test_end_is_heard(self):
        """Nobody looks but the listener, and the supervisor has no database."""
        listener = Lines(self.spawn("events", "--since", f"{time.time():.6f}", "-f", "container=dt-heard", "--format", "{{.Action}}",
                                    stdout=cli.subprocess.PIPE))
        self.start("dt-heard", "sleep 0.5; exit 3")
        for action in ("create", "start", "die"):
            self.assertEqual(listener.next(), action)

    def test_restarts_are_heard(self):
        listener = Lines(self.spawn("events", "--since", f"{time.time():.6f}", "-f", "container=dt-again", "--format",
                                    "json", stdout=cli.subprocess.PIPE))
        self.start("dt-again", "sleep 0.7; exit 7", "--restart", "on-failure:2")
        for action in ("create", "start", "die 7", "start", "die 7", "start", "die 7"):
            event = json.loads(listener.next())
            self.assertEqual(" ".join([event["Action"], *filter(None, [event["Actor"]["Attributes"].get("exitCode")])]), action)
        past = self.scow("events", "--since", "1h", "--until", "0s", "-f", "container=dt-again", "--format", "{{.Action}}").stdout
        self.assertEqual(past.split(), ["create"] + ["start", "die"] * 3)


if __name__ == "__main__":
    unittest.main()
