"""Shared by all commands: help, configuration, errors and exit codes.

The answer goes to stdout, notes for people go to stderr. A traceback is printed to neither.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from dataclasses import replace
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn

import click

from .. import __version__
from ..client.errors import INVALID_NAME, INVALID_QUERY, NOT_FOR_RUNS, RUN_TOKEN_UNKNOWN
from ..config import ENV_PROJECT_DIR, Config, load_config
from ..machine.environment import (
    OF_A_RUN,
    VariableError,
    given_project_dir,
    named_working_directory,
    state_dir,
)
from ..machine.fast_start import keep_imports
from ..machine.projects import find_project
from ..session_client import SessionClientError, SessionNotFoundError
from ..sessions.errors import SessionError, SessionUsageError
from ..shared.error_text import OF_SPACE, why
from ..shared.inherited_state import begin
from .terminal.output import discard, note

DONE = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_FINISHED = 4

_OF_ARGUMENTS = (INVALID_NAME, INVALID_QUERY)
"""Codes of errors in what the person gave, on any route."""

EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not finished."

_EXACTLY = (
    "`id:ID` means exactly this id. If several sessions match, the command lists them and ends "
    "with 2."
)
READS = (
    "A session is given by its name in this project, or by its id or the beginning of its id in "
    f"any project. {_EXACTLY}"
)
"""How commands that only read find a session."""
CHANGES = (
    "A session is given by its name or the beginning of its id in this project, or by its whole "
    f"id in any project. {_EXACTLY}"
)
"""How commands that change something find a session."""


class CommandError(Exception):
    """An error that ends a command with one line for the person and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Command(click.Command):
    """A click command that turns every error into one line and an exit code."""

    def __init__(
        self, name: str | None, *, examples: str, finds: str | None = None, **attributes: Any
    ) -> None:
        """Add to the help: how sessions are found, the examples and the exit codes."""
        super().__init__(name, **attributes)
        if finds is not None:
            self.help = f"{cleandoc(self.help or '')}\n\n{finds}"
        self.context_settings["help_option_names"] = ["-h", "--help"]
        self.epilog = f"\b\nExamples:\n{examples}\n\n{EXIT_CODES}"
        self.params.append(_version_option())

    def main(self, *arguments: Any, **options: Any) -> Any:
        begin()
        keep_imports()
        return super().main(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as exc:
            _end(f"{exc.format_message()} See {ctx.info_name} --help.", USAGE)
        except OSError as exc:  # the help or the version cannot be written
            _end_unwritten(exc)

    def invoke(self, ctx: click.Context) -> Any:
        # Without a handler Python itself prints log records to stderr, tracebacks included.
        logging.basicConfig(handlers=[logging.NullHandler()])
        try:
            return super().invoke(ctx)
        except (CommandError, SessionError) as exc:
            _end(str(exc), _exit_code_of(exc))
        except SessionNotFoundError as exc:
            _end(str(exc), NOT_FOUND)
        except SessionClientError as exc:
            _end(explain(exc), USAGE if exc.code in _OF_ARGUMENTS else FAILED)
        except VariableError as exc:
            _end(str(exc), USAGE)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (click.Abort, KeyboardInterrupt):
            _end("stopped", FAILED)
        except OSError as exc:
            _end_unwritten(exc)
        except Exception as exc:  # the end of the program: print a sentence, not a traceback
            logging.getLogger(__name__).exception("internal error in %s", ctx.info_name)
            _end(
                f"internal error in this command: {exc!r}; set AGENT_ORCHESTRATOR_ENABLE_LOGGING=1 "
                f"to write the details to {log_file()}",
                FAILED,
            )


def _exit_code_of(error: CommandError | SessionError) -> int:
    if isinstance(error, CommandError):
        return error.exit_code
    return USAGE if isinstance(error, SessionUsageError) else FAILED


def _version_option() -> click.Option:
    def show(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
        if asked:
            click.echo(f"{ctx.info_name} {__version__}")
            ctx.exit()

    return click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )


def _end(message: str, exit_code: int) -> NoReturn:
    note(message)
    sys.exit(exit_code)


def _end_unwritten(error: OSError) -> NoReturn:
    if isinstance(error, BrokenPipeError):  # the reader of the answer has closed the pipe
        discard(sys.stdout)
        sys.exit(DONE)
    _end(_sentence(error), FAILED)


def _sentence(error: OSError) -> str:
    """Return which file cannot be used, and why. Discard the unwritten rest of the answer."""
    try:
        click.echo(nl=False)  # flushes
    except OSError:
        discard(sys.stdout)
        return f"the answer cannot be written: {error.strerror}"
    if error.filename is None and error.errno in OF_SPACE:  # of more than the buffer takes
        return f"the answer cannot be written: {why(error)}"
    return why(error)


def explain(error: SessionClientError) -> str:
    """Return what went wrong and, if no manager answered, what to do about it."""
    import httpx

    if error.code in _OF_ARGUMENTS:
        return str(error).partition(f": {error.status_code} ")[2]
    if error.code == NOT_FOR_RUNS:
        return f"{error}; a person can do this in a shell outside the run"
    if error.code == RUN_TOKEN_UNKNOWN:
        return (
            f"{error}. The run that this shell belongs to has ended: use another shell, or unset "
            f"{' '.join(OF_A_RUN)} here"
        )
    if not isinstance(error.__cause__, httpx.ConnectError):
        return str(error)
    return (
        f"{error}: no session manager answers there. Install and start one with: "
        "pip install agent-orchestrator && agent-session-manager serve"
    )


def log_file() -> str:
    return str(state_dir() / "commands.log")


def configure(
    project_dir: str | None = None,
    *,
    agents_dir: str | None = None,
    sessions_dir: str | None = None,
    must_exist: bool = True,
) -> Config:
    """Return the configuration of this command.

    The default project is the one that the working directory belongs to.

    If `must_exist` is false, the project's directory may be missing, on another machine, or not
    searchable. Commands that only look up sessions by the project's path use this.

    Raises:
        CommandError: a value is not valid.
    """
    given = project_dir or given_project_dir()
    directory = given or str(_project_here())
    try:
        config = load_config(directory, sessions_dir, agents_dir)
    except ValueError as exc:
        if must_exist or _is_directory(_named(directory)):
            problem = _explain_directory(given, exc)
            if project_dir:  # the text names the variable, too, which the person has not set
                problem = problem.replace(f"{ENV_PROJECT_DIR} (--project-dir)", "--project-dir")
            raise CommandError(problem, USAGE) from exc
        config = _load_by_name(_named(directory), sessions_dir, agents_dir)
    if config.enable_logging:
        from ..shared.log import write_log_to
        from ..shared.private_files import make_state_directory

        write_log_to(make_state_directory(state_dir()) / "commands.log")
    return config


def _project_here() -> Path:
    project = find_project(named_working_directory())
    if project.passed_over:
        note(f"{project.passed_over}; to use it anyway, give --project-dir DIR")
    return project.directory


def _explain_directory(given: str | None, problem: ValueError) -> str:
    here = named_working_directory()
    if given is not None or _is_directory(here):
        return str(problem)
    return (
        f"the working directory {here} is gone or not searchable for this user: change to another "
        "directory, or give --project-dir DIR"
    )


def _load_by_name(directory: Path, sessions_dir: str | None, agents_dir: str | None) -> Config:
    """Return the configuration for a project whose directory does not exist here."""
    try:
        return replace(load_config("/", sessions_dir, agents_dir), project_dir=directory)
    except ValueError as exc:
        raise CommandError(str(exc), USAGE) from exc


def _named(directory: str) -> Path:
    """Return the absolute path of a directory that may not exist."""
    path = Path(directory)
    with suppress(RuntimeError):  # the home directory of an unknown user
        path = path.expanduser()
    path = named_working_directory() / path
    with suppress(OSError, RuntimeError):  # a loop of symbolic links
        path = path.resolve()
    return path


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
