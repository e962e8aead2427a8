"""${message}"""

import sqlalchemy as sa
from alembic import op

from anuma_dash.embedded.gateway.tables import UtcTime

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Forward only: a restore is the way back."""
    ${upgrades if upgrades else "pass"}
