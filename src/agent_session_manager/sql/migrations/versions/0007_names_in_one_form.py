"""Reserved names in the form in which they are compared: NFC.

Where two sessions of one project hold one name in two forms, the one whose name is in that form
already keeps it, or the older one; the other keeps its own spelling.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_sessions = sa.table(
    "sessions",
    sa.column("number", sa.BigInteger),
    sa.column("reserved_project", sa.Text),
    sa.column("reserved_name", sa.Text),
)


def upgrade() -> None:
    connection = op.get_bind()
    reserved = sa.select(_sessions).where(_sessions.c.reserved_name.is_not(None))
    found = connection.execute(reserved.order_by(_sessions.c.number)).all()
    held = {(row.reserved_project, row.reserved_name) for row in found}
    for row in found:
        wanted = (row.reserved_project, unicodedata.normalize("NFC", row.reserved_name))
        if wanted in held:
            continue
        held.add(wanted)
        connection.execute(
            sa.update(_sessions)
            .where(_sessions.c.number == row.number)
            .values(reserved_name=wanted[1])
        )
