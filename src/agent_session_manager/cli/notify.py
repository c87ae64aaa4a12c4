"""`notify`: targets outside that get alerts about sessions."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_session_manager.alerts.signature import SecretError, new_secret
from agent_session_manager.alerts.target import (
    KINDS_BY_WORD,
    BodyFormat,
    Target,
    TargetError,
    Webhook,
    check_target,
    new_target_id,
    parse_command,
    parse_kinds,
)
from agent_session_manager.alerts.targets_file import TargetsFile, TargetsFileError
from agent_session_manager.cli.options import (
    FILE,
    PROGRAM,
    database_options,
    fail,
    find,
    json_option,
    refusals,
    settings_from,
    state_dir_option,
)
from agent_session_manager.domain.sessions.alert import Interest
from agent_session_manager.machine.discovery import prepare_state_dir
from agent_session_manager.settings import Settings, environment
from agent_shared.log import shown
from agent_shared.plurals import counted

if TYPE_CHECKING:
    from agent_session_manager.sql.read.alerts import AlertSummary

EVERYTHING = "waiting,ended,lost"


@click.group()
def notify() -> None:
    """Send alerts to a command or a webhook when a session waits, has ended or was lost.

    The manager sends an alert at least once, and repeats it for a day if that fails. Changes of
    the targets take effect at once, also for a manager that is running.
    """


@notify.command()
@click.argument("name")
@click.option("--command", metavar="COMMAND", help="Run this program. No shell interprets it.")
@click.option("--webhook", metavar="URL", help="Send a POST request to this URL.")
@click.option(
    "--webhook-file",
    type=FILE,
    metavar="FILE",
    help="Read the URL of --webhook from this file; - is stdin. So a URL that is a secret gets "
    "neither into the history of the shell nor into the list of processes.",
)
@click.option(
    "--on",
    default=EVERYTHING,
    metavar="LIST",
    help=f"The alerts to send, of {', '.join(KINDS_BY_WORD)}. `ended` is finished, failed and "
    f"stopped. Default: {EVERYTHING}.",
)
@click.option(
    "--project", type=FILE, metavar="DIR", help="Only about sessions of this directory and below."
)
@click.option("--top-level", is_flag=True, help="Only about sessions without a parent.")
@click.option(
    "--format",
    "body_format",
    type=click.Choice([each.value for each in BodyFormat]),
    help="The body of a webhook: json, or slack for Slack and chats like it. Default: json.",
)
@click.option(
    "--secret-file",
    type=FILE,
    metavar="FILE",
    help="Sign with the secret in this file. Default: a new one, which is printed once.",
)
@click.option("--allow-http", is_flag=True, help="Confirm an unencrypted URL on another machine.")
@state_dir_option
@json_option
def add(name: str, state_dir: str | None, as_json: bool, **choices: Any) -> None:
    """Add a target under a NAME of your choice.

    A command gets the alert as JSON on stdin, and as variables such as `AO_TEXT`. The command is
    split like a line of a shell, but nothing else in it is interpreted: for `$AO_TEXT` use `sh -c`.

    A webhook gets JSON, signed by the specification of Standard Webhooks.

    Exit code 1 if the name exists already.

    \b
    Examples:
      agent-session-manager notify add desktop --command 'sh -c "notify-send -- \\"$AO_TEXT\\""'
      agent-session-manager notify add team --webhook https://example.com/hook --on waiting,failed
      agent-session-manager notify add chat --format slack --webhook-file url.txt
    """
    settings = settings_from(state_dir=state_dir)
    with _refusals():
        target = _new_target(name, choices)
        prepare_state_dir(settings.state_dir)

        def add_to(known: Sequence[Target]) -> Sequence[Target]:
            if any(each.name == name for each in known):
                fail(f"there is a target {name!r} already: remove it first, or use another name")
            return [*known, target]

        TargetsFile(settings.state_dir).change(add_to)
    is_new = choices["secret_file"] is None and target.webhook is not None
    secret = target.webhook.secret if is_new and target.webhook is not None else None
    if as_json:
        click.echo(json.dumps({"name": name, "target_id": target.target_id, "secret": secret}))
        return
    click.echo(shown(f"added {name}: {target.shown}"))
    if secret is not None:
        click.echo(f"signing secret for the receiver, not shown again: {secret}")
    click.echo(f"try it: {PROGRAM} notify test {name}")


@notify.command("list")
@database_options
@json_option
def list_(state_dir: str | None, database_url: str | None, as_json: bool) -> None:
    """Print the targets, and the state of their alerts.

    URLs are printed without their paths, and secrets not at all.

    \b
    Example:
      agent-session-manager notify list --json
    """
    settings = settings_from(state_dir=state_dir, database_url=database_url)
    with _refusals():
        targets = TargetsFile(settings.state_dir).read()
        summaries = summaries_of(settings) if targets else {}
    if as_json:
        click.echo(json.dumps([_to_json(each, summaries) for each in targets], indent=2))
        return
    if not targets:
        click.echo(f"no targets; add one: {PROGRAM} notify add NAME --webhook URL")
    for target in targets:
        for line in _lines(target, _to_json(target, summaries)):
            click.echo(shown(line))


@notify.command()
@click.argument("name")
@state_dir_option
def remove(name: str, state_dir: str | None) -> None:
    """Remove the target NAME. Its waiting alerts are not sent.

    Exit code 3 if there is no target of this name.
    """
    settings = settings_from(state_dir=state_dir)
    with _refusals():
        _known(settings, name)
        TargetsFile(settings.state_dir).change(
            lambda known: [each for each in known if each.name != name]
        )
    click.echo(f"removed {name}")


@notify.command()
@click.argument("name")
@state_dir_option
@json_option
def test(name: str, state_dir: str | None, as_json: bool) -> None:
    """Send a sample to the target NAME now, and print its answer.

    A target that a receiver has disabled is enabled again if it takes the sample.

    Exit code 1 if the target failed, 3 if there is no target of this name.

    \b
    Example:
      agent-session-manager notify test desktop
    """
    # Imported late: the other subcommands send nothing.
    import asyncio

    from agent_session_manager.alerts.message import sample_alert
    from agent_session_manager.alerts.sender import Sender
    from agent_session_manager.machine.clock import Time

    settings = settings_from(state_dir=state_dir)
    with _refusals():
        target = _known(settings, name)
        manager = find(settings)
        url = manager.url if manager is not None else f"http://127.0.0.1:{settings.port}"
        sender = Sender(url, environment(), time=Time())
        alert_id = f"alert_test_{new_target_id()}"
        alert = sample_alert(target.target_id, alert_id, datetime.now(UTC))
        outcome = asyncio.run(sender.send(target, alert))
        is_enabled_again = outcome.error is None and target.disabled is not None
        if is_enabled_again:
            TargetsFile(settings.state_dir).change(lambda known: _enabled(known, target))
    if as_json:
        is_fine = outcome.error is None
        click.echo(json.dumps({"name": name, "ok": is_fine, "answer": outcome.answer}))
    elif outcome.error is None:
        click.echo(f"{name}: {outcome.answer}{'; it is enabled again' * is_enabled_again}")
    if outcome.error is not None:
        if not as_json:
            fail(f"{name} failed: {outcome.error}")
        sys.exit(1)


@contextmanager
def _refusals() -> Iterator[None]:
    """Print an expected error in one line, and exit: with 2 if an option is not valid."""
    try:
        with refusals():
            yield
    except (TargetError, SecretError) as exc:
        raise click.UsageError(shown(str(exc))) from None
    except TargetsFileError as exc:
        fail(str(exc))


def _new_target(name: str, choices: Mapping[str, Any]) -> Target:
    """Return the target of the options.

    Raises:
        TargetError, SecretError: an option is not valid.
    """
    project = choices["project"]
    interest = Interest(
        target_id=new_target_id(),
        kinds=parse_kinds(choices["on"]),
        project_dir=None if project is None else _directory(project),
        top_level=choices["top_level"],
    )
    command, url = choices["command"], choices["webhook"]
    given_ways = [choices[way] for way in ("command", "webhook", "webhook_file")]
    if sum(way is not None for way in given_ways) != 1:
        raise TargetError("give one of --command, --webhook and --webhook-file")
    if choices["webhook_file"] is not None:
        url = _text_in(choices["webhook_file"])
    of_webhook = {"--format": "body_format", "--secret-file": "secret_file"}
    given = [option for option, key in of_webhook.items() if choices[key] is not None]
    if url is None:
        if given or choices["allow_http"]:
            raise TargetError(f"{(given or ['--allow-http'])[0]} is for a webhook only")
        target = Target(name=name, interest=interest, command=parse_command(command))
    else:
        webhook = Webhook(
            url=url,
            format=BodyFormat(choices["body_format"] or BodyFormat.JSON),
            secret=_secret(choices),
            allow_http=choices["allow_http"],
        )
        target = Target(name=name, interest=interest, webhook=webhook)
    check_target(target)
    return target


def _directory(project: Path) -> str:
    """Return the path of a project as sessions have it: absolute, and without links."""
    try:
        return str(project.expanduser().resolve())
    except (OSError, RuntimeError) as exc:  # an unknown user, or a loop of links
        raise TargetError(f"--project {project} is not a directory: {exc}") from None


def _secret(choices: Mapping[str, Any]) -> str | None:
    """Return the secret of a new webhook. Chats do not check signatures, so they need none."""
    file: Path | None = choices["secret_file"]
    if file is None:
        return None if choices["body_format"] == BodyFormat.SLACK else new_secret()
    return _text_in(file)


def _text_in(file: Path) -> str:
    """Return the text in a file, or on stdin if the file is `-`."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, ValueError) as exc:
        raise TargetError(f"cannot read {file}: {exc}") from None
    return text.strip()


