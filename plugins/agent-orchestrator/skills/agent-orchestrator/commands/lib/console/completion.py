"""Scripts with which shells complete commands, options and names.

A script has all commands and options in it, so only names take a process: `ao-completion --list`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

import click

from .command_table import GROUPS, NAMES, module_of

SESSIONS, AGENTS, DIRECTORIES, FILES = "sessions", "agents", "directories", "files"
_KINDS = {"SESSION": SESSIONS, "AGENT": AGENTS, "DIR": DIRECTORIES, "FILE": FILES, "PATH": FILES}
_LINES = {name: line for group in GROUPS.values() for name, line in group.items()}


@dataclass(frozen=True)
class Option:
    """An option of a command. `values` are its words, or else `kind` is that of its value."""

    flags: tuple[str, ...]
    about: str
    takes_value: bool
    values: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Completed:
    """A command with its options, and the kind or the words of its arguments."""

    name: str
    options: tuple[Option, ...]
    kind: str
    words: tuple[str, ...] = ()


def script_of(shell: str) -> str:
    """Return the script for a shell."""
    return SHELLS[shell]([_completed(name) for name in NAMES])


def _completed(name: str) -> Completed:
    command: click.Command = import_module(f"..cli.{module_of(name)}", __package__).main
    options = [_option(each) for each in command.params if isinstance(each, click.Option)]
    kind = ""
    words: tuple[str, ...] = ()
    for argument in command.params:
        if isinstance(argument, click.Argument):
            kind = kind or (SESSIONS if argument.name in ("session", "sessions") else "")
            words = words or _choices(argument)
    help_option = Option(("-h", "--help"), "Show the help and exit.", False)
    shown = tuple(option for option in options if option.about)
    return Completed(name, (*shown, help_option), kind, words)


def _option(option: click.Option) -> Option:
    about = (option.help or "").replace("\b", "").split(". ")[0].rstrip(".")
    takes_value = not option.is_flag and option.nargs == 1 and not option.count
    kind = _KINDS.get(str(option.metavar), "")
    return Option(
        (*option.opts, *option.secondary_opts), about, takes_value, _choices(option), kind
    )


def _choices(parameter: click.Parameter) -> tuple[str, ...]:
    kind = parameter.type
    return tuple(map(str, kind.choices)) if isinstance(kind, click.Choice) else ()


def _flags(command: Completed) -> list[str]:
    return [flag for option in command.options for flag in option.flags]


def _quoted(words: Iterable[str]) -> str:
    """Return the words for a shell; those of our own texts need no more than quotes."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def _cases(commands: Sequence[Completed], reply: Callable[[str], str]) -> Iterator[str]:
    """Yield the cases of `"COMMAND OPTION"` with the reply for the option's value."""
    for command in commands:
        for option in command.options:
            if option.takes_value:
                patterns = "|".join(f'"{command.name} {flag}"' for flag in option.flags)
                found = f"words {_quoted(option.values)}" if option.values else option.kind
                yield f"    {patterns}) {reply(found or 'anything')}; return ;;"


BASH = """\
# Completion of the commands of Agent Orchestrator for bash, made by `ao-completion bash`.
_ao_words() {{ local each; for each; do [[ $each == "$word"* ]] && COMPREPLY+=("$each"); done; }}
_ao_names() {{
  local each
  while IFS= read -r each; do
    [[ $each == "$word"* ]] && COMPREPLY+=("$(printf %q "$each")")
  done < <(ao-completion --list "$1" 2>/dev/null)
}}
_ao_sessions() {{ _ao_names sessions; }}
_ao_agents() {{ _ao_names agents; }}
_ao_paths() {{
  local each
  while IFS= read -r each; do COMPREPLY+=("$each"); done < <(compgen "$1" -- "$word")
}}
_ao_directories() {{ _ao_paths -d; }}
_ao_files() {{ _ao_paths -f; }}
_ao_anything() {{ :; }}
_ao() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local command=${{COMP_WORDS[0]##*/}} first=1
  COMPREPLY=()
  if [[ $command == ao ]]; then
    if (( COMP_CWORD == 1 )) || [[ ${{COMP_WORDS[1]}} == help ]]; then
      _ao_words help {commands}; return
    fi
    command=${{COMP_WORDS[1]}}
  fi
  command=${{command#ao-}}
  case "$command $before" in
{values}
  esac
  case "$command" in
{own}
  esac
}}
complete -o filenames -F _ao {programs}
"""


