"""A column of texts that are sealed when there is a secret in them."""

from __future__ import annotations

from sqlalchemy import Dialect, Engine, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from adaptation.adapters.sealing import Sealing

_PLACE = "adaptation_sealing"


class SealedText(TypeDecorator[str]):
    """Text that is sealed on its way into the database and opened on its way out.

    Equal texts are equal there, as long as the newest key is the same; `Sealing.forms` gives all
    that a text may be.
    """

    impl = Text
    cache_ok = True

    def __init__(self, field: str, stored: TypeEngine[str] | None = None) -> None:
        """Name what is sealed.

        Args:
            field: what is sealed opens only in columns with the same.
            stored: the type of the column; None: text of any length.
        """
        super().__init__()
        self.field = field
        if stored is not None:
            self.impl = stored  # type: ignore[assignment] # of an instance, it is one

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As it is stored."""
        sealing = _sealing_of(dialect)
        if value is None or sealing is None:
            return value
        return sealing.text_to_store(value, self.field)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """As it was given."""
        sealing = _sealing_of(dialect)
        if value is None or sealing is None:
            return value
        return sealing.vault.opened(value, self.field)


def seal_with(engine: Engine, sealing: Sealing) -> None:
    """Let an engine's columns seal so: a type is told the engine's dialect and nothing else."""
    setattr(engine.dialect, _PLACE, sealing)


def _sealing_of(dialect: Dialect) -> Sealing | None:
    found = getattr(dialect, _PLACE, None)
    return found if isinstance(found, Sealing) else None
