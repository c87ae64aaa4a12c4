"""Whatever the published document lets a client send: every answer is one that it documents."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.environment import BIN, scrubbed_environment
from tests.support.manager import RunningManager

pytestmark = pytest.mark.stress

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "tests" / "support" / "schemathesis.toml"
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
    "unsupported_method", "allow_header_conformance", "use_after_free",
    "ensure_resource_availability",
]  # fmt: skip
"""All of its own but for three: what is refused by a rule that no schema can say is no failure, and
who has no token is the second test's."""
SLACK_SECONDS = 200


def fuzz(
    campaign: Campaign, manager: RunningManager, *options: str, cases: int, seconds: int
) -> int:
    """Run the fuzzer with so many for each operation; return how many requests it has made up.

    The long form goes through all that the schema has to be covered, and on for so long.
    """
    command = [
        str(BIN / "st"), f"--config-file={CONFIGURATION}", "run",
        str(ROOT / "docs" / "openapi.json"), f"--url={manager.url}",
        f"--seed={campaign.seed.split()[0]}", f"--max-examples={cases}", "--request-timeout=30",
        "--header=Content-Type: application/json",
        "--no-color", "--warnings=off",
        *([f"--max-time={seconds}"] if campaign.is_long else ["--phases=fuzzing,stateful"]),
        "--continue-on-failure", "--suppress-health-check=all", *options,
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=campaign.directory,
        env={
            **scrubbed_environment(campaign.directory),
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.schema_hooks",
        },
        capture_output=True,
        text=True,
        timeout=seconds + SLACK_SECONDS,
    )
    (campaign.directory / "report.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None, done.stdout
    return int(generated[1])


def no_defect(manager: RunningManager) -> None:
    log = manager.log()
    assert ("trace=" in log, "defect" in log) == (False, False), log[-4000:]


def test_every_answer_is_documented(campaign: Campaign) -> None:
    manager = RunningManager(campaign.directory / "manager")
    try:
        cases = fuzz(
            campaign,
            manager,
            f"--header=Authorization: Bearer {manager.token}",
            f"--checks={','.join(CHECKS)}",
            "--mode=all",
            cases=campaign.count(short=2, long=2000),
            seconds=900,
        )
        no_defect(manager)
    finally:
        manager.stop()
    campaign.tell(f"{cases} requests made of the published document: every answer as documented")


def test_without_a_token_nobody_is_let_in_whatever_is_asked(campaign: Campaign) -> None:
    manager = RunningManager(campaign.directory / "manager")
    try:
        cases = fuzz(
            campaign,
            manager,
            "--checks=not_a_server_error,status_code_conformance,response_schema_conformance,"
            "nobody_is_let_in",
            *([] if campaign.is_long else ["--phases=fuzzing"]),  # there is no state to go on from
            cases=campaign.count(short=1, long=200),
            seconds=120,
        )
        with Api(manager) as api:
            assert api.get("/sessions").json == {"sessions": []}
            assert api.get("/facets").json == {"projects": [], "agents": []}
        no_defect(manager)
    finally:
        manager.stop()
    campaign.tell(f"{cases} requests without a token: all refused, and nothing stored")
