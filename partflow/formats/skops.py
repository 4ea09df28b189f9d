"""Trained models in files of skops, which are read without running any code in them.

Knows nothing of datasets. Files are never pickled: to load a pickle runs whatever is in it.
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
from partflow.formats.format import Untabled
from partflow.formats.unreadable import unreadable
from partflow.store.identity import FileIdentity, identity


@dataclass(frozen=True, slots=True)
class Skops(Untabled):
    """The format of a trained model, or any other object that skops can store.

    `trusted` names types that may be rebuilt although skops does not know them to be harmless.
    """

    trusted: tuple[str, ...] = ()

    name = "skops"
    rules = 0

    def write(self, value: object, path: Path) -> None:
        """Write the object; what skops raises for one that it cannot store goes through."""
        import skops.io

        with path.open("wb") as file:
            skops.io.dump(value, file, compression=zipfile.ZIP_DEFLATED)

    def read(self, path: Path) -> object:
        """The object in the file; ReadError if it is damaged, or holds types not trusted."""
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException

        try:
            return skops.io.load(path, trusted=list(self.trusted))
        except UntrustedTypesFoundException:
            untrusted = skops.io.get_untrusted_types(file=path)
            names = ", ".join(sorted(set(untrusted) - set(self.trusted)))
            problem = f"holds types that are not trusted: {names}"
            advice = "if you know them, list them in the dataset's declaration: trusted=(...)"
            raise ReadError(str(path), problem, advice) from None
        except (zipfile.BadZipFile, OSError, KeyError, ValueError) as error:
            raise unreadable(path, error) from error

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the members of the file; ReadError if it is damaged.

        skops names arrays by their addresses in memory, and notes an address with every object.
        Both are left out, and an array's name is replaced by the digest of its bytes.
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

    def remembered(self) -> Remembered:
        """This format, but it remembers what this process has read."""
        return Remembered(self)


@dataclass(frozen=True, slots=True)
class Remembered:
    """Reads models, and remembers the last four of this process.

    The forecasts of a week read one model, and reading it again costs more than forecasting. Each
    reader gets a new object from bytes, so that a task that changes its model changes no other's.
    """

    form: Skops

    def read(self, path: Path) -> object:
        """A new copy of the object in the file; ReadError as for `Skops.read`."""
        try:
            packed = _object_in(path, identity(path), self.form)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
            return self.form.read(path)  # skops can store some objects that pickle cannot.
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
