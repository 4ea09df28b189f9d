"""Projects whose modules are texts in memory, for the tests of the code fingerprint."""

# ruff: noqa: E501 - a statement is a line

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imports import taken_out

from partflow.code.fingerprint import CodeFingerprint, CodeReader

ROOT = "jobs"


@dataclass(frozen=True)
class Source:
    name: str
    path: str
    text: str
    is_package: bool


class Project(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A project in memory: text by path, importable while it is entered."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.sources = {}
        for path, text in texts.items():
            is_package = path.endswith("__init__.py")
            name = path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
            self.sources[name] = Source(name, path, text, is_package)

    def find_spec(self, fullname, path=None, target=None):
        source = self.sources.get(fullname)
        if source is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=source.is_package)

    def exec_module(self, module):
        source = self.sources[module.__name__]
        exec(compile(source.text, source.path, "exec"), module.__dict__)

    @contextlib.contextmanager
    def imported(self) -> Iterator[None]:
        others = taken_out(ROOT)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            taken_out(ROOT)
            sys.modules.update(others)

    def fingerprint(self, name: str = "jobs.sales.clean_sales", **declared: str) -> CodeFingerprint:
        module, _, attribute = name.rpartition(".")
        with self.imported():
            function: Callable[..., object] = getattr(importlib.import_module(module), attribute)
            return CodeReader(self.sources.get, modules=self.sources).fingerprint(
                function, tuple(declared.items())
            )


def of(text: str, name: str = "clean_sales", more: dict[str, str] | None = None) -> CodeFingerprint:
    texts = {"jobs/__init__.py": "", "jobs/sales.py": textwrap.dedent(text)} | (more or {})
    return Project(texts).fingerprint(f"jobs.sales.{name}")


SALES = '''
"""What the shops sold."""
from __future__ import annotations
import functools
import json as js
from typing import TYPE_CHECKING
from jobs import rates
from jobs.rates import VAT, rounded as to_cents
from . import units as u
from jobs.shared import *
import jobs.deep.below
from jobs.marks import marked, scaled
if TYPE_CHECKING:
    from collections.abc import Sequence
FLOOR = 0x10
LABEL = "sold"
STEPS = [1]
STEPS.append(2)
TABLE = {"a": 1}
TABLE["b"] = 2
COUNT = 1
COUNT += 1
SPAN: int = 7
if FLOOR > 3:
    SIZE = "big"
else:
    SIZE = "small"
try:
    from jobs.fast import speed
except ImportError:
    def speed(): return 0
for each in (1, 2):
    STEPS.append(each)
REGISTERED = []
def register(function):
    REGISTERED.append(function)
    return function
@register
def first(row):
    return row
class Rule:
    """A rule."""
    limit: int = 5
    name = "rule"
    def holds(self, row: int) -> bool:
        """Whether it does."""
        return row < self.limit + GRACE
class Strict(Rule):
    def holds(self, row):
        return super().holds(row) and row != 0
GRACE = 1
UNUSED = "never read"
doubled = lambda value: value * FACTOR
FACTOR = 2
halved = functools.partial(divided, by=2)
def unrelated(frame):
    return UNUSED
def default_of(value, by=DEFAULT):
    return value + by
@marked
@scaled(3)
def clean_sales(raw: list[int], UNUSED: int = 0) -> list[int]:
    """The sales.

    In a few words."""
    # the till's own marks
    threshold: int = FLOOR + VAT + SPAN
    def inner(value):
        return value + INNER
    text = f"{LABEL}: {threshold:>{WIDTH}} " "pounds"
    rows = [to_cents(row) for row in raw if row > rates.MINIMUM and Strict().holds(row)]
    rows += map(lambda row: row + LIFTED, rows)
    rows += [u.GRAM, shared_constant, jobs.deep.below.depth(), speed(), len(SIZE), len(js.dumps([]))]
    for function in REGISTERED:
        rows.append(len(STEPS) + len(TABLE) + COUNT + len(text) + inner(1))
    from jobs.late import arrived
    return [doubled(halved(default_of(row))) + arrived() for row in rows]
INNER = 1
WIDTH = 4
LIFTED = 3
if __name__ == "__main__":
    FLOOR = 3
    print(clean_sales([1]))
'''.replace(
    "from typing import TYPE_CHECKING",
    "from typing import TYPE_CHECKING\nDEFAULT = 1\ndef divided(value, by):\n    return value / by",
)

TEXTS = {
    "jobs/__init__.py": "",
    "jobs/sales.py": SALES,
    "jobs/rates.py": "import decimal\nVAT = 19\nMINIMUM = 1\nOTHER = 2\n"
    "def rounded(value):\n    return _half_up(value)\ndef _half_up(value):\n    return value + PLACES\n"
    "PLACES = 2\n",
    "jobs/units.py": "GRAM = 1\nTON = 1_000_000\n",
    "jobs/shared/__init__.py": "from .inside import *\n__all__ = ['shared_constant', 'other_constant']\n",
    "jobs/shared/inside.py": "shared_constant = 4\nother_constant = 5\n",
    "jobs/deep/__init__.py": "DEPTH = 1\n",
    "jobs/deep/below.py": "from .. import units\nfrom . import DEPTH\ndef depth():\n    return DEPTH\ndef height():\n    return 0\n",
    "jobs/fast.py": "def speed():\n    return 9\n",
    "jobs/late.py": "def arrived():\n    return 1\ndef departed():\n    return 2\n",
    "jobs/marks.py": "import functools\nMARK = 'm'\ndef marked(function):\n    @functools.wraps(function)\n"
    "    def wrapper(*given):\n        return function(*given) or MARK\n    return wrapper\n"
    "def scaled(by):\n    def decorate(function):\n        @functools.wraps(function)\n        def wrapper(*given):\n"
    "            return by and function(*given)\n        return wrapper\n    return decorate\n",
}
