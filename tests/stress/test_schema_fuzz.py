"""Requests generated from the OpenAPI document: every response must match the document."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.environment import BIN, scrubbed_environment
from tests.support.manager import RunningManager

pytestmark = pytest.mark.stress

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "openapi.json"
CONFIGURATION = ROOT / "tests" / "support" / "schemathesis.toml"
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
    "unsupported_method", "allow_header_conformance", "use_after_free",
    "ensure_resource_availability",
]  # fmt: skip
"""All checks of the fuzzer but three. Two would report requests that break a rule outside the
schema. The third is about missing tokens, which the second test covers."""
SLACK_SECONDS = 200


def fuzz(
    campaign: Campaign, manager: RunningManager, *options: str, cases: int, seconds: int
) -> int:
    """Run the fuzzer with `cases` per operation; return the number of generated requests.

    The long form also covers every part of the schema, and runs for up to `seconds`. The short form
    has a third of the paths, others in each run.
    """
    paths = sorted(json.loads(DOCUMENT.read_bytes())["paths"])
    some = campaign.chance().sample(paths, len(paths) // 3)
    short = [f"--include-path={path}" for path in some]
    command = [
        str(BIN / "st"), f"--config-file={CONFIGURATION}", "run",
        str(DOCUMENT), f"--url={manager.url}",
        f"--seed={campaign.seed.split()[0]}", f"--max-examples={cases}", "--request-timeout=30",
        "--header=Content-Type: application/json",
        "--no-color", "--warnings=off",
        *([f"--max-time={seconds}"] if campaign.is_long else ["--phases=fuzzing,stateful", *short]),
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


@contextmanager
def manager_without_a_defect(campaign: Campaign) -> Iterator[RunningManager]:
    """Start a manager, and check at the end that its log has no internal error."""
    manager = RunningManager(campaign.directory / "manager")
    try:
        yield manager
        log = manager.log()
        assert ('"trace": ' in log, "defect" in log) == (False, False), log[-4000:]
    finally:
        manager.stop()


def test_every_response_is_documented(campaign: Campaign) -> None:
    with manager_without_a_defect(campaign) as manager:
        cases = fuzz(
            campaign,
            manager,
            f"--header=Authorization: Bearer {manager.token}",
            f"--checks={','.join(CHECKS)}",
            "--mode=all",
            cases=campaign.count(short=1, long=2000),
            seconds=900,
        )
    campaign.tell(f"{cases} requests from the OpenAPI document: every response as documented")


@pytest.mark.only_long
def test_requests_without_a_token_are_rejected(campaign: Campaign) -> None:
    with manager_without_a_defect(campaign) as manager:
        cases = fuzz(
            campaign,
            manager,
            "--checks=not_a_server_error,status_code_conformance,response_schema_conformance,"
            "guard_rejects_requests_without_a_token",
            *([] if campaign.is_long else ["--phases=fuzzing"]),  # it has no state
            cases=campaign.count(short=1, long=200),
            seconds=120,
        )
        with Api(manager) as api:
            assert api.get("/sessions").json == {"sessions": []}
            assert api.get("/facets").json == {"projects": [], "agents": []}
    campaign.tell(f"{cases} requests without a token: all rejected, and nothing stored")
