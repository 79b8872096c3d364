"""Health checks whose processes are held, or killed by their timeout, where their supervisor does not know the program yet."""
import os
import signal
import time

import stage as stages

INTERVAL, TIMEOUT = "50ms", "400ms"


def started(stage, check):
    stage.order("")
    stage.forget()
    stage.must("run", "-d", "--network", "none", "-e", f"FAULT={stage.token}", "--health-cmd", check, "--health-interval", INTERVAL,
               "--health-timeout", TIMEOUT, "--health-retries", "1", "--name", "box", "base", "sleep", "1000")
    return next(pid for pid, role in stage.processes().items() if role == "supervisor")


def results(stage):
    return stage.inspect("box")["State"]["Health"]["Log"]


def await_result(stage, code, after):
    """A check with that code that ended after that: RFC 3339, as the log has it."""
    deadline = time.monotonic() + stages.PATIENCE
    while not (found := [one for one in results(stage) if one["ExitCode"] == code and one["End"] > after]):
        if time.monotonic() > deadline:
            raise stages.Failure(f"no check with {code} after {after}: {results(stage)}")
        time.sleep(0.02)
    return found[-1]["End"]


def children(pid):
    return [int(child) for child in stages.read(f"/proc/{pid}/task/{pid}/children").split()]


def is_zombie(pid):
    return ") Z " in stages.read(f"/proc/{pid}/stat")


def held(stage, point):
    stage.order(point)
    pid = stage.await_point()
    if not pid:
        raise stages.Failure(f"nobody comes to {point}")
    return pid


def end(stage, supervisor, after):
    """Checks go on, nobody dead is left unreaped, and so the container can end."""
    after = await_result(stage, 0, after)
    deadline = time.monotonic() + stages.PATIENCE
    while any(is_zombie(child) for child in children(supervisor)):
        if time.monotonic() > deadline:
            raise stages.Failure("a process of a check is not reaped")
        time.sleep(0.02)
    stage.must("rm", "-f", "box")


def killed_before_it_tells(stage):
    supervisor = started(stage, "true")
    after = await_result(stage, 0, "")
    held(stage, "enter.made")
    after = await_result(stage, -1, after)
    stage.order("")
    end(stage, supervisor, after)


def held_when_it_has_told(stage):
    supervisor = started(stage, "true")
    after = await_result(stage, 0, "")
    held(stage, "enter.told")
    after = await_result(stage, -1, after)
    stage.order("")
    end(stage, supervisor, after)


def tells_when_the_time_is_up(stage):
    """The program is not known when the first process is killed, which has told of it and ended already."""
    supervisor = started(stage, "test -e /well || exec sleep 1000")
    first = held(stage, "enter.made")
    os.kill(first, signal.SIGSTOP)
    held(stage, "health.late")
    os.kill(first, signal.SIGCONT)
    deadline = time.monotonic() + stages.PATIENCE
    while not is_zombie(first):
        if time.monotonic() > deadline:
            raise stages.Failure("the first process does not end")
        time.sleep(0.01)
    stage.order("")
    after = await_result(stage, -1, "")
    stage.must("exec", "box", "touch", "/well")
    end(stage, supervisor, after)


def cases(scow, archive):
    """(name, None or what is wrong)"""
    stage = stages.Stage(scow, archive)
    try:
        for case in killed_before_it_tells, held_when_it_has_told, tells_when_the_time_is_up:
            problem = None
            try:
                case(stage)
            except stages.Failure as failure:
                problem = str(failure)
                stage.order("")
                stages.kill_all(stage.processes())
                stage.scow("rm", "-f", "box")
            yield f"health check, {case.__name__.replace('_', ' ')}", problem
    finally:
        stage.close()
