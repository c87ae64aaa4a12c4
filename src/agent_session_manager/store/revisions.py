"""The revisions that a database's schema can have, oldest first, as the migrations name them."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from agent_session_manager import migrations


def migration_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def known_revisions() -> tuple[str, ...]:
    """All that this version knows, the newest last."""
    found = ScriptDirectory.from_config(migration_config()).walk_revisions()
    return tuple(script.revision for script in found)[::-1]
