#!/usr/bin/env python3
"""What one can see of containers: compressed logs, where time goes, who is attached. Events themselves are in test_logs_events.py."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True
import cli  # noqa: E402

COUNT = 6000


def setUpModule():
    cli.Cli.WORK = cli.make_work("observe-test.")


def tearDownModule():
    shutil.rmtree(cli.Cli.WORK, ignore_errors=True)


class Compressed(cli.Cli):
    def start(self, script, *options):
        done = self.scow("run", "-d", "--network", "none", *options, "base", "sh", "-c", script)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        identity = done.stdout.strip()
        self.addCleanup(self.scow, "rm", "-f", identity)
        return identity, pathlib.Path(self.root, "containers", identity)

    def numbers(self, *args):
        done = self.scow("logs", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [int(line.split()[1]) for line in done.stdout.splitlines()]

    def test_files_and_readers(self):
        identity, directory = self.start(f"i=0; while [ $i -lt {COUNT} ]; do echo line $i of many; i=$((i + 1)); done",
                                         "--log-opt", "max-size=60k", "--log-opt", "max-file=5", "--log-opt", "compress=true")
        self.assertEqual(self.scow("wait", identity).stdout, "0\n")
        self.assertEqual(sorted(path.name for path in directory.glob("log.json*")),
                         ["log.json", "log.json.1.gz", "log.json.2.gz", "log.json.3.gz", "log.json.4.gz"])
        plain = b"".join(gzip.open(directory / f"log.json.{n}.gz").read() for n in (4, 3, 2, 1)) + (directory / "log.json").read_bytes()
        kept = [int(json.loads(line)["log"].split()[1]) for line in plain.splitlines()]
        self.assertEqual(kept, list(range(kept[0], COUNT)))
        self.assertLess((directory / "log.json.1.gz").stat().st_size, 20000)
        self.assertEqual(self.numbers(identity), kept)
        for tail in (0, 1, len(kept) // 2, len(kept) - 1, len(kept) + 1):
            self.assertEqual(self.numbers("--tail", str(tail), identity), kept[len(kept) - min(tail, len(kept)):])
        since = json.loads(plain.splitlines()[100])["time"]
        self.assertEqual(self.numbers("--since", since, "--tail", "3", identity), kept[-3:])
        # What is broken is said to be.
        (directory / "log.json.2.gz").write_bytes((directory / "log.json.2.gz").read_bytes()[:500])
        done = self.scow("logs", identity)
        self.assertEqual(done.returncode, 1)
        self.assertIn("unpack a log", done.stderr)

    def test_follow(self):
        """Nothing missing and nothing twice, while files are renamed and compressed below the reader."""
        identity, directory = self.start(f"sleep 0.3; i=0; while [ $i -lt {COUNT} ]; do echo line $i of many; i=$((i + 1)); "
                                         "[ $((i % 500)) = 0 ] && sleep 0.05; done; sleep 0.3",
                                         "--log-opt", "max-size=30k", "--log-opt", "max-file=30", "--log-opt", "compress=true")
        reader = subprocess.run([cli.SCOW, "logs", "-f", identity], env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual((reader.returncode, reader.stderr), (0, ""))
        self.assertEqual([int(line.split()[1]) for line in reader.stdout.splitlines()], list(range(COUNT)))
        self.assertGreater(len(list(directory.glob("log.json.*.gz"))), 5)

    def test_attributes(self):
        """Docker's attrs: what the options name and the container has; a second reader beside `logs` is anything that reads JSON lines."""
        identity, directory = self.start("echo \"one\"; echo two >&2", "--name", "attributed", "--label", "stage=a \"b\"", "--label", "no=x",
                                         "-e", "WHERE=here", "--log-opt", "labels=stage,missing", "--log-opt", "env=WHERE",
                                         "--log-opt", "tag={{.Name}}/{{.ID}}", "--log-opt", "mode=non-blocking")
        self.scow("wait", identity)
        entries = [json.loads(line) for line in (directory / "log.json").read_text().splitlines()]
        self.assertEqual(sorted((entry["log"], entry["stream"]) for entry in entries), [("one\n", "stdout"), ("two\n", "stderr")])
        for entry in entries:
            self.assertEqual(entry["attrs"], {"stage": "a \"b\"", "WHERE": "here", "tag": f"attributed/{identity[:12]}"})
        done = self.scow("logs", identity)
        self.assertEqual((done.stdout, done.stderr), ("one\n", "two\n"))
        details = f"WHERE=here,stage=a \"b\",tag=attributed/{identity[:12]} "
        done = self.scow("logs", "--details", identity)
        self.assertEqual((done.stdout, done.stderr), (details + "one\n", details + "two\n"))
        self.assertRegex(self.scow("logs", "-t", "--details", identity).stdout, r"^\S+Z WHERE=here,stage=")

    def test_refused(self):
        done = self.scow("create", "--log-opt", "compress=true", "base", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("a log of one file is not compressed", done.stderr)


@unittest.skipUnless(os.geteuid() == 0, "mounts a file system")
class Full(cli.Cli):
    @staticmethod
    def supervisor_of(pid):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])

    def test_disk(self):
        """Non-blocking, what a full disk does not take is lost, and the program goes on; what comes once there is room is whole again."""
        small = pathlib.Path(self.WORK, "small")
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "scow-test-full", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        env = {**self.env, "SCOW_ROOT": f"{small}/root"}

        def scow(*args):
            done = subprocess.run([cli.SCOW, *args], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""), args)
            return done.stdout.strip()
        subprocess.run([cli.SCOW, "load", "-q", "-i", f"{self.WORK}/base.tar"], env=env, stdout=subprocess.DEVNULL, check=True)
        free = os.statvfs(small)
        (small / "ballast").write_bytes(bytes(free.f_bavail * free.f_bsize // 2))
        identity = scow("run", "-d", "--network", "none", "--log-opt", "mode=non-blocking", "base", "sh", "-c",
                        "yes 0123456789 | head -c 20000000; sleep 4; echo after")
        # Until all was printed: what reads it is idle then.
        supervisor = self.supervisor_of(json.loads(scow("inspect", "-f", "{{json .State.Pid}}", identity)))
        ticks, idle = None, 0
        for _ in range(400):
            now = pathlib.Path(f"/proc/{supervisor}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
            idle = idle + 1 if now == ticks and os.statvfs(small).f_bavail == 0 else 0
            if idle == 20:
                break
            ticks = now
            time.sleep(0.02)
        (small / "ballast").unlink()
        self.assertEqual(scow("wait", identity), "0")
        lines = (small / "root/containers" / identity / "log.json").read_bytes().split(b"\n")
        self.assertTrue(json.loads(lines[-2])["log"].endswith("after\n"))
        self.assertLess(len(lines), 1800000)
        torn = [line for line in lines[:-1] if not line.endswith(b"Z\"}")]
        self.assertLessEqual(len(torn), 2)
        self.assertTrue(scow("logs", "--tail", "1", identity).endswith("after"))
        scow("rm", identity)


class Health(cli.Cli):
    def test_what_is_kept(self):
        """The first check comes after the interval; the last five are kept, 4,096 bytes of each; any code but 0 is a failure."""
        done = self.scow("run", "-d", "--network", "none", "--health-cmd", "head -c 9000 /dev/zero | tr '\\0' x; echo $(($(cat /tmp/n) + 1)) >/tmp/n; exit 77",
                         "--health-interval", "200ms", "--health-retries", "2", "base", "sh", "-c", "echo 0 >/tmp/n; sleep 1000")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        identity = done.stdout.strip()
        self.addCleanup(self.scow, "rm", "-f", identity)
        state = lambda: json.loads(self.scow("inspect", "-f", "{{json .State}}", identity).stdout)  # noqa: E731
        first = None
        for _ in range(600):
            now = state()
            log = now["Health"]["Log"] or []
            first = first or (log[0] if log else None)
            if now["Health"]["FailingStreak"] >= 7:
                break
            time.sleep(0.05)
        self.assertEqual((now["Health"]["Status"], len(log)), ("unhealthy", 5))
        self.assertEqual({(entry["ExitCode"], len(entry["Output"])) for entry in log}, {(77, 4096)})
        seconds = lambda text: float(text[17:].rstrip("Z"))  # noqa: E731
        self.assertGreater((seconds(first["Start"]) - seconds(now["StartedAt"])) % 60, 0.19)


class Trace(cli.Cli):
    def test_spans(self):
        path = pathlib.Path(self.WORK, "trace")
        for _ in range(2):
            done = self.scow("--trace", str(path), "run", "--rm", "--network", "none", "base", "true")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        spans = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in path.read_text().splitlines()]
        self.assertEqual(len({span["traceId"] for span in spans}), 2)
        starts = [span for span in spans if span["name"] == "start"]
        self.assertEqual(len(starts), 2)
        for start in starts:
            parts = [span for span in spans if span["traceId"] == start["traceId"] and span.get("parentSpanId") == start["spanId"]]
            length = lambda span: int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])  # noqa: E731
            self.assertEqual(sum(map(length, parts)), length(start))
            self.assertIn("launch", [span["name"] for span in parts])
        done = self.scow("--trace", f"{self.WORK}/none/trace", "ps")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
