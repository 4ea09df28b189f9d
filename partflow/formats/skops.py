"""Trained models in files: skops, which takes objects apart and runs no code to read them.

Knows nothing of datasets. Never pickle: loading one runs whatever is in it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pickle  # within this process, never from a file  # nosec B403
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partflow.errors import ReadError
from partflow.formats.fingerprint import fingerprint_parts
from partflow.formats.format import Contents
from partflow.formats.unreadable import unreadable
from partflow.store.identity import FileIdentity, identity


@dataclass(frozen=True, slots=True)
class Skops:
    """A trained model, or what else skops can take apart; reading runs no code from the file.

    `trusted` names the types that may be rebuilt although skops doesn't vouch for them.
    """

    trusted: tuple[str, ...] = ()

    name = "skops"
    rules = 0

    def write(self, value: object, path: Path) -> None:
        """Writes the object."""
        import skops.io

        with path.open("wb") as file:
            skops.io.dump(value, file, compression=zipfile.ZIP_DEFLATED)

    def read(self, path: Path) -> object:
        """The object in the file."""
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException

        try:
            return skops.io.load(path, trusted=list(self.trusted))
        except UntrustedTypesFoundException:
            found = skops.io.get_untrusted_types(file=path)
            names = ", ".join(sorted(set(found) - set(self.trusted)))
            problem = f"holds types that are not trusted: {names}"
            advice = "if you know them, list them in the dataset's declaration: trusted=(...)"
            raise ReadError(str(path), problem, advice) from None
        except (zipfile.BadZipFile, OSError, KeyError, ValueError) as error:
            raise unreadable(path, error) from error

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the members of the file.

        skops names arrays by the address they had and notes an address beside every object: both
        are left out, and an array stands where it is named by the digest of its bytes.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                tree = json.loads(archive.read("schema.json"))
                digests = {
                    each: hashlib.sha256(archive.read(each)).hexdigest()
                    for each in archive.namelist()
                    if each != "schema.json"
                }
        except (zipfile.BadZipFile, OSError, KeyError, ValueError) as error:
            raise unreadable(path, error) from error
        text = json.dumps(_without_addresses(tree, digests), ensure_ascii=True)
        return fingerprint_parts("skops1", [text.encode()])

    def contents(self, path: Path, *, is_small: bool) -> Contents:  # noqa: ARG002
        """The fingerprint; there are no rows."""
        return Contents(self.fingerprint(path))

    def schema_text(self, path: Path) -> None:
        """None: it is no table."""

    def require_likely(self, path: Path) -> None:
        """Pass: what it is shows when it is opened."""

    def remembered(self) -> Remembered:
        """The same, which remembers what this process has read."""
        return Remembered(self)


@dataclass(frozen=True, slots=True)
class Remembered:
    """Reads models, and remembers the last few of this process.

    A week of forecasts reads one model: taking it apart again costs more than forecasting. What is
    handed out is made anew from bytes, so that a task that changes its model changes nobody else's.
    """

    form: Skops

    def read(self, path: Path) -> object:
        """The object in the file, as reading it anew would give it."""
        try:
            packed = _object_in(path, identity(path), self.form)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
            return self.form.read(path)  # skops knows more than pickling does
        return pickle.loads(packed)  # noqa: S301 - it was pickled here  # nosec B301


@functools.lru_cache(maxsize=4)
def _object_in(path: Path, _: FileIdentity | None, form: Skops) -> bytes:
    return pickle.dumps(form.read(path), pickle.HIGHEST_PROTOCOL)


def _without_addresses(node: Any, digests: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        kept = {key: each for key, each in node.items() if key != "__id__"}
        file = kept.get("file")
        if isinstance(file, str) and file in digests:
            kept["file"] = digests[file]
        return {
            key: each if key == "file" else _without_addresses(each, digests)
            for key, each in kept.items()
        }
    if isinstance(node, list):
        return [_without_addresses(each, digests) for each in node]
    return node
