#!/usr/bin/env python3
"""kill -9 at every point of every operation: fault.py [--full] [--seconds N] [--jobs N] [--operation TEXT] [--point TEXT] [--victim ROLE]

Each case holds a process at a point of the code (lib/base/fault.h), kills one of those that are there (the one that waits, the caller,
the supervisor, the container's init, the guard, or all of them), lets the rest go on, and then looks as the next caller would: the state
is true, the container can be removed, its name used again, and nothing is left. Without --full one victim is taken for each operation
and point, and of the plan's steps a few, since a start that dies before one mount or the next leaves the same; as many as fit into the
time, in an order that does not change. SCOW names a build with -Dfault=true.
"""
import argparse
import multiprocessing
import os
import pathlib
import queue
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/fault"), str(TOP / "tests/support")]
import health  # noqa: E402
import operations  # noqa: E402
import snapshot  # noqa: E402
import stage as stages  # noqa: E402

SCOW = os.environ.get("SCOW", str(TOP / "build/fault/examples/scow/scow"))
ROLES = ("caller", "supervisor", "init", "helper", "inside", "guard")
# Of a plan's steps: the first, the root, what waits for the owner, the last. The others differ in nothing that outlives the process.
TELLING_STEPS = ("WIRE_GO", "WIRE_OVERLAY", "WIRE_PIVOT", "WIRE_ENTER", "WIRE_INIT", "WIRE_EXEC")


