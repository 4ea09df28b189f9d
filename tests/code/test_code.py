"""The specification of the code fingerprint: edits of a small project, and what each one does."""

# ruff: noqa: E501 - a case is a line

import functools
import importlib
import subprocess
import sys

import pytest
from texts import TEXTS, Project, of

from partflow.code.fingerprint import CodeReader

STALE, FRESH = True, False
S = "jobs/sales.py"

# What is edited, in which file, before, after, whether that makes the task stale, and one part
# that differs then.
EDITS: list[tuple[str, str, str, str, bool, str | None]] = [
    ("the body", S, "return [doubled", "return [1 + doubled", STALE, "jobs.sales.clean_sales"),
    ("an operator", S, "FLOOR + VAT", "FLOOR - VAT", STALE, "jobs.sales.clean_sales"),
    ("a condition", S, "row > rates", "row >= rates", STALE, "jobs.sales.clean_sales"),
    ("a default", S, "UNUSED: int = 0", "UNUSED: int = 1", STALE, "jobs.sales.clean_sales"),
    ("a default by name", S, "DEFAULT = 1", "DEFAULT = 2", STALE, "jobs.sales.DEFAULT"),
    ("a parameter's name", S, "UNUSED: int = 0", "spare: int = 0", STALE, "jobs.sales.clean_sales"),
    ("a comment", S, "# the till's own marks", "# theirs", FRESH, None),
    ("a docstring", S, "In a few words.", "In some words.", FRESH, None),
    ("a docstring that is gone", S, '"""A rule."""', "", FRESH, None),
    ("a method's docstring", S, "Whether it does.", "If it does.", FRESH, None),
    ("the module's docstring", S, "What the shops sold.", "Sales.", FRESH, None),
    ("a docstring that was not there", S, "def speed(): return 0", "def speed():\n        'Slow.'\n        return 0", FRESH, None),
    ("an annotation of a parameter", S, "raw: list[int]", "raw: Sequence[int]", FRESH, None),
    ("an annotation of the result", S, ") -> list[int]:", "):", FRESH, None),
    ("an annotation of a method", S, "row: int) -> bool", "row: float) -> int", FRESH, None),
    ("an annotation of a local variable", S, "threshold: int =", "threshold =", FRESH, None),
    ("an annotation of a module's variable", S, "SPAN: int = 7", "SPAN = 7", FRESH, None),
    ("an annotation without a value", S, "    def inner(value)", "    spare: int\n    def inner(value)", FRESH, None),
    ("an annotation in a class body", S, "limit: int = 5", "limit: float = 5", STALE, "jobs.sales.Rule"),
    ("an annotation for type checkers", S, "collections.abc import Sequence", "typing import Sequence", FRESH, None),
    ("spaces", S, "FLOOR + VAT + SPAN", "FLOOR+VAT   +  SPAN", FRESH, None),
    ("brackets that change nothing", S, "return UNUSED", "return (UNUSED)", FRESH, None),
    ("brackets in the task", S, "FLOOR + VAT + SPAN", "((FLOOR + VAT) + SPAN)", FRESH, None),
    ("brackets that change the order", S, "FLOOR + VAT + SPAN", "FLOOR + (VAT + SPAN)", STALE, None),
    ("a trailing comma", S, "UNUSED: int = 0)", "UNUSED: int = 0,)", FRESH, None),
    ("a statement on lines of its own", S, "for each in (1, 2):\n    ", "for each in (1, 2): ", FRESH, None),
    ("quotes", S, 'LABEL = "sold"', "LABEL = 'sold'", FRESH, None),
    ("a raw text", S, 'LABEL = "sold"', 'LABEL = r"sold"', FRESH, None),
    ("a u before a text", S, 'LABEL = "sold"', 'LABEL = u"sold"', FRESH, None),
    ("texts that touch", S, 'LABEL = "sold"', 'LABEL = "so" "ld"', FRESH, None),
    ("a text that became bytes", S, 'LABEL = "sold"', 'LABEL = b"sold"', STALE, "jobs.sales.LABEL"),
    ("a number's spelling", S, "FLOOR = 0x10", "FLOOR = 1_6", FRESH, None),
    ("a number's type", S, "FLOOR = 0x10", "FLOOR = 16.0", STALE, "jobs.sales.FLOOR"),
    ("a number that became a truth", S, "GRACE = 1", "GRACE = True", STALE, "jobs.sales.GRACE"),
    ("pass beside a statement", S, "    return row\n", "    pass\n    return row\n", FRESH, None),
    ("the order of definitions", S, "INNER = 1\nWIDTH = 4\n", "WIDTH = 4\nINNER = 1\n", FRESH, None),
    ("blank lines", S, "\nGRACE = 1", "\n\n\n\nGRACE = 1", FRESH, None),
    ("a constant", S, "SPAN: int = 7", "SPAN: int = 8", STALE, "jobs.sales.SPAN"),
    ("a constant in a nested function", S, "INNER = 1", "INNER = 2", STALE, "jobs.sales.INNER"),
    ("a constant in a lambda", S, "LIFTED = 3", "LIFTED = 4", STALE, "jobs.sales.LIFTED"),
    ("a constant in a format specification", S, "WIDTH = 4", "WIDTH = 5", STALE, "jobs.sales.WIDTH"),
    ("a constant in an f-string", S, 'LABEL = "sold"', 'LABEL = "gone"', STALE, "jobs.sales.LABEL"),
    ("the text of an f-string", S, '" "pounds"', '" "francs"', STALE, "jobs.sales.clean_sales"),
    ("the pieces of an f-string", S, '} " "pounds"', '} pounds"', FRESH, None),
    ("a conversion in an f-string", S, "{LABEL}", "{LABEL!r}", STALE, "jobs.sales.clean_sales"),
    ("a lambda of the module", S, "value * FACTOR", "value / FACTOR", STALE, "jobs.sales.doubled"),
    ("a constant of such a lambda", S, "FACTOR = 2", "FACTOR = 3", STALE, "jobs.sales.FACTOR"),
    ("an argument of a partial", S, "divided, by=2", "divided, by=4", STALE, "jobs.sales.halved"),
    ("the function of a partial", S, "return value / by", "return value // by", STALE, "jobs.sales.divided"),
    ("an unused constant", S, '"never read"', '"never"', FRESH, None),
    ("a constant of a parameter's name", S, "UNUSED = ", "UNUSED = None or ", FRESH, None),
    ("an unrelated function", S, "return UNUSED", "return 2", FRESH, None),
    ("a new function", S, "INNER = 1\n", "INNER = 1\ndef new(): return clean_sales\n", FRESH, None),
    ("a new import", S, "import functools\n", "import functools\nimport decimal\n", FRESH, None),
    ("an import of a library by another name", S, "import json as js", "import json, json as js", FRESH, None),
    ("an import of another library", S, "import json as js", "import pickle as js", STALE, "jobs.sales.js"),
    ("what is appended", S, "STEPS.append(2)", "STEPS.append(3)", STALE, "jobs.sales.STEPS"),
    ("what is appended in a loop", S, "(1, 2)", "(1, 2, 3)", STALE, None),
    ("what a key is set to", S, 'TABLE["b"] = 2', 'TABLE["b"] = 3', STALE, "jobs.sales.TABLE"),
    ("what is added", S, "COUNT += 1", "COUNT += 2", STALE, "jobs.sales.COUNT"),
    ("the test of a branch", S, "FLOOR > 3", "FLOOR > 4", STALE, "jobs.sales.SIZE"),
    ("a branch", S, 'SIZE = "small"', 'SIZE = "tiny"', STALE, "jobs.sales.SIZE"),
    ("what stands in for an import", S, "def speed(): return 0", "def speed(): return 1", STALE, "jobs.sales.speed"),
    ("a block of the script", S, "print(clean_sales([1]))", "print(1)", FRESH, None),
    ("a change in the block of the script", S, "    FLOOR = 3", "    FLOOR = 4", FRESH, None),
    ("a registered function", S, "def first(row):\n    return row", "def first(row):\n    return 2", STALE, None),
    ("another registered function", S, "class Rule:", "@register\ndef second(row): return row\nclass Rule:", STALE, None),
    ("a method", S, "row < self.limit", "row <= self.limit", STALE, "jobs.sales.Rule"),
    ("a method of the class itself", S, "row != 0", "row != 1", STALE, "jobs.sales.Strict"),
    ("a class attribute", S, 'name = "rule"', 'name = "law"', STALE, "jobs.sales.Rule"),
    ("a class attribute set from outside", S, "GRACE = 1\n", "GRACE = 1\nRule.limit = 6\n", STALE, "jobs.sales.Rule"),
    ("what a method uses", S, "GRACE = 1", "GRACE = 2", STALE, "jobs.sales.GRACE"),
    ("the bases", S, "class Strict(Rule)", "class Strict(Rule, object)", STALE, "jobs.sales.Strict"),
    ("the decorators' order", S, "@marked\n@scaled(3)", "@scaled(3)\n@marked", STALE, "jobs.sales.clean_sales"),
    ("a decorator's argument", S, "scaled(3)", "scaled(4)", STALE, None),
    ("a decorator's body", "jobs/marks.py", "or MARK", "and MARK", STALE, "jobs.marks.marked"),
    ("what a decorator uses", "jobs/marks.py", "MARK = 'm'", "MARK = 'n'", STALE, "jobs.marks.MARK"),
    ("a constant of another module", "jobs/rates.py", "VAT = 19", "VAT = 20", STALE, "jobs.rates.VAT"),
    ("a constant by its module", "jobs/rates.py", "MINIMUM = 1", "MINIMUM = 2", STALE, "jobs.rates.MINIMUM"),
    ("a neighbour in another module", "jobs/rates.py", "OTHER = 2", "OTHER = 3", FRESH, None),
    ("a helper's helper", "jobs/rates.py", "value + PLACES", "value - PLACES", STALE, "jobs.rates._half_up"),
    ("a helper's helper's constant", "jobs/rates.py", "PLACES = 2", "PLACES = 3", STALE, "jobs.rates.PLACES"),
    ("a comment in another module", "jobs/rates.py", "VAT = 19", "VAT = 19  # %", FRESH, None),
    ("a module by another name", "jobs/units.py", "GRAM = 1", "GRAM = 2", STALE, "jobs.units.GRAM"),
    ("a neighbour in such a module", "jobs/units.py", "TON = 1", "TON = 2", FRESH, None),
    ("a relative import made absolute", S, "from . import units as u", "from jobs import units as u", FRESH, None),
    ("an import of a module otherwise", S, "from . import units as u", "import jobs.units as u", STALE, "jobs.sales.u"),
    ("a name that goes elsewhere", S, "import VAT, rounded", "import OTHER as VAT, rounded", STALE, None),
    ("imports on two lines", S, "import VAT, rounded as to_cents", "import VAT\nfrom jobs.rates import rounded as to_cents", FRESH, None),
    ("a star import's constant", "jobs/shared/inside.py", "shared_constant = 4", "shared_constant = 6", STALE, "jobs.shared.inside.shared_constant"),
    ("a star import's other constant", "jobs/shared/inside.py", "other_constant = 5", "other_constant = 6", FRESH, None),
    ("a star import that goes elsewhere", S, "from jobs.shared import *", "from jobs.shared.inside import *", STALE, "jobs.sales.shared_constant"),
    ("a function by its long name", "jobs/deep/below.py", "return DEPTH", "return -DEPTH", STALE, "jobs.deep.below.depth"),
    ("its neighbour", "jobs/deep/below.py", "return 0", "return 1", FRESH, None),
    ("a constant in a package's own file", "jobs/deep/__init__.py", "DEPTH = 1", "DEPTH = 2", STALE, "jobs.deep.DEPTH"),
    ("an import in a try", "jobs/fast.py", "return 9", "return 8", STALE, "jobs.fast.speed"),
    ("an import in a function", "jobs/late.py", "return 1", "return 3", STALE, "jobs.late.arrived"),
    ("a neighbour of such", "jobs/late.py", "return 2", "return 3", FRESH, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "before", "after", "stale", "part"),
    [edit[1:] for edit in EDITS],
    ids=[edit[0] for edit in EDITS],
)
def test_an_edit_makes_a_task_stale_only_if_it_could_change_the_result(
    path, before, after, stale, part
):
    assert TEXTS[path].count(before) >= 1
    old = Project(TEXTS).fingerprint()
    new = Project(TEXTS | {path: TEXTS[path].replace(before, after, 1)}).fingerprint()
    assert (old.digest != new.digest) is stale
    assert bool(set(old.parts) ^ set(new.parts)) is stale
    if part is not None:
        assert part in {name for name, _ in set(old.parts) ^ set(new.parts)}


