#!/usr/bin/env python3
"""The manual page of the scow command, made of its own help: what a flag means is written once, in the option tables.

make-man.py [--check] PROGRAM: writes scow.1 beside this file, or says whether it is what PROGRAM would give.
"""
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).with_name("scow.1")

TEXT = {
    "DESCRIPTION": """
.B scow
pulls images and runs containers of them, with the commands, flags and exit codes of
.BR docker (1),
and without a daemon: it is a command line on the library libscow, and every command works on the store by itself.
.PP
A container of
.B scow run
belongs to the command: it ends when that ends. With
.B \\-d
it is left to a supervisor of its own, one small process, and lives on; any later command may come back to it.
.PP
As a plain user containers run in user namespaces. doc/cli.md tells what differs from docker.""",
    "EXIT STATUS": """
.B scow run
and
.BR "scow exec" ,
.B scow attach
and
.B scow start \\-a
end with the exit code of the program. Besides:
.TP
.B 125
the engine could not: a bad flag, no such image, a limit that this host cannot give
.TP
.B 126
the command was found and cannot be executed
.TP
.B 127
the command was not found
.TP
.B 128 + n
signal n ended the program
.PP
Other commands: 0, 1 for a failure, 125 for a wrong command line.""",
    "ENVIRONMENT": """
.TP
.B SCOW_ROOT
where images and containers are kept, as
.B \\-\\-root
.TP
.B XDG_DATA_HOME
for a plain user the default is
.I $XDG_DATA_HOME/scow
or
.I ~/.local/share/scow""",
    "FILES": """
.TP
.I /var/lib/scow
the store of root""",
    "SEE ALSO": """
.BR docker (1),
.BR capabilities (7),
.BR cgroups (7),
.BR namespaces (7)""",
}


def help_of(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text)


def commands(text):
    return re.findall(r"^  (\S+) +(\S.*)$", text.split("\nCommands:\n")[1], flags=re.M)


def options(text):
    """(letter or "", flag with its argument, meaning) of each line under "Options:"."""
    part = text.split("\nOptions:\n")
    if len(part) == 1:
        return []
    return re.findall(r"^  (?:-(\w), |    )(--\S+(?: \S+)?) {3,}(\S.*)$", part[1].split("\n\n")[0], flags=re.M)


def option_lines(text):
    lines = []
    for letter, flag, meaning in options(text):
        name, _, argument = flag.partition(" ")
        head = (f"\\fB\\-{letter}\\fP, " if letter else "") + f"\\fB{escape(name)}\\fP" + (f" \\fI{escape(argument)}\\fP" if argument else "")
        lines += [".TP", head, escape(meaning)]
    return lines


def command_lines(program, name, summary):
    text = help_of(program, "help", name)
    usage = re.match(r"Usage:  scow (.*)", text).group(1)
    aliases = re.search(r"^Aliases:\n  (.*)$", text, flags=re.M)
    words = usage.split(" ", 1)
    lines = [f".SS {escape(name)}", f".B scow {escape(words[0])}"]
    if len(words) > 1:
        lines.append(f".I {escape(words[1])}")
    lines += [".PP", escape(summary) + "."]
    if aliases:
        others = [alias for alias in aliases.group(1).split(", ") if alias != f"scow {name}"]
        lines.append("Also called " + ", ".join(f"\\fB{escape(alias)}\\fP" for alias in others) + ".")
    return lines + option_lines(text)


def page(program):
    text = help_of(program, "--help")
    version = help_of(program, "--version").split()[-1]
    lines = ['.\\" Made by doc/man/make-man.py of the help texts: change those, in examples/scow/.',
             f'.TH SCOW 1 "" "libscow {version}" "User Commands"',
             ".SH NAME", "scow \\- containers without a daemon",
             ".SH SYNOPSIS", ".B scow", ".RI [ OPTIONS ]", ".I COMMAND", ".RI [ ARG ...]"]
    lines += [".SH DESCRIPTION", *TEXT["DESCRIPTION"].strip().splitlines()]
    lines += [".SH OPTIONS", "Before the command:", *option_lines(text)]
    lines += [".PP", "Every command takes \\fB\\-\\-help\\fP. Flags are written as \\fB\\-it\\fP, \\fB\\-eA=1\\fP, \\fB\\-\\-env=A=1\\fP and "
              "\\fB\\-\\-rm=false\\fP; \\fB\\-\\-\\fP ends them."]
    lines.append(".SH COMMANDS")
    for name, summary in sorted(commands(text)):
        lines += command_lines(program, name, summary)
    for title in "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO":
        lines += [f".SH {title}" if " " not in title else f'.SH "{title}"', *TEXT[title].strip().splitlines()]
    return "\n".join(lines) + "\n"


def main():
    arguments = sys.argv[1:]
    check = arguments[:1] == ["--check"]
    text = page(arguments[-1])
    if not check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print(f"{PAGE} is not what the program's help says: run doc/man/make-man.py PROGRAM")
        return 1
    return 0


sys.exit(main())
