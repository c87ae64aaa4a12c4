"""Seals of run specs. A spec records how a run was started, so that a resume can repeat it.

A spec travels through the manager. It says which program to execute, where, and with which
permission. So it carries a seal, made with a key that never leaves this user's state directory. A
spec is used only if its seal fits its session and run. Any other spec was made on another machine,
belongs to another run, or was changed on its way.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..agents.agent import Agent
from ..machine.wire_text import to_wire
from ..shared.private_files import make_state_directory, open_private

Spec = dict[str, Any]
CONVERSATION = "conversation"
"""Type of the events that record the conversation that an agent has moved on to."""
_CONVERSATION_ID = "conversation_id"
_SEAL = "seal"
_KEY_BYTES = 32


def seal(spec: Spec, *, session_id: str, run: int, state_dir: Path) -> Spec:
    """Return the spec in a form that can be sent, with a seal for this run of this session."""
    spec = to_wire(spec)
    return {**spec, _SEAL: _seal_of(spec, session_id, run, _key(state_dir))}


def sealed_conversation(event: Spec, session_id: str, run: int, state_dir: Path) -> Spec:
    """Return a conversation event with a seal.

    A resume continues the conversation of the event. The seal is needed because an agent can write
    events of its session too.
    """
    said = {_CONVERSATION_ID: event[_CONVERSATION_ID]}
    return {**event, **seal(said, session_id=session_id, run=run, state_dir=state_dir)}


def is_our_conversation(event: Spec, session_id: str, state_dir: Path) -> bool:
    """Return whether a supervisor of this user on this machine wrote the conversation event."""
    said = {name: event.get(name) for name in (_CONVERSATION_ID, _SEAL)}
    return is_ours(said, session_id=session_id, run=event["run"], state_dir=state_dir)


def is_ours(spec: Spec | None, *, session_id: str, run: int, state_dir: Path) -> bool:
    """Return whether this user sealed the spec for this run of this session on this machine."""
    if not isinstance(spec, dict) or not isinstance(spec.get(_SEAL), str):
        return False
    fitting = _seal_of(spec, session_id, run, _key(state_dir))
    return hmac.compare_digest(fitting.encode(), spec[_SEAL].encode("utf-8", "replace"))


def our_runs(runs: Sequence[Spec], *, session_id: str, state_dir: Path) -> list[Spec]:
    """Return the runs of a session that this user sealed on this machine."""
    return [
        run
        for run in runs
        if is_ours(run["spec"], session_id=session_id, run=run["run"], state_dir=state_dir)
    ]


def fingerprint(agent: Agent | None, state_dir: Path) -> str | None:
    """Return a digest of an agent's definition without its file's path; None without an agent.

    The digest uses the key. The definition may hold credentials, which others could guess from a
    plain digest.
    """
    if agent is None:
        return None
    content = json.dumps({**asdict(agent), "source": None}, sort_keys=True)
    return digest("agent" + content, state_dir)


def digest(definition: str, state_dir: Path) -> str:
    """Return a digest of a definition, made with the key."""
    return hmac.new(_key(state_dir), definition.encode(), "sha256").hexdigest()


def _seal_of(spec: Spec, session_id: str, run: int, key: bytes) -> str:
    sealed = {name: value for name, value in spec.items() if name != _SEAL}
    content = json.dumps([session_id, run, sealed], sort_keys=True).encode()
    return hmac.new(key, content, "sha256").hexdigest()


def _key(state_dir: Path) -> bytes:
    """Return the key of this user on this machine, made on first use.

    Raises:
        OSError: the key can be neither made nor used.
    """
    path = state_dir / "seal.key"
    if not os.path.lexists(path):
        _make_key(path)
    # While a process makes the key, its file has two names for a moment.
    descriptor = open_private(path, create=False, links=2)
    try:
        key = os.read(descriptor, _KEY_BYTES)
    finally:
        os.close(descriptor)
    if len(key) < _KEY_BYTES:  # anyone could make a seal with an empty key
        raise OSError(errno.EINVAL, "the key is incomplete: remove the file", str(path))
    return key


def _make_key(path: Path) -> None:
    """Make the key whole or not at all. If several processes make it, one key wins."""
    make_state_directory(path.parent)
    fresh = path.with_name(f"seal.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(_KEY_BYTES))
        os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    except OSError as exc:  # the error of a write does not name the file
        raise OSError(exc.errno, exc.strerror, str(path)) from exc
    finally:
        os.close(descriptor)
        fresh.unlink()