def test_the_table_holds_at_least_sixty_edits_of_different_names():
    assert len({edit[0] for edit in EDITS}) == len(EDITS) >= 60


def test_names_the_parts_that_differ_and_no_others():
    old = Project(TEXTS).fingerprint()
    new = Project(
        TEXTS | {"jobs/rates.py": TEXTS["jobs/rates.py"].replace("19", "20")}
    ).fingerprint()
    assert {name for name, _ in set(old.parts) ^ set(new.parts)} == {"jobs.rates.VAT"}


def test_the_order_of_two_changes_of_one_name_counts():
    text = "X = [1]\n{}\ndef clean_sales(raw): return X"
    changes = ["X.append(2)\nX.append(3)", "X.append(3)\nX.append(2)"]
    assert of(text.format(changes[0])).digest != of(text.format(changes[1])).digest


def test_imported_names_that_change_places_make_a_task_stale():
    more = {"jobs/m.py": "x = 1\ny = 2\n"}
    text = "from jobs.m import x as {}, y as {}\ndef clean_sales(raw): return a - b"
    assert (
        of(text.format("a", "b"), more=more).digest != of(text.format("b", "a"), more=more).digest
    )


def test_a_task_that_calls_another_is_not_taken_for_it():
    text = "def clean_sales(raw): return other(raw)\ndef other(raw): return clean_sales(raw)"
    assert of(text).digest != of(text, "other").digest


