"""Migrations of the record, by Alembic: one file per version in versions/, named by its number."""
