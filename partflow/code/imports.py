"""Finds which modules of a project are imported with some of them, and with what libraries.

It does not know what the modules do.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from partflow.code.index import ModuleIndex
from partflow.code.reach import Reach

_INNER_IMPORT: Final = re.compile(
    r"^[ \t]+(?:from|import)[ \t]+([\w.]+)(?:[ \t]+import[ \t]+([\w, ]+))?", re.MULTILINE
)


class Imports:
    """The imports of the modules of one project."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._libraries: dict[str, frozenset[str]] = {}

    def modules(self, roots: Sequence[str]) -> list[str]:
        """The modules of the project among `roots`, and all that those import, sorted."""
        names = set[str]()
        queue, seen = list(roots), set[str]()
        while queue:
            name = queue.pop()
            if name in seen or not name:
                continue
            seen.add(name)
            queue.append(name.rpartition(".")[0])
            index = self._reach.index(name)
            if index is None:
                continue
            names.add(name)
            queue += [each for each in self._imports(index) if self._may_be_own(each)]
        return sorted(names)

    def _imports(self, index: ModuleIndex) -> Iterator[str]:
        for origins in index.origins.values():
            for origin in origins:
                yield origin.module
                if origin.attribute is not None:
                    yield f"{origin.module}.{origin.attribute}"
        yield from (star.module for star in index.stars)
        for module, names in _INNER_IMPORT.findall(index.source.text):
            yield module
            yield from (f"{module}.{name.strip().partition(' ')[0]}" for name in names.split(","))

    def _may_be_own(self, module: str) -> bool:
        top = module.partition(".")[0]
        return top not in sys.stdlib_module_names and self._reach.index(top) is not None

    def libraries(self, module: str) -> frozenset[str]:
        """The libraries that a module of the project imports: the first words of their names."""
        if module not in self._libraries:
            index = self._reach.index(module)
            origins = (each for o in index.origins.values() for each in o) if index else ()
            self._libraries[module] = frozenset(
                origin.module.partition(".")[0]
                for origin in origins
                if self._reach.index(origin.module) is None
            )
        return self._libraries[module]
