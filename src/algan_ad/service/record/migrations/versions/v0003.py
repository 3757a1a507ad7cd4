"""Drift: the figures of pictures, the states of monitors, alarms of a model and how they were acknowledged."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("inspections", sa.Column("figures", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("ix_inspections_model_name", "inspections", ["model_name", "id"], unique=False)
    op.add_column("alarms", sa.Column("model_name", sa.String(), nullable=True))
    op.add_column("alarms", sa.Column("acknowledged_after", sa.Integer(), nullable=True))
    op.add_column("alarms", sa.Column("as_normal", sa.Boolean(), nullable=True))
    op.create_table(
        "drift",
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("threshold_id", sa.Integer(), nullable=False),
        sa.Column("alarms", sa.JSON(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["threshold_id"], ["thresholds.id"], name=op.f("fk_drift_threshold_id_thresholds")),
        sa.PrimaryKeyConstraint("model_name", name=op.f("pk_drift")),
    )
