"""The code fingerprint: a digest over a function and all of the user's project that it reaches.

It does not know where modules lie (it is handed their text), what a declaration means, or what
a changed fingerprint leads to. What it could not follow it says.
"""

import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from partflow.code.additions import Additions
from partflow.code.changes import ChangeReader
from partflow.code.closure import Closure
from partflow.code.contents import CodeContents, Named
from partflow.code.handed import HandedFiles
from partflow.code.imports import Imports
from partflow.code.index import ModuleText
from partflow.code.listing import Lister, PartList, add_part
from partflow.code.normalform import digest_of, encoded, framed
from partflow.code.reach import Key, NotFollowed, Reach, SourceOf, SqlOf
from partflow.code.regions import Region, Regions
from partflow.code.values import bytecode, captured, held_by, name_of, plain_qualname

__all__ = [
    "RULES",
    "CodeFingerprint",
    "CodeReader",
    "ModuleText",
    "NotFollowed",
    "SourceOf",
    "SqlOf",
]

RULES: Final = 2
"""The number of the present rules. Later rules only add parts to what those before gave."""

_LISTINGS_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class CodeFingerprint:
    """`parts` are (name, digest), sorted: those that differ between two are what changed.

    `older` are (rules, digest): the digests of this same code under earlier rules, where they
    differ from the present one.
    """

    digest: str
    parts: tuple[tuple[str, str], ...]
    not_followed: tuple[NotFollowed, ...]
    older: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class _Walk:
    """What the objects of one task hold.

    `parts` are digests by name, `keys` names of the project, `loose` pieces of its code without a
    name. `objects` are still to be looked at, `more` after them, by the second rules.
    """

    parts: dict[str, str] = field(default_factory=dict)
    not_followed: set[NotFollowed] = field(default_factory=set)
    keys: list[Key] = field(default_factory=list)
    loose: list[Named] = field(default_factory=list)
    objects: list[object] = field(default_factory=list)
    more: list[object] = field(default_factory=list)
    # Kept, not only their ids: an id is free again when its object is gone.
    seen: dict[int, object] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        add_part(self.parts, name, digest_of(content))

    def report(self, place: str, what: str) -> None:
        self.not_followed.add(NotFollowed(place, what))