def _known(settings: Settings, name: str) -> Target:
    for target in TargetsFile(settings.state_dir).read():
        if target.name == name:
            return target
    click.echo(shown(f"there is no target {name!r}; see: {PROGRAM} notify list"), err=True)
    sys.exit(3)


def _enabled(known: Sequence[Target], target: Target) -> Sequence[Target]:
    return [
        replace(each, disabled=None) if each.target_id == target.target_id else each
        for each in known
    ]


def summaries_of(settings: Settings) -> dict[str, AlertSummary]:
    """Return the state of the alerts in the database, by target, also while a manager serves.

    Raises:
        DatabaseError: the database cannot be read.
    """
    from sqlalchemy import inspect

    from agent_session_manager.sql.care.readonly import reading_one_moment
    from agent_session_manager.sql.database.url import file_of, parse_url
    from agent_session_manager.sql.read.alerts import summarize_alerts
    from agent_session_manager.sql.schema.alerts import alerts

    database = _database_of(settings)
    url = parse_url(database)
    if url.get_backend_name() == "sqlite" and not file_of(url).exists():
        return {}
    with reading_one_moment(database) as connection:
        # Before its first start, this version has not migrated the database.
        return summarize_alerts(connection) if inspect(connection).has_table(alerts.name) else {}


def _database_of(settings: Settings) -> str:
    """Return the URL of the settings, or else of the SQLite file that the manager serves."""
    manager = None if settings.database_url else find(settings)
    is_known = manager is not None and manager.database.startswith("sqlite:")
    return manager.database if manager and is_known else settings.resolved_database_url


