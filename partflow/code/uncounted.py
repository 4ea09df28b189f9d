"""Knows which arguments of partflow's own declarations can't change what a task makes.

It does not know what a name in the user's project stands for: it is handed the name in partflow.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_DECLARING: Final = frozenset({"task", "effect"})


@dataclass(frozen=True, slots=True)
class _Uncounted:
    """Arguments by position and by keyword."""

    positions: frozenset[int]
    names: frozenset[str]


def _uncounted(**positions: int) -> _Uncounted:
    return _Uncounted(frozenset(positions.values()), frozenset(positions))


_RANGE: Final = _uncounted(start=0, end=1)
_WORDS: Final = _uncounted(float_tolerance=4, description=7, trusted=8)

UNCOUNTED: Final[Mapping[str, _Uncounted]] = {
    "Hourly": _RANGE,
    "Daily": _RANGE,
    "Weekly": _RANGE,
    "Monthly": _RANGE,
    # The start of every three days is also what they are counted from.
    "Every": _uncounted(end=2),
    "Cron": _uncounted(start=1, end=2),
    "Dataset": _WORDS,
    "Source": _WORDS,
}
"""As `declared` of a dataset and `signature` of a grain leave them out."""


def is_declaring(name: str) -> bool:
    """Whether a dotted name is that of `task` or `effect`, whose arguments are counted apart."""
    return own_name(name) in _DECLARING


def uncounted_arguments(name: str, call: ast.Call) -> Iterator[ast.AST]:
    """What of a call of partflow's `name` does not count; nothing of what is not partflow's."""
    left_out = UNCOUNTED.get(own_name(name) or "")
    if left_out is None:
        return
    for position, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred):
            break  # the positions of what follows are not known
        if position in left_out.positions:
            yield argument
    yield from (keyword for keyword in call.keywords if keyword.arg in left_out.names)


def own_name(name: str) -> str | None:
    """`Daily` of `partflow.Daily`, or of the module that it stands in; None: not partflow's."""
    package, _, rest = name.partition(".")
    return rest.rpartition(".")[2] if package == "partflow" else None
