"""`agent-session-manager notify`: add, try, list and remove targets, also beside a manager."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from agent_session_manager.alerts.signature import new_secret, sign
from agent_session_manager.alerts.targets_file import TargetsFile
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.migrations.run import run_migrations
from tests.store.promises.events import stop
from tests.support.api import Api
from tests.support.environment import scrubbed_environment
from tests.support.manager import RunningManager
from tests.support.manager_command import Ran, assert_failed, run
from tests.support.receiver import Reply, receiving
from tests.support.rows import each_row
from tests.support.waiting import wait_for


class Notify:
    """The command, on the state directory of a home."""

    def __init__(self, home: Path, state: Path) -> None:
        self.home, self.state = home, state
        home.mkdir(exist_ok=True)

    def __call__(self, *arguments: str) -> Ran:
        return run(self.home, "notify", *arguments, state=self.state)

    def listed(self) -> Any:
        return json.loads(self("list", "--json").stdout)


def test_targets_are_added_listed_tried_and_removed(tmp_path: Path) -> None:
    notify = Notify(tmp_path / "home", tmp_path / "state")
    assert notify("list").stdout == (
        "no targets; add one: agent-session-manager notify add NAME --webhook URL\n"
    )
    command = "sh -c 'echo \"$AO_TEXT\"; cat >/dev/null'"
    added = notify("add", "say", "--command", command, "--on", "ended", "--project", "/p")
    assert added.stdout.splitlines()[1:] == ["try it: agent-session-manager notify test say"]
    tried = notify("test", "say")
    assert tried.stdout == (
        "say: exit code 0: sample waits for you: this is a test, there is no question\n"
    )
    with receiving(Reply(204), Reply(500, body=b"no")) as receiver:
        url = f"{receiver.url}/secret-path"
        made = json.loads(notify("add", "hook", "--webhook", url, "--json").stdout)
        assert notify("test", "hook").stdout == "hook: HTTP 204\n"
        assert_failed(notify("test", "hook"), 1, "hook failed: HTTP 500 no")
        again = json.loads(notify("test", "hook", "--json").stdout)
        assert again == {"name": "hook", "ok": True, "answer": "HTTP 200"}
        signed = sign(
            made["secret"],
            message_id=receiver.received[0].alert_id,
            timestamp=int(receiver.received[0].headers["webhook-timestamp"]),
            body=receiver.received[0].body,
        )
        assert signed.items() <= receiver.received[0].headers.items()
    say, hook = notify.listed()
    assert (say["on"], say["project_dir"]) == (["failed", "finished", "stopped"], "/p")
    host = receiver.url.removesuffix("/hook")
    assert hook["webhook"] == {"url": f"{host}/…", "format": "json", "signed": True}
    assert hook["target_id"] == made["target_id"]
    for printed in (notify("list").stdout, notify("list", "--json").stdout):
        assert "secret" not in printed
        assert made["secret"] not in printed
    assert_failed(notify("add", "hook", "--command", "true"), 1, "'hook' already", "remove")
    assert notify("remove", "hook").stdout == "removed hook\n"
    for missing in (notify("remove", "hook"), notify("test", "hook")):
        assert (missing.returncode, missing.stdout) == (3, "")
        assert "there is no target 'hook'" in missing.stderr
    assert [each["name"] for each in notify.listed()] == ["say"]


def test_project_is_stored_as_sessions_store_theirs(tmp_path: Path) -> None:
    notify = Notify(tmp_path / "home", tmp_path / "state")
    (tmp_path / "project").mkdir()
    (tmp_path / "link").symlink_to("project")
    notify("add", "x", "--command", "true", "--project", f"{tmp_path}/project/../link")
    assert [each["project_dir"] for each in notify.listed()] == [str(tmp_path / "project")]


@each_row(
    "options, word",
    [
        ((), "one of --command, --webhook and"),
        (
            ("--command", "true", "--webhook", "https://example.com"),
            "one of --command, --webhook and",
        ),
        (("--command", "'"), "cannot be split"),
        (("--command", "true", "--on", "later"), "'later' is not a list of: waiting, ended, lost"),
        (("--command", "true", "--format", "slack"), "--format is for a webhook only"),
        (("--command", "true", "--secret-file", "/x"), "--secret-file is for a webhook only"),
        (("--command", "true", "--project", "~unknown-user/x"), "--project ~unknown-user/x"),
        (("--command", "true", "--allow-http"), "--allow-http is for a webhook only"),
        (("--webhook-file", "/proc/nonexistent"), "cannot read /proc/nonexistent"),
        (("--webhook-file", "x", "--command", "true"), "one of --command, --webhook and"),
        (("--webhook", "http://example.com/x"), "--allow-http"),
        (
            ("--webhook", "https://example.com", "--secret-file", "/proc/nonexistent"),
            "/proc/nonexistent",
        ),
        (("--webhook", "https://example.com", "--format", "xml"), "xml"),
    ],
)
def test_wrong_options_are_explained(tmp_path: Path, options: Sequence[str], word: str) -> None:
    notify = Notify(tmp_path / "home", tmp_path / "state")
    ran = notify("add", "x", *options)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert word in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "state").exists()


def test_secret_of_a_file_is_used_and_not_printed(tmp_path: Path) -> None:
    notify = Notify(tmp_path / "home", tmp_path / "state")
    file, secret = tmp_path / "secret", new_secret()
    file.write_text(f"{secret}\n")
    ran = notify("add", "x", "--webhook", "https://example.com", "--secret-file", str(file))
    assert (ran.returncode, secret in ran.stdout) == (0, False)
    (target,) = TargetsFile(tmp_path / "state").read()
    assert target.webhook is not None
    assert target.webhook.secret == secret
    file.write_text("whsec_short")
    ran = notify("add", "y", "--webhook", "https://example.com", "--secret-file", str(file))
    assert (ran.returncode, "whsec_short" in ran.stderr) == (2, False)


def test_url_of_a_file_or_of_stdin_is_used_and_not_printed(tmp_path: Path) -> None:
    notify = Notify(tmp_path / "home", tmp_path / "state")
    file, url = tmp_path / "url", "https://example.com/T0/SECRET"
    file.write_text(f"{url}\n")
    ran = notify("add", "x", "--webhook-file", str(file), "--format", "slack")
    assert (ran.returncode, "SECRET" in ran.stdout) == (0, False)
    # A process of its own: the program changes the process that it runs in.
    program = Path(sys.executable).with_name("agent-session-manager")
    subprocess.run(
        [program, "notify", "add", "y", "--webhook-file", "-", "--state-dir", notify.state],
        input=f"{url}\n",
        env=scrubbed_environment(notify.home),
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    webhooks = [target.webhook for target in TargetsFile(tmp_path / "state").read()]
    assert [webhook and webhook.url for webhook in webhooks] == [url, url]


def test_damaged_file_of_targets_is_explained(tmp_path: Path) -> None:
    notify = Notify(tmp_path / "home", tmp_path / "state")
    notify("add", "x", "--command", "true")
    (tmp_path / "state" / "notify.json").write_text("{")
    for arguments in (("list",), ("remove", "x"), ("test", "x"), ("add", "y", "--command", "a")):
        assert_failed(notify(*arguments), 1, "notify.json is not a file of targets")


def test_database_of_an_earlier_version_has_no_alerts(tmp_path: Path) -> None:
    notify = Notify(tmp_path / "home", tmp_path / "state")
    notify("add", "x", "--command", "true")
    url = f"sqlite:///{tmp_path}/state/sessions.db"
    with closing(open_database(url)) as database, database.writing.begin() as connection:
        run_migrations(connection, "0013")
    assert [(each["name"], each["waiting"]) for each in notify.listed()] == [("x", 0)]


def test_running_manager_takes_up_targets_and_shows_their_state(tmp_path: Path) -> None:
    database = ("--database-url", f"sqlite:///{tmp_path}/o.db")
    manager = RunningManager(tmp_path, arguments=database)
    variables = {"AGENT_ORCHESTRATOR_PORT": str(manager.port)}

    def listed(*options: str) -> str:
        return run(
            manager.home, "notify", "list", *options, variables=variables, state=manager.state_dir
        ).stdout

    notify = Notify(manager.home, manager.state_dir)
    with receiving(Reply(410, body=b"bye")) as receiver, Api(manager) as api:
        notify("add", "hook", "--webhook", receiver.url, "--top-level")
        into = tmp_path / "said"
        notify("add", "say", "--command", f"sh -c 'echo \"$AO_TEXT\" >> {into}'")
        assert api.post("/sessions", {"session_id": "s", "session_name": "fix"}).status == 201
        assert api.post("/sessions/s/events", stop(exit_code=1)).status == 201
        wait_for(lambda: "disabled" in listed(), "the target is disabled")
        wait_for(lambda: into.exists() and into.read_text(), "the command has run")
        assert into.read_text() == "fix has failed\n"
        wait_for(lambda: "1 alert given up" in listed(), "its alert was given up")
        hook, say = json.loads(listed("--json"))
        assert (hook["waiting"], hook["given_up"]) == (0, 1)
        assert hook["error"] == "the receiver does not want alerts: HTTP 410 bye"
        assert hook["failed_at"] is not None
        wait_for(lambda: json.loads(listed("--json"))[1]["delivered_at"], "it was settled")
        assert (say["given_up"], say["error"]) == (0, None)
        enabled = run(
            manager.home, "notify", "test", "hook", variables=variables, state=manager.state_dir
        )
        assert enabled.stdout == "hook: HTTP 200; it is enabled again\n"
        assert manager.url in receiver.received[-1].message["data"]["url"]
    manager.stop()
    assert "the receiver does not want alerts: HTTP 410 bye" in listed(*database)