class Case:
    def __init__(self, stage, operation, point):
        self.stage, self.operation, self.point = stage, operation, point
        self.caller, self.background, self.ids = None, [], set()
        self.found, self.chosen = {}, None

    def arguments(self, command):
        return [word.replace("@", self.stage.token) for word in command]

    def prepare(self):
        for command in self.operation.before:
            if command[0] == "&":
                self.background.append(self.stage.spawn(*self.arguments(command[1:])))
                deadline = time.monotonic() + stages.PATIENCE
                while not (seen := self.stage.inspect("box")) or not seen["State"]["Running"] or not seen["State"]["Pid"]:
                    if time.monotonic() > deadline:
                        raise stages.Failure("it does not start")
            else:
                self.stage.must(*self.arguments(command))
        seen = self.stage.inspect("box")
        if seen:
            self.ids.add(seen["Id"])
        if self.operation.prepare:
            self.operation.prepare(self.stage)
            for process in self.background:
                process.wait()

    def victims(self, stopped):
        processes = self.stage.processes()
        found = {"itself": [stopped]}
        for role in ROLES:
            pids = [pid for pid, its in processes.items() if its == role and pid != stopped]
            if pids:
                found[role] = pids
        if len(processes) > 1:
            found["all"] = [*processes, stopped]
        return found

    def end_caller(self):
        deadline = time.monotonic() + (0.1 if self.operation.stays else 20)
        while self.caller.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if self.caller.poll() is None and not self.operation.stays:
            raise stages.Failure("the caller does not come back")

    def look_again(self):
        """What was under way may take a moment to end by itself: a start whose caller died, a process that is about to die."""
        deadline = time.monotonic() + 1
        while True:
            try:
                return self.look()
            except stages.Failure:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def look(self):
        """As whoever comes next: what it says of a container is so."""
        stage, there = self.stage, 0
        listed = stage.must("ps", "-a", "--format", "{{.Names}} {{.State}}").split("\n")
        for name in self.operation.names:
            seen = stage.inspect(name)
            if not seen:
                continue
            there += 1
            self.ids.add(seen["Id"])
            state, pid = seen["State"]["Status"], seen["State"]["Pid"]
            if f"{name} {state}" not in listed and state not in ("restarting", "running", "exited"):
                raise stages.Failure(f"ps says {listed}, inspect {state}")
            inside = {pid for pid, role in stage.processes().items() if role in ("init", "inside")}
            if state in ("running", "paused") and pid not in inside and not stage.is_inside(pid):
                again = stage.inspect(name)
                if again and again["State"]["Status"] == state and again["State"]["Pid"] == pid:
                    raise stages.Failure(f"it is {state} with PID {pid}, and there is no such process: {again['State']}")
            if state in ("exited", "created", "dead", "removing") and inside:
                raise stages.Failure(f"it is {state}, and {inside} run on")
            if state == "removing" or state == "dead":
                raise stages.Failure(f"it is {state}")
            if state in ("running", "paused") and pid in inside and stage.is_frozen(pid) != (state == "paused") and stages.is_alive(pid):
                raise stages.Failure(f"it is {state}, and frozen: {stage.is_frozen(pid)}")
            if state == "exited" and stage.must("wait", name) != str(stage.inspect(name)["State"]["ExitCode"]):
                raise stages.Failure("wait and inspect differ about its exit code")
        if there == 0 and not self.operation.gone:
            raise stages.Failure("the container is not there any more")
        if there > 1:
            raise stages.Failure("it is there by two names")

    def clear(self):
        """All of it can be removed, and the name used again."""
        stage = self.stage
        for name in self.operation.names:
            if stage.inspect(name):
                stage.must("rm", "-f", name)
        again = stage.must("create", "--network", "none", "--name", "box", "base", "true")
        stage.must("rm", again)
        for process in [self.caller, *self.background]:
            if process:
                try:
                    process.wait(stages.PATIENCE)
                except subprocess.TimeoutExpired:
                    raise stages.Failure("its caller runs on though it is removed") from None
        stage.await_clean(self.ids)

    def run(self, choose):
        """Leaves the victims that there were, and which of them it was, or None: the point was not reached."""
        stage = self.stage
        try:
            stage.order("")
            stage.forget()
            self.prepare()
            stage.order(self.point)
            self.caller = stage.spawn(*self.arguments(self.operation.command))
            stopped = stage.await_point()
            if stopped:
                self.found = self.victims(stopped)
                self.chosen = choose(self.found)
                stages.kill_all(self.found[self.chosen])
            stage.order("")
            self.end_caller()
            self.look_again()
            self.clear()
        except BaseException:
            self.give_up()
            raise

    def trace(self):
        """The points that the operation comes to, undisturbed."""
        stage, points = self.stage, []
        try:
            stage.order("")
            self.prepare()
            stage.forget()
            stage.order("*")
            self.caller = stage.spawn(*self.arguments(self.operation.command))
            self.end_caller()
            while (heard := stage.heard(0.8)):
                if heard[0] not in points:
                    points.append(heard[0])
            stage.order("")
            self.look_again()
            self.clear()
        except BaseException:
            self.give_up()
            raise
        return points

    def give_up(self):
        """So that the next case begins afresh, whatever this one has left."""
        self.stage.order("")
        for process in [self.caller, *self.background]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        stages.kill_all(self.stage.processes())
        for name in "box", "case":
            self.stage.scow("rm", "-f", name)
        self.stage.left(())


def wanted(options, found):
    return {victim for victim in found if not options.victim or victim == options.victim}


def pick(options, found, done, first):
    choice = [victim for victim in found if victim in wanted(options, found) and victim not in done] or ["itself"]
    return choice[0 if options.full else first % len(choice)]


def attempt(stage, operation, point, choose):
    """(victims there were, the one, None or what is wrong)"""
    case, problem = Case(stage, operation, point), None
    try:
        case.run(choose)
    except stages.Failure as failure:
        problem = str(failure)
    except Exception as failure:  # of the test itself
        problem = repr(failure)
    return case.found, case.chosen, problem


