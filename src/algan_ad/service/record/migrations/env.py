"""Alembic's entry: carries out the migrations on the connection that `record/schema.py` hands over."""

from alembic import context

from algan_ad.service.record.tables import Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True
)
context.run_migrations()