def _bash(commands: Sequence[Completed]) -> str:
    own = (
        f"    {command.name}) if [[ $word == -* ]]; then _ao_words {_quoted(_flags(command))}; "
        f"else _ao_{_arguments(command)}; fi ;;"
        for command in commands
    )
    return BASH.format(
        commands=_quoted(NAMES),
        programs=" ".join(("ao", *(f"ao-{name}" for name in NAMES))),
        values="\n".join(_cases(commands, lambda reply: f"_ao_{reply}")),
        own="\n".join(own),
    )


def _arguments(command: Completed) -> str:
    return f"words {_quoted(command.words)}" if command.words else command.kind or "files"


ZSH = """\
#compdef {programs}
# Completion of the commands of Agent Orchestrator for zsh, made by `ao-completion zsh`.
_ao_words() {{ compadd -- "$@"; }}
_ao_names() {{
  local -a names; names=(${{(f)"$(ao-completion --list $1 2>/dev/null)"}}); compadd -- $names
}}
_ao_sessions() {{ _ao_names sessions; }}
_ao_agents() {{ _ao_names agents; }}
_ao_directories() {{ _files -/; }}
_ao_files() {{ _files; }}
_ao_anything() {{ :; }}
_ao() {{
  local command=${{words[1]:t}} before=${{words[CURRENT-1]}}
  if [[ $command == ao ]]; then
    if (( CURRENT == 2 )) || [[ ${{words[2]}} == help ]]; then
      local -a commands; commands=({commands}); _describe command commands; return
    fi
    command=${{words[2]}}
  fi
  command=${{command#ao-}}
  case "$command $before" in
{values}
  esac
  case "$command" in
{own}
  esac
}}
if [[ $funcstack[1] == _ao ]]; then _ao "$@"; else compdef _ao {programs}; fi
"""


def _zsh(commands: Sequence[Completed]) -> str:
    own = []
    for command in commands:
        flags = (
            f"{flag}:{_without_colons(option.about)}"
            for option in command.options
            for flag in option.flags
        )
        own.append(
            f"    {command.name}) if [[ ${{words[CURRENT]}} == -* ]]; then "
            f"local -a flags; flags=({_quoted(flags)}); _describe -o option flags; "
            f"else _ao_{_arguments(command)}; fi ;;"
        )
    lines = (f"{name}:{_without_colons(_LINES[name])}" for name in NAMES)
    return ZSH.format(
        commands=_quoted(("help:show the help of a command", *lines)),
        programs=" ".join(("ao", *(f"ao-{name}" for name in NAMES))),
        values="\n".join(_cases(commands, lambda reply: f"_ao_{reply}")),
        own="\n".join(own),
    )


def _without_colons(text: str) -> str:
    return text.replace(":", "\\:")


def _fish(commands: Sequence[Completed]) -> str:
    lines = [
        "# Completion of the commands of Agent Orchestrator for fish, made by "
        "`ao-completion fish`.",
        "complete -c ao -f",
    ]
    first = "-n '__fish_is_nth_token 1; or __fish_seen_subcommand_from help'"
    lines.append(f"complete -c ao {first} -a help -d 'show the help of a command'")
    lines += (f"complete -c ao {first} -a {name} -d {_fished(_LINES[name])}" for name in NAMES)
    for command in commands:
        inside = f"-c ao -n '__fish_seen_subcommand_from {command.name} ao-{command.name}'"
        for where in (f"-c ao-{command.name}", inside):
            lines += (f"complete {where} {part}" for part in _fish_parts(command))
    return "\n".join(lines) + "\n"


def _fish_parts(command: Completed) -> Iterator[str]:
    if command.words:
        yield f"-f -a {_fished(' '.join(command.words))}"
    elif command.kind:
        yield f"-f -a '(ao-completion --list {command.kind} 2>/dev/null)'"
    for option in command.options:
        flags = " ".join(
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
        )
        yield f"{flags}{_fish_value(option)} -d {_fished(option.about)}"


def _fish_value(option: Option) -> str:
    if not option.takes_value:
        return ""
    if option.values:
        return f" -x -a {_fished(' '.join(option.values))}"
    if option.kind in (SESSIONS, AGENTS):
        return f" -x -a '(ao-completion --list {option.kind} 2>/dev/null)'"
    return " -r" if option.kind == FILES else " -x"


def _fished(text: str) -> str:
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"


SHELLS = {"bash": _bash, "fish": _fish, "zsh": _zsh}