def test_what_is_declared_counts_by_name_and_text():
    project = Project({"jobs/__init__.py": "", "jobs/sales.py": "def clean_sales(raw): return raw"})
    old = project.fingerprint(schema="a", version="1")
    new = project.fingerprint(schema="a", version="2")
    assert {name for name, _ in set(old.parts) ^ set(new.parts)} == {"declared.version"}
    assert old.digest != new.digest


def test_what_a_later_rule_adds_is_a_part_and_the_digest_of_before_is_told():
    project = Project({"jobs/__init__.py": "", "jobs/sales.py": "def clean_sales(raw): return raw"})
    old = project.fingerprint()
    with project.imported():
        function = importlib.import_module("jobs.sales").clean_sales
        new = CodeReader(project.sources.get).fingerprint(function, (), (("hours", "zoned"),))
    assert old.older == ()
    assert new.older == ((1, old.digest),)
    assert {name for name, _ in set(old.parts) ^ set(new.parts)} == {"declared.hours"}


DECLARED = """
    from partflow.declarations.dataset import Dataset
    from partflow.partitions.calendar import Daily
    from partflow.declarations.task import task
    clean = Dataset("clean_sales", Daily("{start}"))
    @task(writes=clean, retries={retries})
    def clean_sales():
        return {body}
"""