class CodeReader:
    """Fingerprints the functions of one project; each module is parsed once.

    `modules` are those that are imported before any function runs, wherever they are: what they
    change in each other counts. What they import need not be named.
    Without `sql_of`, files that are read by `partflow.sql_file` are reported as not followed.
    """

    def __init__(
        self, source_of: SourceOf, sql_of: SqlOf | None = None, modules: Iterable[str] = ()
    ) -> None:
        self._reach = Reach(source_of, sql_of)
        self._additions = Additions(self._reach)
        self._imports = Imports(self._reach)
        self._roots = tuple(modules)
        self._imported: frozenset[str] | None = None
        self._closures: dict[str, Closure] = {}
        self._first = Regions[Key](
            lambda key: self._reach.piece(key).leads_to, self._first_contents
        )
        self._handed = HandedFiles(self._reach)
        self._lister = Lister()
        self._listing = lru_cache(_LISTINGS_KEPT)(self._list)

    def fingerprint(
        self,
        function: Callable[..., object],
        declared: tuple[tuple[str, str], ...] = (),
        added: tuple[tuple[str, str], ...] = (),
        formats: tuple[tuple[str, object], ...] = (),
    ) -> CodeFingerprint:
        """`declared` are names and texts that count too; they are parts named `declared.<name>`.

        `added` are such that earlier rules did not count. `formats` are the project's own, by name:
        what an object holds is the part `format.<name>`, and its class is followed.
        """
        walk = _Walk(objects=[function])
        for name, form in formats:
            self._carried(walk, f"format.{name}", held_by(form))
            walk.objects.append(type(form))
        for name, text in declared:
            walk.add(f"declared.{name}", framed("declared", encoded(text)))
        walk.add("function", framed("function", encoded(_written_name(function))))
        self._objects(walk, function)
        before = self._by_first_rules(walk)
        while walk.more:
            walk.objects, walk.more = walk.more, []
            self._objects(walk, function)
        closed = self._closure(_module_of(function)).of(walk.keys, walk.loose)
        walk.not_followed.update(closed.not_followed())
        for _, form in formats:
            walk.not_followed = self._handed.without_handed(type(form), walk.not_followed)
        for name, text in added:
            walk.add(f"declared.{name}", framed("declared", encoded(text)))
        shared = self._listing(closed.reached.region)
        digest, parts = self._lister.digest(walk.parts, closed.beside.parts, shared)
        older = () if digest == before else ((1, before),)
        not_followed = tuple(sorted(walk.not_followed, key=_by_place))
        return CodeFingerprint(digest, parts, not_followed, older)

    def _by_first_rules(self, walk: _Walk) -> str:
        """The digest over what the statements of names lead to, and nothing else."""
        leads = (key for _, piece in walk.loose for key in piece.leads_to)
        reached = self._first.reach([*walk.keys, *leads])
        beside = self._first.contents(reached.beside)
        return self._lister.digest(walk.parts, beside.parts, self._listing(reached.region))[0]

    def _first_contents(self, key: Key) -> CodeContents:
        piece = self._reach.piece(key)
        return CodeContents(frozenset([(".".join(key), piece.digest), *piece.files]))

    def _list(self, region: Region[Any]) -> PartList:
        return self._lister.listing(region.contents.parts)

    def _closure(self, module: str) -> Closure:
        """What can be reached among all modules that a function of `module` runs among.

        Which functions were looked at before makes no difference.
        """
        if self._imported is None:
            self._imported = frozenset(self._imports.modules(self._roots))
        name = "" if module in self._imported else module
        if name not in self._closures:
            names = self._imports.modules([*self._roots, name])
            indexes = [index for each in names if (index := self._reach.index(each))]
            changes = ChangeReader(self._reach, indexes).read()
            self._closures[name] = Closure(self._reach, self._additions, changes, self._imported)
        return self._closures[name]

    # Objects: what is at hand when a function is declared

    def _objects(self, walk: _Walk, asked_for: object) -> None:
        while walk.objects:
            value = walk.objects.pop()
            if id(value) not in walk.seen:
                walk.seen[id(value)] = value
                self._object(walk, value, is_asked_for=value is asked_for)

    def _object(self, walk: _Walk, value: object, *, is_asked_for: bool) -> None:
        match value:
            case types.FunctionType():
                self._function(walk, value, is_asked_for=is_asked_for)
            case types.MethodType():
                walk.objects.append(value.__func__)
                self._carried(walk, f"{name_of(value.__func__)}.__self__", value.__self__)
            case type():
                module, name = value.__module__, value.__qualname__.partition(".")[0]
                walk.keys.extend(self._reach.keys(module, name))
                if self._reach.is_unread(module):
                    walk.report(module, f"the text of {name_of(value)!r}: its module is not Python")
            case types.BuiltinFunctionType():
                walk.add(name_of(value), framed("library", encoded(name_of(value))))
            case _ if hasattr(value, "__wrapped__"):
                walk.objects.append(value.__wrapped__)
            case _:
                self._carried(walk, "carried", value)

    def _function(self, walk: _Walk, function: types.FunctionType, *, is_asked_for: bool) -> None:
        # Not `__module__` and `__qualname__`: functools.wraps copies those of what it wraps.
        module = str(function.__globals__.get("__name__"))
        qualname = plain_qualname(function.__code__.co_qualname)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            walk.objects.append(wrapped)
        if self._located(walk, module, function.__code__):
            label = f"{module}.{qualname}"
            for name, cell in zip(
                function.__code__.co_freevars, function.__closure__ or (), strict=True
            ):
                self._cell(walk, f"{label}.{name}", cell)
            if "<" in qualname:
                defaults = (function.__defaults__, function.__kwdefaults__)
                if any(defaults):
                    self._carried(walk, f"{label}.defaults", defaults)
            return
        is_nowhere = function.__code__.co_filename.startswith("<") or self._reach.is_unread(module)
        if wrapped is None and (is_asked_for or is_nowhere):
            name = name_of(function)
            walk.add(name, bytecode(function.__code__, function.__doc__))
            line = function.__code__.co_firstlineno
            walk.report(
                f"{module}:{line}",
                f"the text of {name!r}, not found in the project: only its bytecode counts",
            )

    def _cell(self, walk: _Walk, label: str, cell: types.CellType) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not yet bound
            return
        self._carried(walk, label, value)

    def _carried(self, walk: _Walk, label: str, value: object) -> None:
        got = captured(value)
        walk.add(label, got.content)
        walk.objects.extend(got.code)
        walk.more.extend(got.more)
        for kind in got.unread:
            walk.report(label, f"the value of a {kind!r} object")

    def _located(self, walk: _Walk, module: str, code: types.CodeType) -> bool:
        """Whether the text of `code` is in the project; what it is part of is then gathered."""
        top = plain_qualname(code.co_qualname).partition(".")[0]
        if not top.startswith("<"):
            keys = self._reach.keys(module, top)
            walk.keys.extend(keys)
            return bool(keys)
        piece = self._reach.lambdas(module, code.co_firstlineno)
        if piece is None:
            return False
        label = f"{module}.{top}"
        for name, digest in ((label, piece.digest), *piece.files):
            add_part(walk.parts, name, digest)
        walk.loose.append((label, piece))
        return True


def _module_of(function: object) -> str:
    """The module that a function was written in, beneath partials and decorators."""
    while not isinstance(function, types.FunctionType):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
        inner = inner or getattr(function, "__func__", None)
        if inner is None or isinstance(function, type):
            return str(getattr(function, "__module__", ""))
        function = inner
    return str(function.__globals__.get("__name__"))


def _written_name(function: object) -> str:
    """The name that the user wrote, beneath partials and decorators."""
    while True:
        inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
        if inner is None or isinstance(function, type):
            return name_of(function)
        function = inner


def _by_place(report: NotFollowed) -> tuple[str, int, str]:
    path, _, line = report.place.rpartition(":")
    return path, int(line) if line.isdigit() else 0, report.what
