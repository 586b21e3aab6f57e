"""``nbspy completion SHELL``: a script that completes commands, options, formats, files, and pids with what they run.

It is made from the parser itself, so that it offers what there is. Only pids are asked for while one types.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from nbspy import exporters, observe
from nbspy.errors import UsageError
from nbspy.plain_text import printable

SHELLS: Final = ("bash", "zsh", "fish")
_SHOWN_COMMAND: Final = 60
_FILES: Final = ("output", "stats", "in_path", "before_path", "after_path", "file_path")


@dataclass(frozen=True, slots=True)
class Word:
    """An option, or a word without a flag, of one command."""

    flags: tuple[str, ...]
    """Empty for a word without a flag."""
    help: str
    value: str
    """What it takes: "" for nothing, ``pid``, ``format``, ``shell``, ``file``, or ``text``."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the shell."""

    name: str
    help: str
    words: tuple[Word, ...]


def commands_of(parsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> list[Command]:
    """Return what the parser knows, in its order."""
    helps = {action.dest: action.help or "" for action in parsers._choices_actions}
    return [Command(name, helps.get(name, ""), tuple(_words(parser))) for name, parser in parsers.choices.items()]


def _words(parser: argparse.ArgumentParser) -> Iterator[Word]:
    for action in parser._actions:
        takes = "" if action.nargs == 0 else _value(action.dest)
        yield Word(tuple(action.option_strings), " ".join((action.help or "").split()), takes)


def _value(name: str) -> str:
    if name in ("pid", "format", "shell"):
        return name
    return "file" if name in _FILES else "text"


def pid_lines() -> str:
    """Return a line for each Python process: its pid, a tab, and its command line."""
    processes = observe.processes()
    return "".join(f"{process.pid}\t{printable(process.command_line, _SHOWN_COMMAND)}\n" for process in processes)


def script(shell: str, commands: list[Command]) -> str:
    """Return the script for a shell of :data:`SHELLS`; raises :class:`UsageError` for another."""
    makers: dict[str, Callable[[list[Command]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    if shell not in makers:
        raise UsageError(f"no shell is called {shell!r}", f"there are scripts for {', '.join(SHELLS)}")
    return makers[shell](commands)


def _quoted(text: str) -> str:
    """Return a shell's word for ``text``, in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def _choices(value: str) -> str:
    return " ".join({"format": exporters.names(), "shell": SHELLS}.get(value, ()))


# bash

_BASH_HEAD: Final = """\
# nbspy completion for bash; in ~/.bashrc:  eval "$(nbspy completion bash)"
_nbspy_pids() {
    local IFS=$'\\n' lines=() line
    for line in $(nbspy completion --pids 2>/dev/null); do
        [[ $line == "$1"* ]] && lines+=("${line/$'\\t'/  }")
    done
    # Alone, it is inserted; among others it is shown with what it runs.
    (( ${#lines[@]} == 1 )) && lines=("${lines[0]%% *}")
    COMPREPLY=("${lines[@]}")
}
_nbspy() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    local i
    for (( i = 2; i < COMP_CWORD; i++ )); do
        [[ ${COMP_WORDS[i]} == -- ]] && { COMPREPLY=($(compgen -c -f -- "$word")); return; }
    done
"""


def _bash(commands: list[Command]) -> str:
    names = " ".join(command.name for command in commands)
    lines = [_BASH_HEAD.rstrip("\n")]
    lines.append(
        f'    (( COMP_CWORD == 1 )) && {{ COMPREPLY=($(compgen -W "{names} --version --help" -- "$word")); return; }}'
    )
    lines.append('    case "$command $before" in')
    for command in commands:
        for word in command.words:
            if word.flags and word.value:
                pattern = "|".join(f'"{command.name} {flag}"' for flag in word.flags)
                lines.append(f"        {pattern}) {_bash_value(word.value)}; return ;;")
    lines += ["    esac", '    case "$command" in']
    for command in commands:
        flags = " ".join(flag for word in command.words for flag in word.flags)
        plain = next((word.value for word in command.words if not word.flags), "")
        other = _bash_value(plain) if plain else ":"
        lines.append(
            f'        {command.name}) if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "{flags}" -- "$word"))'
        )
        lines.append(f"            else {other}; fi ;;")
    return "\n".join([*lines, "    esac", "}", "complete -o default -F _nbspy nbspy", ""])


def _bash_value(value: str) -> str:
    if value == "pid":
        return '_nbspy_pids "$word"'
    if value == "file":
        return 'COMPREPLY=($(compgen -f -- "$word"))'
    choices = _choices(value)
    return f'COMPREPLY=($(compgen -W "{choices}" -- "$word"))' if choices else ":"


# zsh

_ZSH_HEAD: Final = """\
#compdef nbspy
# nbspy completion for zsh; in ~/.zshrc, after compinit:  eval "$(nbspy completion zsh)"
_nbspy_pids() {
    local -a pids
    pids=(${(f)"$(nbspy completion --pids 2>/dev/null | sed -e 's/:/\\\\:/g' -e $'s/\\t/:/')"})
    _describe 'process' pids
}
"""


def _zsh(commands: list[Command]) -> str:
    lines = [_ZSH_HEAD.rstrip("\n"), "_nbspy() {", "    local -a commands; commands=("]
    lines += [f"        {_quoted(f'{command.name}:{command.help}')}" for command in commands]
    lines += ["    )", "    if (( CURRENT == 2 )); then _describe 'command' commands; return; fi"]
    lines += ["    local command=$words[2]; shift words; (( CURRENT-- ))", "    case $command in"]
    for command in commands:
        lines.append(f"        {command.name}) _arguments -s \\")
        lines += [f"            {_quoted(argument)} \\" for word in command.words for argument in _zsh_arguments(word)]
        lines.append("            '*::command:_normal' ;;" if command.name in ("record", "top") else "            ;;")
    return "\n".join([*lines, "    esac", "}", "compdef _nbspy nbspy", ""])


def _zsh_arguments(word: Word) -> Iterator[str]:
    help = word.help.replace("[", "(").replace("]", ")").replace(":", ",")
    action = {"pid": "_nbspy_pids", "file": "_files", "text": " "}.get(word.value) or f"({_choices(word.value)})"
    takes = f":{word.value}:{action}" if word.value else ""
    if not word.flags:
        yield f":{word.value}:{action}"
    for flag in word.flags:
        yield f"*{flag}[{help}]{takes}"


# fish


def _fish(commands: list[Command]) -> str:
    lines = [
        "# nbspy completion for fish; in ~/.config/fish/config.fish:  nbspy completion fish | source",
        "complete -c nbspy -f",
    ]
    for command in commands:
        lines.append(f"complete -c nbspy -n __fish_use_subcommand -a {command.name} -d {_quoted(command.help)}")
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"complete -c nbspy {seen} {_fish_word(word)}" for word in command.words]
    return "\n".join([*lines, ""])


def _fish_word(word: Word) -> str:
    flags = [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in word.flags]
    choices = "(nbspy completion --pids 2>/dev/null)" if word.value == "pid" else _choices(word.value)
    taken = {"": [], "file": ["-rF"]}.get(word.value, [f"-xa {_quoted(choices)}"] if choices else ["-x"])
    if not word.flags and word.value != "file":
        taken = [f"-a {_quoted(choices)}"] if choices else []
    return " ".join([*flags, *taken, *([f"-d {_quoted(word.help)}"] if word.flags else [])])