def test_what_partflows_own_decorators_declare_is_left_to_the_declaration():
    old = of(DECLARED.format(start="2024-01-01", retries=1, body=1))
    assert old.digest == of(DECLARED.format(start="2023-01-01", retries=2, body=1)).digest
    assert old.digest != of(DECLARED.format(start="2024-01-01", retries=1, body=2)).digest
    assert [name for name, _ in old.parts] == ["function", "jobs.sales.clean_sales"]


FACTORY = """
    def helper(row): return row {sign} 1
    def make(factor, step):
        offset = {offset}
        def clean(raw): return step(raw) * factor
        return clean
    clean_sales = make({factor}, helper)
"""


@pytest.mark.parametrize(
    "edit", [{"sign": "-"}, {"offset": 8}, {"factor": 3}], ids=["a function", "text", "a value"]
)
def test_a_closure_counts_with_its_factory_and_what_it_holds(edit):
    plain = {"sign": "+", "offset": 7, "factor": 2}
    assert of(FACTORY.format(**plain)).digest != of(FACTORY.format(**plain | edit)).digest


def test_two_closures_of_one_factory_differ():
    text = (
        "def make(n):\n    def f(raw): return n\n    return f\na, b, c = make(1), make(2), make(1)"
    )
    assert of(text, "a").digest != of(text, "b").digest
    assert of(text, "a").digest == of(text, "c").digest


