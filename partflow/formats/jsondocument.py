"""JSON, one document a file, which is handed over as `json.loads` gives it.

Knows nothing of datasets. Only sources have this format, so nothing here writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from partflow.errors import ReadError
from partflow.formats.fingerprint import fingerprint_parts
from partflow.formats.format import Untabled
from partflow.formats.packed import unpacked
from partflow.formats.unreadable import REPLACE, unreadable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Json(Untabled):
    """The format of a document; ReadError if it is none, or if an object has a key twice."""

    name = "json"
    rules = 0

    def read(self, path: Path) -> Any:
        """The document: a dict, a list, a text, a number, true, false or None."""
        try:
            return json.loads(unpacked(path), object_pairs_hook=_object)
        except OSError as error:
            raise unreadable(path, error) from error
        except _TwiceError as error:
            problem = f"an object in it has the key {error.args[0]!r} twice"
            advice = "have it delivered with each key once in an object"
            raise ReadError(str(path), f"cannot be read: {problem}", advice) from None
        except json.JSONDecodeError as error:
            if error.msg == "Extra data":
                problem = f"line {error.lineno:,} begins a second document"
                advice = "declare format='ndjson' if each line is an object"
                raise ReadError(str(path), f"cannot be read: {problem}", advice) from None
            raise ReadError(str(path), f"cannot be read: it is no JSON: {error}", REPLACE) from None
        except (ValueError, RecursionError) as error:
            raise ReadError(
                str(path), f"cannot be read: it is no JSON: {error}", REPLACE
            ) from error

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values: spacing and the order of an object's keys do not count."""
        return _fingerprint(self.read(path))

    def remembered(self) -> Json:
        """This format: each reader gets a document that is read for itself."""
        return self


class _TwiceError(Exception):
    """An object has the key twice, of which readers take one or the other."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise _TwiceError(key)
        values[key] = value
    return values


def _fingerprint(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return fingerprint_parts("json1", [text.encode()])
