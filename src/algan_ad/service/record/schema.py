"""The schema of a record, brought up to date when the record is opened."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from algan_ad.runtime.errors import InputError
from algan_ad.service.record.database import for_writing


def bring_up_to_date(engine: Engine, version: str = "head") -> None:
    """Create the tables, or change those of an older version, in one transaction.

    version: an older one, for tests of migrations.

    Raises InputError for a record of a newer version, for a file that is no database, and without a connection.
    """
    config = Config()
    config.set_main_option("script_location", str(files("algan_ad.service.record") / "migrations"))
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    try:
        with for_writing(engine).begin() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            if found is not None and found not in known:
                raise InputError(
                    f"{_name(engine)}: made by a newer algan-ad (schema {found}, this one knows up to {max(known)}); "
                    "upgrade with: pip install --upgrade algan-ad"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, version)
    except DatabaseError as error:
        raise InputError(f"{_name(engine)}: cannot be used as a station's record ({error.orig})") from error


def _name(engine: Engine) -> str:
    return engine.url.database or "" if engine.url.get_backend_name() == "sqlite" else str(engine.url)