CARRIED = {
    "the value of an enum's member": "class E(enum.Enum):\n    A = {}\nheld = E.A",
    "a method of an enum": "class E(enum.IntEnum):\n    A = 1\n    def twice(self): return {}\nheld = [E.A]",
    "the factory of a dictionary of defaults": "def zero(): return {}\nheld = collections.defaultdict(zero)",
    "the lambda of a dictionary of defaults": "held = collections.defaultdict(lambda: {})",
    "an attribute of a list": "class Rows(list): ...\nheld = Rows()\nheld.limit = {}",
    "a method of a list": "class Rows(list):\n    def limit(self): return {}\nheld = Rows()",
    "a method of a dictionary": "class Rows(dict):\n    def __missing__(self, key): return {}\nheld = Rows()",
    "a method of a named tuple": "class Row(typing.NamedTuple):\n    a: int\n    def limit(self): return {}\nheld = Row(1)",
}


@pytest.mark.parametrize("text", CARRIED.values(), ids=CARRIED.keys())
def test_what_a_carried_value_can_do_counts_under_the_present_rules(text):
    text = f"import collections, enum, typing\n{text}\ndef make(held):\n"
    text += "    def f(raw): return held\n    return f\nclean_sales = make(held)"
    first, second = of(text.replace("{}", "1")), of(text.replace("{}", "2"))
    assert first.digest != second.digest
    # Under the rules of before, it was one code.
    assert [rules for rules, _ in first.older] == [1]
    assert first.older == second.older


def test_a_flag_without_a_name_is_carried_by_its_value():
    text = "import enum\nclass F(enum.Flag):\n    A = 1\n    B = 2\ndef make(held):\n"
    text += "    def f(raw): return held\n    return f\na, b, c = make(F(0)), make(F.A), make(F(0))"
    assert of(text, "a").digest != of(text, "b").digest
    assert of(text, "a").digest == of(text, "c").digest


def test_defaults_of_functions_made_in_a_loop_count():
    text = "made = []\nfor n in (1, 2):\n    made.append(lambda raw, n=n: n)\na, b = made"
    assert of(text, "a").digest != of(text, "b").digest


def test_a_lambda_is_found_by_its_line_and_not_by_its_neighbours():
    text = "X = 1\nclean_sales = (\n    lambda raw: raw + X\n)\nother = lambda raw: {}\n"
    old = of(text.format(1))
    assert old.digest == of("\n\n" + text.format(2)).digest
    assert old.digest != of(text.format(1).replace("X = 1", "X = 2")).digest


def test_a_partial_counts_with_its_function_and_arguments():
    text = """
        import functools
        def clean(raw, by): return raw {sign} by
        clean_sales = functools.partial(clean, by={by})
    """
    old = of(text.format(sign="+", by=1))
    assert old.digest != of(text.format(sign="-", by=1)).digest
    assert old.digest != of(text.format(sign="+", by=2)).digest


def test_a_bound_method_counts_with_its_object_and_class():
    text = """
        from dataclasses import dataclass
        @dataclass(frozen=True)
        class Cleaner:
            by: int
            def clean(self, raw): return raw {sign} self.by
        clean_sales = Cleaner({by}).clean
    """
    old = of(text.format(sign="+", by=1))
    assert old.digest != of(text.format(sign="-", by=1)).digest
    assert old.digest != of(text.format(sign="+", by=2)).digest
    assert old.not_followed == ()


def test_a_cached_function_is_looked_through():
    text = "import functools\n@functools.cache\ndef clean_sales(raw): return {}"
    assert of(text.format(1)).digest != of(text.format(2)).digest
    assert of(text.format(1)).not_followed == ()


def test_functions_that_call_each_other_come_to_an_end():
    text = "def clean_sales(raw): return b(raw)\ndef b(raw): return clean_sales(raw) + {}"
    assert of(text.format(1)).digest != of(text.format(2)).digest


def test_imports_in_a_circle_come_to_an_end():
    more = {
        "jobs/a.py": "from jobs.b import *\nX = 1\ndef g(): return Y + missing\n",
        "jobs/b.py": "from jobs.a import *\nY = 2\n",
    }
    text = "def clean_sales(raw):\n    from jobs.a import g\n    return g()"
    assert "jobs.b.Y" in dict(of(text, more=more).parts)


def test_a_long_chain_of_calls_is_read():
    more = {"jobs/m.py": "X = 1\ndef far():\n    return X" + ".a()" * 900}
    text = "def clean_sales(raw):\n    from jobs.m import far\n    return far()"
    assert "jobs.m.X" in dict(of(text, more=more).parts)


