"""Cuts time where a cron expression fires: an interval runs from one firing to the next.

Knows nothing of the other grains, nor what the expression's fields mean; `firings` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from partflow.errors import DeclarationError
from partflow.partitions.firings import Firings, normal_expression
from partflow.partitions.grain import Grain
from partflow.partitions.zone import clamped

if TYPE_CHECKING:
    from partflow.partitions.zone import Moment, Ordinals, Seconds


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Cron(Grain):
    """Intervals that run from one firing of `expression`, by the zone's clock, to the next.

    It has the five fields of Debian's cron: minute, hour, day of the month, month, day of the week.
    DeclarationError, as of any `Grain`; also if cron does not understand the expression, or if it
    never fires.
    """

    expression: str

    kind: ClassVar[str] = "cron"
    column: ClassVar[str | None] = None

    def __init__(
        self, expression: str, start: Moment, end: Moment | None = None, tz: str = "UTC"
    ) -> None:
        given: object = expression
        try:
            normal = normal_expression(given if isinstance(given, str) else "")
        except ValueError as problem:
            error = (
                f"Cron({given!r}): {problem}; write minute, hour, day of the month, month and day "
                "of the week, as in '0 6 * * 1-5'"
            )
            self._refuse(DeclarationError(error))
            normal = "0 0 * * *"
        object.__setattr__(self, "tz", tz)
        object.__setattr__(self, "expression", normal)
        self._declare(start, end)

    def __repr__(self) -> str:
        # Not super(): slots=True makes a second class, and super() would refer to the first one.
        return Grain.__repr__(self).replace("(", f"({self.expression!r}, ", 1)

    @property
    def template(self) -> str:
        """A time of UTC, as in 2026-03-01T0515."""
        return "0000-00-00T0000"

    @property
    def signature(self) -> tuple[str, ...]:
        """The kind, the expression and the zone."""
        return (self.kind, self.expression, self.tz)

    def describe(self) -> str:
        """The expression and, unless it is UTC, the zone."""
        return f"cron {self.expression}" + ("" if self.tz == "UTC" else f", {self.tz}")

    def starts(self, ordinals: Ordinals) -> Seconds:
        """The moments at which it fires."""
        return Firings(self.expression, self.tz).at(ordinals)

    def ordinals_at(self, moments: Seconds) -> Ordinals:
        """The ordinal of the last firing at or before each moment."""
        return Firings(self.expression, self.tz).latest(clamped(moments))
