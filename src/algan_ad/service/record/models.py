"""Models that were served, read from the record."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from algan_ad.service.errors import NotFound
from algan_ad.service.record.tables import ModelRow


def model_named(session: Session, name: str | None) -> ModelRow:
    """The model that was put in service last under a name; None: the only name. Raises NotFound."""
    names = sorted(session.scalars(select(ModelRow.name).distinct()))
    if not names:
        raise NotFound("this station has not served a model yet; start it first with: algan serve MODEL")
    if name is None and len(names) > 1:
        raise NotFound(f"name a model, one of {', '.join(names)}")
    rows: Sequence[ModelRow] = session.scalars(
        select(ModelRow).where(ModelRow.name == (name or names[0])).order_by(ModelRow.loaded.desc()).limit(1)
    ).all()
    if not rows:
        raise NotFound(f"no model {name!r}; there are {', '.join(names)}")
    return rows[0]