def test_a_module_handed_on_counts_with_all_its_names():
    text = "from jobs import m\ndef clean_sales(raw): return vars(m)['x']"
    old, new = (of(text, more={"jobs/m.py": f"x = {value}\n"}) for value in (1, 2))
    assert old.digest != new.digest


def test_no_two_lists_of_parts_run_into_each_other():
    assert (
        of("def clean_sales(raw): return ['ab', 'c']").digest
        != of("def clean_sales(raw): return ['a', 'bc']").digest
    )


NOT_FOLLOWED = [
    ("def clean_sales(raw): return getattr(raw, 'x')()", "jobs/sales.py:1", "getattr(...)"),
    ("def clean_sales(raw): return eval(raw)", "jobs/sales.py:1", "eval(...)"),
    ("def clean_sales(raw):\n    exec(raw)", "jobs/sales.py:2", "exec(...)"),
    ("def clean_sales(raw):\n    return open('x').read()", "jobs/sales.py:2", "open(...)"),
    ("import os\ndef clean_sales(raw): return os.environ['X']", "jobs/sales.py:2", "os.environ"),
    ("import os\ndef clean_sales(raw): return os.environ.get('X')", "jobs/sales.py:2", "os.environ.get(...)"),
    ("from os import environ as e\ndef clean_sales(raw): return e['X']", "jobs/sales.py:2", "os.environ"),
    ("def clean_sales(raw):\n    import os\n    return os.getenv('X')", "jobs/sales.py:3", "os.getenv(...)"),
    ("import importlib\ndef clean_sales(raw): importlib.import_module('x')", "jobs/sales.py:2", "importlib.import_module(...)"),
    ("import polars as pl\ndef clean_sales(raw): return pl.read_csv('x')", "jobs/sales.py:2", "polars.read_csv(...)"),
    ("def clean_sales(raw, path): return path.read_text()", "jobs/sales.py:1", "path.read_text(...)"),
    ("T = {}\ndef clean_sales(raw):\n    pick = T[raw]\n    return pick(1)", "jobs/sales.py:4", "a call through the variable 'pick'"),
    ("def clean_sales(raw, pick): return pick(raw)", "jobs/sales.py:1", "a call through the variable 'pick'"),
    ("T = {}\ndef clean_sales(raw): return T['a'](raw)", "jobs/sales.py:2", "a call of what 'T[...]' holds"),
    ("T = {1: len}\npick = T[1]\ndef clean_sales(raw): return pick(raw)", "jobs/sales.py:3", "a call through the variable 'pick'"),
    ("from math import *\ndef clean_sales(raw): return sin(raw)", "jobs/sales.py:2", "'sin', perhaps of 'from math import *'"),
    ("X = open\ndef clean_sales(raw): return X(raw)", "jobs/sales.py:1", "open"),
    ("import io\ndef make(x):\n    def f(raw): return x\n    return f\nclean_sales = make(io.StringIO())", "jobs.sales.make.<locals>.f.x", "the value of a 'StringIO' object"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place", "what"),
    NOT_FOLLOWED,
    ids=[each[2] + " at " + each[1] + f" ({number})" for number, each in enumerate(NOT_FOLLOWED)],
)
def test_says_what_could_not_be_followed_and_where(text, place, what):
    assert (place, what) in {(each.place, each.what) for each in of(text).not_followed}


FOLLOWED = {
    "a nested function": "def clean_sales(raw):\n    def f(x): return x\n    return f(raw)",
    "a local lambda": "def clean_sales(raw):\n    f = lambda x: x\n    return f(raw)",
    "another name for a function": "def g(x): return x\ndef clean_sales(raw):\n    f = g\n    return f(raw)",
    "a local class": "def clean_sales(raw):\n    class C: ...\n    return C()",
    "a method of a frame": "def clean_sales(raw): return raw.filter(1).select(2)",
    "a builtin": "def clean_sales(raw): return len(sorted(raw))",
    "a name that hides a builtin": "def open(x): return x\ndef clean_sales(raw): return open(raw)",
    "a file that is written": "def clean_sales(raw):\n    with open('x', 'w') as f: f.write(raw)",
    "a class's constructor": "class C:\n    @classmethod\n    def m(cls): return cls()\ndef clean_sales(raw): return C.m()",
    "an import in a function": "def clean_sales(raw):\n    from math import sin\n    return sin(raw)",
    "a name made by a library": "from collections import namedtuple\nP = namedtuple('P', 'x')\ndef clean_sales(raw): return P(1)",
}


@pytest.mark.parametrize("text", FOLLOWED.values(), ids=FOLLOWED.keys())
def test_reports_nothing_where_all_is_followed(text):
    assert of(text).not_followed == ()


def test_a_name_changed_by_calls_from_other_modules_is_reported():
    more = {
        "jobs/registry.py": "STEPS = []\ndef step(function):\n    STEPS.append(function)\n    return function\n"
    }
    text = "from jobs.registry import STEPS\ndef clean_sales(raw): return len(STEPS)"
    assert [(each.place, each.what) for each in of(text, more=more).not_followed] == [
        ("jobs/registry.py:2", "changes of 'STEPS' by calls of 'step' from other modules")
    ]


def test_a_function_without_text_counts_by_its_bytecode_and_says_so():
    def made(body):
        names = {"__name__": "__main__"}
        exec(f"def f(raw):\n    'Doc.'\n    return {body}", names)
        return CodeReader(lambda module: None).fingerprint(names["f"])

    assert made("1").digest == made("1").digest
    assert made("1").digest != made("2").digest
    assert [each.place for each in made("1").not_followed] == ["__main__:1"]
    assert "only its bytecode counts" in made("1").not_followed[0].what


def test_a_module_of_a_library_is_counted_by_its_import_alone():
    old = of("import json\ndef clean_sales(raw): return json.dumps(raw)")
    assert [name for name, _ in old.parts] == [
        "function",
        "jobs.sales.clean_sales",
        "jobs.sales.json",
    ]


JOBS = {
    "jobs/__init__.py": "",
    "jobs/queries/clean.sql": "select 1",
    "jobs/sales.py": """
import functools
from partflow.project.sqlfile import sql_file
LIMITS = {"a", "b", "c"}
RULES = frozenset(LIMITS | {1, 2, 3})
def make(limit, unit, *marks):
    def clean(raw):
        'A docstring.'
        assert raw < limit, unit
        if __debug__:
            print(raw)
        return [lambda: raw in {"x", "y"} for each in marks], LIMITS, RULES
    return clean
query = sql_file("queries/clean.sql")
def wrapped(raw, marks, by): return query, by
clean_sales = functools.partial(
    wrapped, marks=frozenset("abcdef"), by=make(3, "kg", {"k", "l", "m"}, *map(make, "ab", "cd"))
)
""",
}
SCRIPT = """
import sys
from pathlib import Path
from partflow.code.fingerprint import CodeReader
from partflow.project.usermodules import ProjectModules
root = Path(sys.argv[1])
sys.path.insert(0, str(root))
import jobs.sales
modules = ProjectModules(root)
found = CodeReader(modules.source, modules.sql).fingerprint(jobs.sales.clean_sales)
nowhere = {}
exec(compile("def f(raw): return raw in {'x', 'y', 'z'}", str(root / "gone.py"), "exec"), nowhere)
print(found.digest, found.parts, found.not_followed)
print(CodeReader({}.get).fingerprint(nowhere["f"]).digest)
"""


def test_the_fingerprint_is_the_same_for_every_hash_seed_and_checkout_and_optimized(tmp_path):
    made = set()
    for seed, folder, options in [
        ("1", "one", []),
        ("2", "one/two and more", ["-O"]),
        ("3", "three", ["-OO", "-B"]),
    ]:
        for path, text in JOBS.items():
            file = tmp_path / folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        command = [sys.executable, *options, "-c", SCRIPT, str(tmp_path / folder)]
        environment = {"PYTHONHASHSEED": seed}
        made.add(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    assert len(made) == 1
    text = made.pop().decode()
    assert "jobs/queries/clean.sql" in text
    assert "jobs.sales.make" in text
    assert str(tmp_path) not in text


def test_a_module_is_asked_for_once_however_many_tasks_use_it():
    project = Project(TEXTS)
    asked: list[str] = []

    def source_of(module):
        asked.append(module)
        return project.sources.get(module)

    reader = CodeReader(source_of)
    with project.imported():
        module = importlib.import_module("jobs.sales")
        first = reader.fingerprint(module.clean_sales)
        assert reader.fingerprint(functools.partial(module.unrelated)).digest != first.digest
        assert reader.fingerprint(module.clean_sales) == first
    assert len(asked) == len(set(asked))
