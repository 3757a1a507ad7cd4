"""The file that an inspection came in, so that a watched folder neither skips nor repeats one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("inspections", sa.Column("origin", sa.String(), nullable=True))
    op.create_index("ix_inspections_origin", "inspections", ["source", "origin"], unique=False)