def _to_json(target: Target, summaries: Mapping[str, AlertSummary]) -> dict[str, Any]:
    from agent_session_manager.sql.read.alerts import AlertSummary

    webhook = target.webhook
    summary = asdict(summaries.get(target.target_id, AlertSummary()))
    return {
        **target.to_json(),
        "webhook": webhook
        and {
            "url": webhook.shown_url,
            "format": webhook.format.value,
            "signed": webhook.secret is not None,
        },
        **{
            key: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
            for key, value in summary.items()
        },
    }


def _lines(target: Target, told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the description of a target for a person."""
    yield f"{target.name}: {target.shown}"
    wanted = [f"on {', '.join(told['on'])}"]
    if told["project_dir"]:
        wanted.append(f"in {told['project_dir']}")
    if told["top_level"]:
        wanted.append("only sessions without a parent")
    yield f"  {'; '.join(wanted)}"
    if told["disabled"]:
        yield f"  disabled: {told['disabled']}; try: {PROGRAM} notify test {target.name}"
    yield f"  {told['waiting']} waiting; last delivered: {told['delivered_at'] or 'never'}"
    if told["given_up"]:
        yield f"  {counted(told['given_up'], 'alert')} given up, last at {told['failed_at']}"
    if told["error"]:
        yield f"  last error: {told['error']}"
