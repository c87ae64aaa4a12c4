"""What all commands share: how they are called, how they fail, and their exit codes.

stdout is the answer, stderr is for people, and no traceback reaches either.
"""

from __future__ import annotations

import logging
import math
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from .. import __version__
from ..client.errors import INVALID_NAME, NOT_FOR_RUNS, RUN_TOKEN_UNKNOWN
from ..config import Config, load_config
from ..machine.environment import (
    OF_A_RUN,
    VariableError,
    given_project_dir,
    named_working_directory,
    state_dir,
)
from ..machine.projects import find_project
from ..session_client import SessionClientError, SessionNotFoundError
from ..sessions.errors import SessionError, SessionUsageError
from ..shared.inherited import begin
from .output import discard, note

DONE = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_FINISHED = 4

LARGEST_NUMBER = 2**63 - 1
"""Of a seq, in a database."""

EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not finished."


class CommandError(Exception):
    """Ends a command with one line for the person and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Command(click.Command):
    """A click command that turns every error into one line and an exit code."""

    def __init__(self, name: str | None, *, examples: str, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self.context_settings["help_option_names"] = ["-h", "--help"]
        self.epilog = f"\b\nExamples:\n{examples}\n\n{EXIT_CODES}"
        self.params.append(_version_option())

    def main(self, *arguments: Any, **options: Any) -> Any:
        begin()
        return super().main(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as exc:
            _end(f"{exc.format_message()} See {ctx.info_name} --help.", USAGE)

    def invoke(self, ctx: click.Context) -> Any:
        # Python itself prints what is logged where nobody keeps a log, traces and all.
        logging.basicConfig(handlers=[logging.NullHandler()])
        try:
            return super().invoke(ctx)
        except (CommandError, SessionError) as exc:
            _end(str(exc), _exit_code_of(exc))
        except SessionNotFoundError as exc:
            _end(str(exc), NOT_FOUND)
        except SessionClientError as exc:
            _end(explain(exc), USAGE if exc.code == INVALID_NAME else FAILED)
        except VariableError as exc:
            _end(str(exc), USAGE)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (click.Abort, KeyboardInterrupt):
            _end("stopped", FAILED)
        except BrokenPipeError:  # whoever read the answer has seen enough
            discard(sys.stdout)
            sys.exit(DONE)
        except OSError as exc:
            _end(_sentence(exc), FAILED)
        except Exception as exc:  # the end of the program: a person gets a sentence, not a trace
            logging.getLogger(__name__).exception("a defect in %s", ctx.info_name)
            _end(
                f"a defect in this command: {exc!r}; AGENT_ORCHESTRATOR_ENABLE_LOGGING=1 keeps the "
                f"details in {log_file()}",
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


def _sentence(error: OSError) -> str:
    """What cannot be used, and why. The rest of an answer that nobody takes is thrown away."""
    try:
        click.echo(nl=False)  # flushes
    except OSError:
        discard(sys.stdout)
        return f"the answer cannot be written: {error.strerror}"
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename else why


def explain(error: SessionClientError) -> str:
    """What went wrong, and where nobody answered: what to do about it."""
    import httpx

    if error.code == INVALID_NAME:  # the person's own, wherever it was refused
        return str(error).partition(f": {error.status_code} ")[2]
    if error.code == NOT_FOR_RUNS:
        return f"{error}; a person can do it outside of the run, in a shell of their own"
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
    """Return the configuration of this command; without a project given, that around us.

    With `must_exist` false the project's directory may be gone, be on another machine, or not be
    searchable: right for a command that only looks up the sessions of that name.

    Raises:
        CommandError: a value cannot be used.
    """
    given = project_dir or given_project_dir()
    directory = given or str(_project_here())
    try:
        config = load_config(directory, sessions_dir, agents_dir)
    except ValueError as exc:
        if must_exist or _is_directory(_named(directory)):
            raise CommandError(_explain_directory(given, exc), USAGE) from exc
        config = _load_by_name(_named(directory), sessions_dir, agents_dir)
    if config.enable_logging:
        from ..shared.log import write_log_to
        from ..shared.private_files import make_state_directory

        write_log_to(make_state_directory(state_dir()) / "commands.log")
    return config


def _project_here() -> Path:
    project = find_project(named_working_directory())
    if project.passed_over:
        note(f"{project.passed_over}; --project-dir DIR uses it all the same")
    return project.directory


def _explain_directory(given: str | None, problem: ValueError) -> str:
    here = named_working_directory()
    if given is not None or _is_directory(here):
        return str(problem)
    return (
        f"the working directory {here} is gone, or this user may not search it: cd somewhere else, "
        "or give --project-dir DIR"
    )


def _load_by_name(directory: Path, sessions_dir: str | None, agents_dir: str | None) -> Config:
    """The configuration for a project that is not here; only its name counts."""
    try:
        return replace(load_config("/", sessions_dir, agents_dir), project_dir=directory)
    except ValueError as exc:
        raise CommandError(str(exc), USAGE) from exc


def _named(directory: str) -> Path:
    """The absolute path of a directory that need not exist."""
    path = Path(directory)
    with suppress(RuntimeError):  # the home of a user whom nobody knows
        path = path.expanduser()
    path = named_working_directory() / path
    with suppress(OSError, RuntimeError):  # links that go round in circles
        path = path.resolve()
    return path


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


class WholeNumber(click.IntRange):
    """A number that the record can hold; `--help` does not name the largest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number > LARGEST_NUMBER:
            self.fail(f"the largest number is {LARGEST_NUMBER}.", param, ctx)
        return number


class Seconds(click.FloatRange):
    """A time to wait, that comes to an end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


project_option = click.option(
    "--project-dir", metavar="DIR", help="Default: the project around the working directory."
)
agents_option = click.option(
    "--agents-dir", metavar="DIR", help="Default: PROJECT/.agent-orchestrator/agents."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