def worker(number, options, archive, jobs, results, deadline):
    stage = None
    try:
        stage = stages.Stage(SCOW, archive)
        while True:
            operation, point, first = jobs.get_nowait()
            operation = next(one for one in operations.ALL if one.name == operation)
            if point is None:
                try:
                    results.put(("trace", operation.name, Case(stage, operation, "").trace()))
                except (stages.Failure, Exception) as failure:
                    results.put(("case", f"{operation.name}, undisturbed", "failed", str(failure)))
                    results.put(("trace", operation.name, []))
                continue
            if time.monotonic() > deadline and not options.full:
                results.put(("late", operation.name, point))
                continue
            done, left = set(), True
            while left:
                found, victim, problem = attempt(stage, operation, point, lambda found: pick(options, found, done, first))
                if victim is None and problem is None:
                    results.put(("case", f"{operation.name} at {point}", "skipped", "it was not reached this time"))
                else:
                    results.put(("case", f"{operation.name} at {point}: {victim} killed", "failed" if problem else "passed", problem or ""))
                done.add(victim)
                left = victim and options.full and wanted(options, found) - done
    except queue.Empty:
        pass
    finally:
        if stage:
            stage.close()
        results.put(("done", number, None))


def run_all(options, archive, listed, deadline):
    context = multiprocessing.get_context("fork")
    jobs, results = context.Queue(), context.Queue()
    for job in listed:
        jobs.put(job)
    time.sleep(0.1)  # or the first look may come before the queue's thread
    workers = [context.Process(target=worker, args=(number, options, archive, jobs, results, deadline)) for number in range(options.jobs)]
    for process in workers:
        process.start()
    ended = 0
    while ended < options.jobs:
        kind, name, *rest = results.get()
        if kind == "done":
            ended += 1
        else:
            yield kind, name, *rest
    for process in workers:
        process.join()


def is_chosen(options, kind):
    return options.full or options.point or not kind.startswith("WIRE_") or kind in TELLING_STEPS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=float, default=80)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--operation", help="those that have this in their name")
    parser.add_argument("--point")
    parser.add_argument("--victim")
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    known, reached, late, counts = stages.points(), {}, 0, {}

    def say(name, outcome, detail=""):
        counts[outcome] = counts.get(outcome, 0) + 1
        print("@@", outcome, name, "|", detail.replace("\n", "\\n"), flush=True)

    with tempfile.TemporaryDirectory(prefix="scow-fault.") as work:
        archive = f"{work}/base.tar"
        subprocess.run([TOP / "tests/support/make-base-image.sh", archive, "base:latest"], check=True)
        before = snapshot.Snapshot(work)
        chosen = [one.name for one in operations.ALL if not options.operation or options.operation in one.name]
        for kind, name, *rest in run_all(options, archive, [(name, None, 0) for name in chosen], deadline):
            if kind == "trace":
                reached[name] = rest[0]
            else:
                say(name, *rest)
        listed = [(name, point, zlib.crc32(f"{name}{point}".encode())) for name in chosen for point in reached.get(name, [])
                  if is_chosen(options, known.get(point, "")) and (not options.point or point == options.point)]
        random.Random(1).shuffle(listed)
        for kind, name, *rest in run_all(options, archive, listed, deadline):
            if kind == "late":
                late += 1
            else:
                say(name, *rest)
        if not options.operation and not options.point:
            for name, problem in health.cases(SCOW, archive):
                say(name, "failed" if problem else "passed", problem or "")
            known.pop("health.late")  # of its cases only
            never = [f"{point} ({where})" for point, where in known.items() if not any(point in points for points in reached.values())]
            # A step that no operation here has in its plan is like those that are.
            forgotten = [one for one in never if not one.startswith("step.")]
            say("every point is reached", "failed" if forgotten else "passed", ", ".join(forgotten))
            print("steps in no plan here: " + ", ".join(one for one in never if one not in forgotten), file=sys.stderr)
        try:
            before.check()
            say("nothing is left of all", "passed")
        except AssertionError as failure:
            say("nothing is left of all", "failed", str(failure))
    print(f"{counts}, {late} not tried for want of time", file=sys.stderr)
    return 1 if counts.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
