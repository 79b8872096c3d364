"""What is done while a process dies: for each operation what it begins with, its command, and what may be true afterwards."""
SLEEP = ("sleep", "1000")
STOPS = ("sh", "-c", "trap 'exit 5' TERM; sleep 1000 & wait")
QUICK = ("sh", "-c", "exit 3")


class Operation:
    """@before: commands; @command under test; @stays: it does not end by itself; @gone: the container may be missing afterwards."""

    def __init__(self, name, *command, before=(), stays=False, gone=False, names=("box",), prepare=None):
        self.name, self.command, self.before, self.stays, self.gone, self.names, self.prepare = name, command, before, stays, gone, names, prepare


def run(*options, program=SLEEP):
    return ("run", "--network", "none", "-e", "FAULT=@", *options, "--name", "box", "base", *program)


def create(*options, program=SLEEP):
    return ("create", "--network", "none", "-e", "FAULT=@", *options, "--name", "box", "base", *program)


def kill_supervisor(stage):
    """A container whose supervisor is dead, and nobody knows yet."""
    stage.kill("supervisor")


def kill_owner(stage):
    stage.kill("caller")


RUNNING = (run("-d", program=STOPS),)
ALL = [
    Operation("create", *create(), gone=True),
    Operation("run -d", *run("-d"), gone=True),
    Operation("run -d, ends", *run("-d", program=QUICK), gone=True),
    Operation("run -d --rm, ends", *run("-d", "--rm", program=QUICK), gone=True),
    Operation("run -d --init", *run("-d", "--init"), gone=True),
    Operation("run -d -t", *run("-d", "-t"), gone=True),
    Operation("run -d, much", *run("-d", "-v", "/tmp:/mnt:ro", "--tmpfs", "/run", "--read-only", "-h", "here", "-w", "/tmp", "--ulimit", "core=0",
                                   "--oom-score-adj", "10", "--device", "/dev/zero", "-u", "1", "--health-cmd", "true"), gone=True),
    Operation("run -d, restarts", *run("-d", "--restart", "on-failure:2", program=QUICK), gone=True),
    Operation("run", *run(), stays=True, gone=True),
    Operation("run, ends", *run(program=QUICK), gone=True),
    Operation("run --rm", *run("--rm"), stays=True, gone=True),
    Operation("run --rm, ends", *run("--rm", program=QUICK), gone=True),
    Operation("start", "start", "box", before=(create(),)),
    Operation("start again", "start", "box", before=(run("-d", program=QUICK), ("wait", "box"))),
    Operation("exec", "exec", "-e", "FAULT=@", "box", *SLEEP, before=RUNNING, stays=True),
    Operation("exec, ends", "exec", "-e", "FAULT=@", "box", *QUICK, before=RUNNING),
    Operation("exec -d", "exec", "-d", "-e", "FAULT=@", "box", *SLEEP, before=RUNNING),
    Operation("pause", "pause", "box", before=RUNNING),
    Operation("unpause", "unpause", "box", before=(*RUNNING, ("pause", "box"))),
    Operation("stop", "stop", "box", before=RUNNING),
    Operation("stop paused", "stop", "box", before=(*RUNNING, ("pause", "box"))),
    Operation("stop by force", "stop", "-t", "0", "box", before=RUNNING),
    Operation("kill", "kill", "box", before=RUNNING),
    Operation("restart", "restart", "box", before=RUNNING),
    Operation("rm", "rm", "box", before=(create(),), gone=True),
    Operation("rm ended", "rm", "box", before=(run("-d", program=QUICK), ("wait", "box")), gone=True),
    Operation("rm -f", "rm", "-f", "box", before=RUNNING, gone=True),
    Operation("rm -f paused", "rm", "-f", "box", before=(*RUNNING, ("pause", "box")), gone=True),
    Operation("rename", "rename", "box", "case", before=RUNNING, names=("box", "case")),
    Operation("update", "update", "--pids-limit", "50", "--restart", "always", "box", before=RUNNING),
    Operation("create with volumes", *create("-v", "vol:/etc", "-v", "/usr"), gone=True),
    Operation("rm -v", "rm", "-v", "box", before=(create("-v", "/etc"),), gone=True),
    Operation("volume create", "volume", "create", "vol", before=(create(),)),
    Operation("volume rm", "volume", "rm", "vol", before=(create(), ("volume", "create", "vol"))),
    Operation("mount", "mount", "box", "type=volume,src=vol,dst=/mnt", before=RUNNING),
    Operation("unmount", "unmount", "box", "/mnt", before=(*RUNNING, ("mount", "box", "type=tmpfs,dst=/mnt"))),
    Operation("ps after a supervisor's death", "ps", "-a", before=RUNNING, prepare=kill_supervisor),
    Operation("ps after the death of one paused", "ps", "-a", before=(*RUNNING, ("pause", "box")), prepare=kill_supervisor),
    Operation("ps after an owner's death", "ps", "-a", before=(("&", *run()),), prepare=kill_owner),
]
