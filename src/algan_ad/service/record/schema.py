"""The schema of a record, brought up to date when the record is opened."""

from importlib.resources import files

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DatabaseError

from algan_ad.runtime.errors import InputError
from algan_ad.service.record.database import for_writing

MIGRATIONS = files("algan_ad.service.record") / "migrations"


def bring_up_to_date(engine: Engine, version: str | None = None) -> None:
    """Create the tables, or change those of an older version, in one transaction.

    version: an older one, for tests of migrations; None: the newest.

    Raises InputError for a record of a newer version, for a file that is no database, and without a connection.
    """
    known = sorted(each.name[1:-3] for each in (MIGRATIONS / "versions").iterdir() if each.name.startswith("v"))
    wanted = known[-1] if version is None else version
    try:
        with for_writing(engine).begin() as connection:
            found = _version(connection)
            if found is not None and found not in known:
                raise InputError(
                    f"{_name(engine)}: made by a newer algan-ad (schema {found}, this one knows up to {known[-1]}); "
                    "upgrade with: pip install --upgrade algan-ad"
                )
            if found != wanted:
                _upgrade(connection, wanted)
    except DatabaseError as error:
        raise InputError(f"{_name(engine)}: cannot be used as a station's record ({error.orig})") from error


def _version(connection: Connection) -> str | None:
    """The version that Alembic has noted; None for a record without tables."""
    noted = inspect(connection).has_table("alembic_version")
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if noted else None


def _upgrade(connection: Connection, version: str) -> None:
    """Run the migrations. Alembic is imported here, because a start that needs none shall not wait for it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def _name(engine: Engine) -> str:
    return engine.url.database or "" if engine.url.get_backend_name() == "sqlite" else str(engine.url)
