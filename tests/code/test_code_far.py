"""Edits far from a task that can change its result: what each one does to the code fingerprint.

Each case is a small project. `<<before|after>>` is what is edited, `-- jobs/x.py` begins another
module of it; the task is `clean_sales`.
"""

# ruff: noqa: E501 - a statement is a line

import re
import subprocess
import sys
from pathlib import Path

import pytest
from texts import Source

from partflow.code.fingerprint import CodeFingerprint, CodeReader

STALE, FRESH, NAMED = "stale", "fresh", "named"
EDITED = re.compile(r"<<(.*?)\|(.*?)>>", re.DOTALL)


def project(text: str, side: int) -> dict[str, Source]:
    """The modules by name, before (1) or after (2) the edit."""
    found = {"jobs": Source("jobs", "jobs/__init__.py", "", True)}
    text = EDITED.sub(lambda m: m.group(side), text)
    for part in f"-- jobs/sales.py\n{text}".split("-- ")[1:]:
        path, _, module = part.partition("\n")
        is_package = path.endswith("__init__.py")
        name = path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        found[name] = Source(name, path, module, is_package)
    return found


def fingerprint(text: str, side: int = 1, queries: dict[str, str] | None = None) -> CodeFingerprint:
    """Of the task, from the text alone: nothing is imported."""
    sources, names = project(text, side), {"__name__": "jobs.sales"}
    exec("def clean_sales(raw): ...", names)

    def sql_of(module, path):
        given = (queries or {}).get(path)
        return None if given is None else (path, EDITED.sub(lambda m: m.group(side), given))

    return CodeReader(sources.get, sql_of, sources).fingerprint(names["clean_sales"])


SIZE = """\
import functools
@functools.singledispatch
def size(value): return 0
def clean_sales(raw): return size(raw)
"""
CONSTS = """\
from jobs import consts
def clean_sales(raw): return raw * consts.FACTOR + consts.RATES["a"]
-- jobs/consts.py
FACTOR = 1
RATES = {"a": 1}
OTHER = 1
class Limits:
    most = 1
-- jobs/settings.py
"""
FRAME = """\
import duckdb
RATES = {"rate": <<1|2>>}
OTHER = 1
"""
DOC = '''\
def helper():
    """select <<10|99>>"""
def clean_sales(raw): return helper.__doc__
'''

EDITS: list[tuple[str, str, str]] = [
    # Names that the test of an `if` binds.
    ("a name bound in the test of an if", STALE, "if (LIMIT := <<1|2>>) > 0:\n    pass\ndef clean_sales(raw): return raw + LIMIT\n"),
    ("a name bound in the test of an elif", STALE, "if False:\n    pass\nelif (LIMIT := <<1|2>>) > 0:\n    pass\ndef clean_sales(raw): return raw + LIMIT\n"),
    ("a name bound in a test in another module", STALE, "from jobs import consts\ndef clean_sales(raw): return raw + consts.LIMIT\n-- jobs/consts.py\nif all((LIMIT := n) for n in [<<1|2>>]):\n    pass\n"),
    ("a name bound in the default of a lambda", STALE, "f = lambda x=(LIMIT := <<1|2>>): x\ndef clean_sales(raw): return raw + LIMIT\n"),
    ("a name bound in the default of a function", STALE, "def f(x=(LIMIT := <<1|2>>)): ...\ndef clean_sales(raw): return raw + LIMIT\n"),
    ("a name bound in the bases of a class", STALE, "class A(LIMIT := <<int|float>>): ...\ndef clean_sales(raw): return LIMIT(raw)\n"),
    ("a global name bound in the body of a class", STALE, "class A:\n    global LIMIT\n    LIMIT = <<1|2>>\ndef clean_sales(raw): return raw + LIMIT\n"),
    ("a global function in the body of a class", STALE, "class A:\n    global limit\n    def limit(): return <<1|2>>\ndef clean_sales(raw): return raw + limit()\n"),
    ("another name bound in the test of an if", FRESH, "if (OTHER := <<1|2>>) > 0:\n    pass\nLIMIT = 1\ndef clean_sales(raw): return raw + LIMIT\n"),
    ("a name that is bound within a function", FRESH, "LIMIT = 1\ndef other():\n    return (LIMIT := <<1|2>>)\ndef clean_sales(raw): return raw + LIMIT\n"),
    # Implementations that are registered by an attribute of something of the project.
    ("an implementation registered by annotation", STALE, SIZE + "@size.register\ndef _(value: int): return <<1|2>>\n"),
    ("the annotation by which it is registered", STALE, SIZE + "@size.register\ndef _(value: <<int|str>>): return 1\n"),
    ("an implementation registered by call", STALE, SIZE + "@size.register(int)\ndef _(value): return <<1|2>>\n"),
    ("the type by which it is registered", STALE, SIZE + "@size.register(<<int|str>>)\ndef _(value): return 1\n"),
    ("an implementation registered in a statement", STALE, SIZE + "def of_int(value): return <<1|2>>\nsize.register(int, of_int)\n"),
    ("an implementation registered in an assignment", STALE, SIZE + "def of_int(value): return <<1|2>>\n_ = size.register(int, of_int)\n"),
    ("an implementation that is added", STALE, SIZE + "<<|@size.register\ndef _(value: int): return 1\n>>"),
    ("an implementation in another module", STALE, SIZE + "-- jobs/more.py\nfrom jobs.sales import size\n@size.register\ndef _(value: int): return <<1|2>>\n"),
    ("an implementation by the module's name", STALE, SIZE + "-- jobs/more.py\nfrom jobs import sales\n@sales.size.register\ndef _(value: int): return <<1|2>>\n"),
    ("what an implementation elsewhere uses", STALE, SIZE + "-- jobs/more.py\nfrom jobs.sales import size\nHOW = <<1|2>>\n@size.register\ndef _(value: int): return HOW\n"),
    ("an implementation of a dispatch that is not reached", FRESH, SIZE + "@functools.singledispatch\ndef other(value): return 0\n@other.register\ndef _(value: int): return <<1|2>>\n"),
    ("a method registered with a class's dispatch", STALE, "import functools\nclass A:\n    @functools.singledispatchmethod\n    def m(self, v): return 0\n    @m.register\n    def _(self, v: <<int|str>>): return 1\ndef clean_sales(raw): return A().m(raw)\n"),
    ("a handler that an object of the project registers", STALE, "class Registry:\n    def __init__(self): self.all = []\n    def handler(self, f):\n        self.all.append(f)\n        return f\nregistry = Registry()\ndef clean_sales(raw): return [f(raw) for f in registry.all]\n@registry.handler\ndef one(raw): return <<1|2>>\n"),
    ("a handler registered in another module", STALE, "class Registry:\n    def __init__(self): self.all = []\n    def handler(self, f):\n        self.all.append(f)\n        return f\nregistry = Registry()\ndef clean_sales(raw): return [f(raw) for f in registry.all]\n-- jobs/more.py\nfrom jobs.sales import registry\n@registry.handler\ndef one(raw): return <<1|2>>\n"),
    ("a decorator that is an object", STALE, "class Registry(list):\n    def __call__(self, f): self.append(f)\nregister = Registry()\ndef clean_sales(raw): return len(register)\n@register\ndef one(raw): return <<1|2>>\n"),
    ("a function that a decorator of another module keeps", STALE, "from jobs.steps import STEPS\ndef clean_sales(raw): return [s(raw) for s in STEPS]\n-- jobs/steps.py\nSTEPS = []\ndef step(f):\n    STEPS.append(f)\n    return f\n-- jobs/more.py\nfrom jobs.steps import step\n@step\ndef one(raw): return <<1|2>>\n"),
    ("a function that a call of another module's function keeps", STALE, "from jobs.steps import STEPS\ndef clean_sales(raw): return [s(raw) for s in STEPS]\n-- jobs/steps.py\nSTEPS = []\ndef keep(f): STEPS.append(f)\n-- jobs/more.py\nfrom jobs import steps\ndef one(raw): return <<1|2>>\nsteps.keep(one)\n"),
    ("a class registered with an abstract one", STALE, "import abc\nclass Shape(abc.ABC): ...\nclass Round: ...\nclass Flat: ...\nShape.register(<<Round|Flat>>)\ndef clean_sales(raw): return isinstance(raw, Shape)\n"),
    ("a class registered with an abstract one elsewhere", STALE, "import abc\nclass Shape(abc.ABC): ...\ndef clean_sales(raw): return isinstance(raw, Shape)\n-- jobs/more.py\nfrom jobs.sales import Shape\nclass Round: side = <<1|2>>\nShape.register(Round)\n"),
    # Names of one module that another sets.
    ("a name of a module set from another", STALE, CONSTS + "from jobs import consts\nconsts.FACTOR = <<10|99>>\n"),
    ("another name set from another", FRESH, CONSTS + "from jobs import consts\nconsts.OTHER = <<10|99>>\n"),
    ("a name set by the module's long name", STALE, CONSTS + "import jobs.consts\njobs.consts.FACTOR = <<10|99>>\n"),
    ("a name set by the module's other name", STALE, CONSTS + "import jobs.consts as c\nc.FACTOR = <<10|99>>\n"),
    ("a name set by another name for the module", STALE, CONSTS + "from jobs import consts\nwhere = consts\nwhere.FACTOR = <<10|99>>\n"),
    ("a name added to by another module", STALE, CONSTS + "from jobs import consts\nconsts.FACTOR += <<10|99>>\n"),
    ("an item set from another", STALE, CONSTS + 'from jobs.consts import RATES\nRATES["a"] = <<10|99>>\n'),
    ("an item set by the module's name", STALE, CONSTS + 'from jobs import consts\nconsts.RATES["a"] = <<10|99>>\n'),
    ("an item deleted from another", STALE, CONSTS + "from jobs.consts import RATES\n<<|del RATES['a']>>\n"),
    ("a dictionary updated from another", STALE, CONSTS + "from jobs.consts import RATES\nRATES.update(a=<<10|99>>)\n"),
    ("a dictionary united with another in place", STALE, CONSTS + 'from jobs.consts import RATES\nRATES |= {"a": <<10|99>>}\n'),
    ("a dictionary handed to a library to be changed", STALE, CONSTS + "import random\nfrom jobs.consts import RATES\nrandom.shuffle(RATES, <<1|2>>)\n"),
    ("a name set by setattr", STALE, CONSTS + 'from jobs import consts\nsetattr(consts, "FACTOR", <<10|99>>)\n'),
    ("a name that is not written out set by setattr", STALE, CONSTS + 'from jobs import consts\nfor name in ["FACTOR"]:\n    setattr(consts, name, <<10|99>>)\n'),
    ("a name set by vars", STALE, CONSTS + 'from jobs import consts\nvars(consts)["FACTOR"] = <<10|99>>\n'),
    ("a name set by __dict__", STALE, CONSTS + 'from jobs import consts\nconsts.__dict__["FACTOR"] = <<10|99>>\n'),
    ("names set by an update of vars", STALE, CONSTS + 'from jobs import consts\nvars(consts).update({"FACTOR": <<10|99>>})\n'),
    ("names set by an update of vars from somewhere", STALE, CONSTS + 'from jobs import consts\nMINE = {"FACTOR": <<10|99>>}\nvars(consts).update(MINE)\n'),
    ("a name set by sys.modules", STALE, CONSTS + 'import sys\nsys.modules["jobs.consts"].FACTOR = <<10|99>>\n'),
    ("a module put in the place of another", STALE, CONSTS + 'import sys\nclass Mine:\n    FACTOR = <<10|99>>\nsys.modules["jobs.consts"] = Mine\n'),
    ("a name set by import_module", STALE, CONSTS + 'import importlib\nimportlib.import_module("jobs.consts").FACTOR = <<10|99>>\n'),
    ("a name set by exec", STALE, CONSTS + 'from jobs import consts\nexec("FACTOR = <<10|99>>", vars(consts))\n'),
    ("a name set in a function that is called", STALE, CONSTS + "from jobs import consts\ndef setup(): consts.FACTOR = <<10|99>>\nsetup()\n"),
    ("a name set in a function of a function that is called", STALE, CONSTS + "from jobs import consts\ndef inner(): consts.FACTOR = <<10|99>>\ndef setup(): inner()\nsetup()\n"),
    ("a name set by a function of its own module", STALE, CONSTS.replace("OTHER = 1", "OTHER = 1\ndef use(n):\n    global FACTOR\n    FACTOR = n") + "from jobs import consts\nconsts.use(<<10|99>>)\n"),
    ("a name set in a class body", STALE, CONSTS + "from jobs import consts\nclass Setup:\n    consts.FACTOR = <<10|99>>\n"),
    ("a name set under an if", STALE, CONSTS + "from jobs import consts\nTEST = <<True|False>>\nif TEST:\n    consts.FACTOR = 10\n"),
    ("a name set by the test of an if", STALE, CONSTS + "from jobs import consts\ndef setup(n): consts.FACTOR = n\nif setup(<<10|99>>): ...\n"),
    ("a name set in an elif", STALE, CONSTS + "from jobs import consts\nif consts.OTHER > 1: ...\nelif consts.OTHER:\n    consts.FACTOR = <<10|99>>\n"),
    ("a name set in a loop", STALE, CONSTS + "from jobs import consts\nfor n in (<<10|99>>,):\n    consts.FACTOR = n\n"),
    ("a name set where the module is a script", FRESH, CONSTS + 'from jobs import consts\nif __name__ == "__main__":\n    consts.FACTOR = <<10|99>>\n'),
    ("a name that __dict__ is asked for", STALE, "from jobs import consts\ndef clean_sales(raw): return consts.__dict__['X']\n-- jobs/consts.py\nX = <<1|2>>\n"),
    ("a name that sys.modules is asked for", NAMED, "import sys\ndef clean_sales(raw): return sys.modules['jobs.consts'].X\n-- jobs/consts.py\nX = <<1|2>>\n"),
    ("a name set in a function that nobody calls", NAMED, CONSTS + "from jobs import consts\ndef setup(): consts.FACTOR = <<10|99>>\n"),
    ("a name set in a module that only another imports", STALE, CONSTS.replace("-- jobs/settings.py", "-- jobs/settings.py\nimport jobs.deep.inner\n-- jobs/deep/__init__.py\n-- jobs/deep/inner.py") + "from jobs import consts\nconsts.FACTOR = <<10|99>>\n"),
    ("a name that only another module gives", STALE, "from jobs import consts\ndef clean_sales(raw): return consts.GIVEN\n-- jobs/consts.py\nX = 1\n-- jobs/settings.py\nfrom jobs import consts\nconsts.GIVEN = <<10|99>>\n"),
    ("an attribute of a class set from another module", STALE, CONSTS.replace('consts.RATES["a"]', "consts.Limits.most") + "from jobs.consts import Limits\nLimits.most = <<10|99>>\n"),
    ("a method of a class set from another module", STALE, CONSTS.replace('consts.RATES["a"]', "consts.Limits.most") + "from jobs.consts import Limits\nLimits.most = lambda self: <<10|99>>\n"),
    ("a comment beside a name set from another", FRESH, CONSTS + "from jobs import consts\nconsts.FACTOR = 10  # <<why|not>>\n"),
    ("a local name of the module's name", FRESH, CONSTS + "def setup(consts): consts.FACTOR = <<10|99>>\n"),
    ("another module's own names", FRESH, CONSTS + "FACTOR = <<10|99>>\nRATES = {}\nRATES['a'] = FACTOR\n"),
    # A module's own names, set in other ways.
    ("a name set by globals", STALE, 'X = 1\nglobals()["X"] = <<2|3>>\ndef clean_sales(raw): return X\n'),
    ("a name that only globals gives", STALE, 'globals()["X"] = <<2|3>>\ndef clean_sales(raw): return X\n'),
    ("names set by an update of globals", STALE, "X = 1\nglobals().update(X=<<2|3>>)\ndef clean_sales(raw): return X\n"),
    ("names set by an update of globals from somewhere", STALE, 'MINE = {"X": <<2|3>>}\nglobals().update(MINE)\ndef clean_sales(raw): return X\n'),
    ("another name set by globals", FRESH, 'X = 1\nglobals()["Y"] = <<2|3>>\ndef clean_sales(raw): return X\n'),
    ("a name set by vars without a module", STALE, 'X = 1\nvars()["X"] = <<2|3>>\ndef clean_sales(raw): return X\n'),
    ("a name that exec gives", STALE, 'exec("X = <<2|3>>")\ndef clean_sales(raw): return X\n'),
    ("a name set by exec where it is bound", STALE, 'X = 1\nexec("X = <<2|3>>")\ndef clean_sales(raw): return X\n'),
    ("names of a loop over globals", STALE, 'for n in "XY":\n    globals()[n] = <<2|3>>\ndef clean_sales(raw): return X\n'),
    ("a name set by sys.modules of the module itself", STALE, "import sys\nX = 1\nsys.modules[__name__].X = <<2|3>>\ndef clean_sales(raw): return X\n"),
    ("another class changed by a class's method", STALE, "class B:\n    limit = 1\nclass A:\n    @classmethod\n    def setup(cls, n): B.limit = n\nA.setup(<<2|3>>)\ndef clean_sales(raw): return B.limit\n"),
    ("another class changed by an instance's method", STALE, "class B:\n    limit = 1\nclass A:\n    def setup(self, n): B.limit = n\nA().setup(<<2|3>>)\ndef clean_sales(raw): return B.limit\n"),
    ("another class changed by making an instance", STALE, "class B:\n    limit = 1\nclass A:\n    def __init__(self, n): B.limit = n\na = A(<<2|3>>)\ndef clean_sales(raw): return B.limit\n"),
    ("a class that an attribute is set of by setattr", STALE, 'class B:\n    limit = 1\nsetattr(B, "limit", <<2|3>>)\ndef clean_sales(raw): return B.limit\n'),
    ("an item of what another name stands for", STALE, "R = {}\nalias = R\nalias['a'] = <<2|3>>\ndef clean_sales(raw): return R\n"),
    ("an item of an item by another name", STALE, "R = {'a': {}}\nrow = R['a']\nrow['x'] = <<2|3>>\ndef clean_sales(raw): return R\n"),
    ("items set in a loop over them", STALE, "R = [{}]\nfor row in R:\n    row['x'] = <<2|3>>\ndef clean_sales(raw): return R\n"),
    ("attributes set in a loop over classes", STALE, "class A: ...\nclass B: ...\nfor each in (A, B):\n    each.limit = <<2|3>>\ndef clean_sales(raw): return B.limit\n"),
    ("names of modules set in a loop over them", STALE, CONSTS + "from jobs import consts\nfor each in (consts,):\n    each.FACTOR = <<10|99>>\n"),
    ("an attribute that a loop sets by itself", STALE, CONSTS + "from jobs import consts\nfor consts.FACTOR in (<<10|99>>,): ...\n"),
    ("a name set together with another", STALE, CONSTS + "from jobs import consts\nX, consts.FACTOR = 1, <<10|99>>\n"),
    ("an item set in a with", STALE, "import contextlib\nR = {}\nwith contextlib.nullcontext(R) as same:\n    same['a'] = <<2|3>>\ndef clean_sales(raw): return R\n"),
    ("an item of what a function gave back", STALE, "def same(x): return x\nR = {}\ns = same(R)\ns['a'] = <<2|3>>\ndef clean_sales(raw): return R\n"),
    ("a name set by __setattr__", STALE, CONSTS + 'from jobs import consts\nconsts.__setattr__("FACTOR", <<10|99>>)\n'),
    ("a name set by a class's __setattr__", STALE, CONSTS + 'from jobs import consts\nobject.__setattr__(consts, "FACTOR", <<10|99>>)\n'),
    ("a name set in a lambda that is called", STALE, CONSTS + 'from jobs import consts\nsetup = lambda: setattr(consts, "FACTOR", <<10|99>>)\nsetup()\n'),
    ("another class changed by a method's method", STALE, "class B:\n    limit = 1\nclass A:\n    def setup(self, n): self.inner(n)\n    def inner(self, n): B.limit = n\nA().setup(<<2|3>>)\ndef clean_sales(raw): return B.limit\n"),
    ("what a maker of instances keeps", STALE, "ALL = []\nclass Plugin:\n    def __init__(self, f): ALL.append(f)\ndef clean_sales(raw): return [f(raw) for f in ALL]\ndef one(raw): return <<1|2>>\nplugin = Plugin(one)\n"),
    ("what a function keeps in a list that it is handed", STALE, "ALL = []\ndef keep(where, f): where.append(f)\ndef clean_sales(raw): return [f(raw) for f in ALL]\ndef one(raw): return <<1|2>>\n_ = keep(ALL, one)\n"),
    ("what a package's own file sets", STALE, "from jobs.deep import consts\ndef clean_sales(raw): return consts.X\n-- jobs/deep/consts.py\nX = 1\n-- jobs/deep/__init__.py\nfrom . import consts\nconsts.X = <<2|3>>\n"),
    ("a variable of a context that is set", STALE, "from contextvars import ContextVar\nLIMIT = ContextVar('limit')\ndef clean_sales(raw): return LIMIT.get()\n-- jobs/more.py\nfrom jobs.sales import LIMIT\nLIMIT.set(<<1|2>>)\n"),
    # The order of statements of different names.
    ("a name read before it is set again", STALE, "X = 1\n<<Y = X + 1|>>\nX = 2\n<<|Y = X + 1>>\ndef clean_sales(raw): return Y\n"),
    ("a list copied before it is added to", STALE, "A = [1]\n<<B = list(A)|>>\nA.append(2)\n<<|B = list(A)>>\ndef clean_sales(raw): return B\n"),
    ("a default taken before its name is set again", STALE, "X = 1\n<<def f(x=X): return x|>>\nX = 2\n<<|def f(x=X): return x>>\ndef clean_sales(raw): return f()\n"),
    ("a class's attribute taken before its name is set again", STALE, "X = 1\n<<class A: x = X|>>\nX = 2\n<<|class A: x = X>>\ndef clean_sales(raw): return A.x\n"),
    ("the order of names that are set once", FRESH, "<<X = 1|Z = 3>>\n<<Z = 3|X = 1>>\nY = X + Z\ndef clean_sales(raw): return Y\n"),
    ("a function that reads a name that is set again", FRESH, "X = 1\n<<def f(): return X|>>\nX = 2\n<<|def f(): return X>>\ndef clean_sales(raw): return f()\n"),
    ("an item taken before another one", STALE, "A = [1, 2]\n<<B = A.pop()|C = A.pop()>>\n<<C = A.pop()|B = A.pop()>>\ndef clean_sales(raw): return B\n"),
    ("lines between a name and what it reads", FRESH, "X = 1\nX = 2\n<<|Z = 1>>\nY = X + 1\ndef clean_sales(raw): return Y\n"),
    # Star imports after a definition, and several of them.
    ("a star import after a definition", STALE, "X = 1\nfrom jobs.other import *\ndef clean_sales(raw): return X\n-- jobs/other.py\nX = <<2|3>>\n"),
    ("a star import moved behind a definition", STALE, "<<from jobs.other import *|>>\nX = 1\n<<|from jobs.other import *>>\ndef clean_sales(raw): return X\n-- jobs/other.py\nX = 2\n"),
    ("a star import before a definition", FRESH, "from jobs.other import *\nX = 1\ndef clean_sales(raw): return X\n-- jobs/other.py\nX = <<2|3>>\n"),
    ("a star import of another name after a definition", FRESH, "X = 1\nfrom jobs.other import *\ndef clean_sales(raw): return X\n-- jobs/other.py\nY = <<2|3>>\n"),
    ("the condition of a star import", STALE, "T = <<True|False>>\nif T:\n    from jobs.a import *\nelse:\n    from jobs.b import *\ndef clean_sales(raw): return X\n-- jobs/a.py\nX = 1\n-- jobs/b.py\nX = 2\n"),
    ("a star import that another one covers", STALE, "from jobs.a import *\nfrom jobs.b import *\ndef clean_sales(raw): return X\n-- jobs/a.py\nX = 1\n-- jobs/b.py\nX = <<2|3>>\n"),
    ("a star import under a condition over another", STALE, "T = 1\nfrom jobs.a import *\nif T:\n    from jobs.b import *\ndef clean_sales(raw): return X\n-- jobs/a.py\nX = <<2|3>>\n-- jobs/b.py\nX = 1\n"),
    ("a star import whose names another module lists", STALE, "from jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\nfrom jobs import b\nfrom jobs.b import *\n__all__ = ['Y']\n__all__ += b.__all__\n-- jobs/b.py\n__all__ = ['X']\nX = <<1|2>>\n"),
    ("a star import of a name that is listed by append", STALE, "from jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\n__all__ = ['Y']\n__all__.append('X')\nX = <<1|2>>\n"),
    ("the name that is listed by append", STALE, "X = 1\nfrom jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\n__all__ = ['Y']\n__all__.append('<<X|Y>>')\nX = Y = 2\n"),
    ("a star import of names that are computed", STALE, "from jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\nX = <<1|2>>\n__all__ = [n for n in dir() if n.isupper()]\n"),
    ("a star import of a name that is not listed", FRESH, "from jobs.a import *\nX = 1\ndef clean_sales(raw): return X\n-- jobs/a.py\n__all__ = ['Y']\nX = <<1|2>>\n"),
    ("a star import of a name that exec gives", STALE, "from jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\nexec('X = <<1|2>>')\n"),
    ("a star import of names of a loop over globals", STALE, "from jobs.a import *\ndef clean_sales(raw): return X.limit\n-- jobs/a.py\nfor n in ['X']:\n    globals()[n] = <<1|2>>\n"),
    ("a star import of a name that another module sets", STALE, "from jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\n-- jobs/set.py\nfrom jobs import a\na.X = <<1|2>>\n"),
    ("a star import of a star import of a name that exec gives", STALE, "from jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\nfrom jobs.b import *\n-- jobs/b.py\nexec('X = <<1|2>>')\n"),
    ("a name that nothing gives but a star import may", NAMED, "from jobs.a import *\ndef clean_sales(raw): return X\n-- jobs/a.py\ndef setup(n): globals()[n] = 1\n"),
    # Registrations with libraries, and their state.
    ("a namespace of polars", STALE, 'import polars as pl\ndef clean_sales(raw): return raw.shop.double()\n@pl.api.register_dataframe_namespace("shop")\nclass Shop:\n    def double(self): return <<1|2>>\n'),
    ("a namespace of polars in another module", STALE, 'def clean_sales(raw): return raw.shop.double()\n-- jobs/shop.py\nfrom polars.api import register_lazyframe_namespace\n@register_lazyframe_namespace("shop")\nclass Shop:\n    def double(self): return <<1|2>>\n'),
    ("what a namespace of polars uses", STALE, 'def clean_sales(raw): return raw.shop.double()\n-- jobs/shop.py\nimport polars as pl\nBY = <<1|2>>\n@pl.api.register_expr_namespace("shop")\nclass Shop:\n    def double(self): return BY\n'),
    ("a namespace of polars that is not used", FRESH, 'import polars as pl\ndef clean_sales(raw): return raw.select("a")\n@pl.api.register_dataframe_namespace("shop")\nclass Shop:\n    def double(self): return <<1|2>>\n'),
    ("the name of a namespace of polars", STALE, 'import polars as pl\ndef clean_sales(raw): return raw.shop.double()\n@pl.api.register_dataframe_namespace("<<shop|mart>>")\nclass Shop:\n    def double(self): return 1\n'),
    ("a method put on a library's class", STALE, "import polars as pl\ndef double(frame): return <<1|2>>\npl.DataFrame.double = double\ndef clean_sales(raw): return raw.double()\n"),
    ("a method put on a library's class by setattr", STALE, 'import polars as pl\nsetattr(pl.DataFrame, "double", lambda frame: <<1|2>>)\ndef clean_sales(raw): return raw.double()\n'),
    ("a method put on a library's class elsewhere", STALE, "def clean_sales(raw): return raw.double()\n-- jobs/more.py\nfrom polars import DataFrame\nDataFrame.double = lambda frame: <<1|2>>\n"),
    ("a method put on a library's class in a function that is called", STALE, "def clean_sales(raw): return raw.double()\n-- jobs/more.py\nfrom polars import DataFrame\ndef setup():\n    DataFrame.double = lambda frame: <<1|2>>\nsetup()\n"),
    ("a method put on a library's class that is not used", FRESH, "import polars as pl\npl.DataFrame.double = lambda frame: <<1|2>>\ndef clean_sales(raw): return raw.select('a')\n"),
    ("a function of SQL", STALE, 'import duckdb\ndef plus(x): return x + <<1|2>>\nduckdb.create_function("plus", plus, ["INT"], "INT")\ndef clean_sales(raw): return duckdb.sql("select plus(qty) from raw")\n'),
    ("a function of SQL in another module", STALE, 'import duckdb\ndef clean_sales(raw): return duckdb.sql("select plus(qty) from raw")\n-- jobs/more.py\nimport duckdb\ndef plus(x): return x + <<1|2>>\nduckdb.create_function("plus", plus, ["INT"], "INT")\n'),
    ("the annotations of a function of SQL", STALE, 'import duckdb\ndef plus(x: <<int|float>>) -> int: return x\nduckdb.create_function("plus", plus)\ndef clean_sales(raw): return duckdb.sql("select plus(qty) from raw")\n'),
    ("a function of SQL that is not used", FRESH, 'import duckdb\ndef plus(x): return x + <<1|2>>\nduckdb.create_function("plus", plus, ["INT"], "INT")\ndef clean_sales(raw): return duckdb.sql("select qty from raw")\n'),
    ("a macro of SQL made at import", STALE, 'import duckdb\nduckdb.execute("create macro plus(x) as x + <<1|2>>")\ndef clean_sales(raw): return duckdb.sql("select plus(qty) from raw")\n'),
    ("the precision of decimals", STALE, "import decimal\ndecimal.getcontext().prec = <<5|6>>\ndef clean_sales(raw): return decimal.Decimal(raw) / 3\n"),
    ("the precision of decimals by another name", STALE, "import decimal\ncontext = decimal.getcontext()\ncontext.prec = <<5|6>>\ndef clean_sales(raw): return decimal.Decimal(raw) / 3\n"),
    ("the precision of decimals in another module", STALE, "from decimal import Decimal\ndef clean_sales(raw): return Decimal(raw) / 3\n-- jobs/more.py\nfrom decimal import getcontext\ngetcontext().prec = <<5|6>>\n"),
    ("the precision of decimals in a function that is called", STALE, "from decimal import Decimal\ndef clean_sales(raw): return Decimal(raw) / 3\n-- jobs/more.py\nimport decimal\ndef setup(n):\n    context = decimal.getcontext()\n    context.prec = n\nsetup(<<5|6>>)\n"),
    ("a context of decimals that is set", STALE, "import decimal\ndecimal.setcontext(decimal.Context(prec=<<5|6>>))\ndef clean_sales(raw): return decimal.Decimal(raw) / 3\n"),
    ("a seed", STALE, "import random\nrandom.seed(<<1|2>>)\ndef clean_sales(raw): return random.random()\n"),
    ("a seed of numpy in another module", STALE, "import numpy as np\ndef clean_sales(raw): return np.random.rand()\n-- jobs/more.py\nfrom numpy.random import seed\nseed(<<1|2>>)\n"),
    ("a configuration of polars", STALE, "import polars as pl\npl.Config.set_fmt_float('<<full|mixed>>')\ndef clean_sales(raw): return raw.select(pl.all())\n"),
    ("an option of pandas", STALE, "import pandas as pd\npd.options.mode.copy_on_write = <<True|False>>\ndef clean_sales(raw): return pd.DataFrame(raw)\n"),
    ("the state of a library that no module of the task imports", FRESH, "def clean_sales(raw): return raw\n-- jobs/more.py\nimport random\nrandom.seed(<<1|2>>)\n"),
    ("the environment set at import", STALE, 'import os\nos.environ["TZ"] = "<<UTC|Asia/Tokyo>>"\ndef clean_sales(raw): return os.getpid()\n'),
    ("how logs are written", FRESH, "import logging\nlogging.basicConfig(level=<<1|2>>)\ndef clean_sales(raw):\n    logging.info('x')\n    return raw\n"),
    ("warnings that are shown", FRESH, "import warnings\nwarnings.simplefilter('<<ignore|always>>')\ndef clean_sales(raw):\n    warnings.warn('x')\n    return raw\n"),
    ("what a script prints", FRESH, "print(<<1|2>>)\ndef clean_sales(raw): return raw\n"),
    ("a function put in the place of a library's", STALE, "from json import dumps\ndef clean_sales(raw): return dumps(raw)\n-- jobs/more.py\nimport json\ndef mine(raw): return <<1|2>>\njson.dumps = mine\n"),
    ("a function put in the place of Python's", STALE, "import builtins\ndef mine(raw): return <<1|2>>\nbuiltins.sum = mine\ndef clean_sales(raw): return sum(raw)\n"),
    ("the locale set in another module", STALE, "def clean_sales(raw): return f'{raw:n}'\n-- jobs/more.py\nimport locale\nlocale.setlocale(locale.LC_ALL, '<<C|de_DE>>')\n"),
    ("the zone of the process", STALE, "import datetime\ndef clean_sales(raw): return datetime.datetime(2024, 1, 1).timestamp()\n-- jobs/more.py\nimport os, time\nzone = '<<UTC|Asia/Tokyo>>'\nos.environ['TZ'] = zone\ntime.tzset(zone)\n"),
    ("a seed of numpy that another library goes by", STALE, "from sklearn.cluster import KMeans\ndef clean_sales(raw): return KMeans().fit(raw)\n-- jobs/more.py\nimport numpy as np\nnp.random.seed(<<1|2>>)\n"),
    ("a folder that is made at import", FRESH, "import os\nos.makedirs('<<a|b>>')\ndef clean_sales(raw): return os.getpid()\n"),
    # Frames that SQL finds by name.
    ("a frame that SQL names", STALE, FRAME + 'def clean_sales(raw): return duckdb.sql("select * from RATES")\n'),
    ("a frame that SQL joins", STALE, FRAME + 'def clean_sales(raw): return duckdb.sql("select * from raw join RATES using (a)")\n'),
    ("a frame that a connection's SQL names", STALE, FRAME + 'def clean_sales(raw): return duckdb.connect().execute("select * from RATES")\n'),
    ("a frame that polars' SQL names", STALE, FRAME.replace("duckdb", "polars as pl") + 'def clean_sales(raw): return pl.sql("select * from RATES")\n'),
    ("a frame that SQL in a constant names", STALE, FRAME + 'Q = "select * from RATES"\ndef clean_sales(raw): return duckdb.sql(Q)\n'),
    ("a frame that SQL in an f-string names", STALE, FRAME + 'def clean_sales(raw): return duckdb.sql(f"select {1} from RATES")\n'),
    ("a frame whose name is put into SQL", STALE, FRAME + 'T = "RATES"\ndef clean_sales(raw): return duckdb.sql(f"select * from {T}")\n'),
    ("a frame that SQL of another module names", STALE, FRAME + 'from jobs.q import Q\ndef clean_sales(raw): return duckdb.sql(Q)\n-- jobs/q.py\nQ = "select * from RATES"\n'),
    ("a frame beside the function that runs the SQL", STALE, 'from jobs.run import run\ndef clean_sales(raw): return run("select * from RATES")\n-- jobs/run.py\nimport duckdb\nRATES = {"rate": <<1|2>>}\ndef run(q): return duckdb.sql(q)\n'),
    ("a frame that is imported and SQL names", STALE, 'import duckdb\nfrom jobs.rates import RATES\ndef clean_sales(raw): return duckdb.sql("select * from RATES")\n-- jobs/rates.py\nRATES = <<1|2>>\n'),
    ("a frame that SQL in a filter names", STALE, FRAME + 'def clean_sales(raw): return raw.filter("a in (select a from RATES)")\n'),
    ("a frame that is registered for SQL", STALE, 'import duckdb\nF = <<1|2>>\nduckdb.register("rates", F)\ndef clean_sales(raw): return duckdb.sql("select * from rates")\n'),
    ("a variable that a query of pandas names", STALE, "import pandas as pd\nLIMIT = <<1|2>>\ndef clean_sales(raw): return raw.query('qty > @LIMIT')\n"),
    ("a function that a formula names", STALE, "import statsmodels.formula.api as smf\ndef twice(x): return <<2|3>> * x\ndef clean_sales(raw): return smf.ols('y ~ twice(x)', raw)\n"),
    ("a frame that no SQL names", FRESH, FRAME + 'def clean_sales(raw): return duckdb.sql("select * from OTHER")\n'),
    ("a frame of the name of a parameter", FRESH, FRAME + 'def clean_sales(RATES): return duckdb.sql("select * from RATES")\n'),
    ("a frame of a name in a text that is no SQL", FRESH, FRAME + 'def clean_sales(raw): return raw.select("all RATES")\n'),
    # Docstrings, annotations and sources that are read.
    ("a docstring that is read", STALE, DOC),
    ("a docstring that getdoc reads", STALE, DOC.replace("helper.__doc__", "inspect.getdoc(helper)").replace("def helper", "import inspect\ndef helper", 1)),
    ("a docstring that getattr reads", STALE, DOC.replace("helper.__doc__", 'getattr(helper, "__doc__")')),
    ("the module's docstring that is read", STALE, '"""select <<10|99>>"""\ndef clean_sales(raw): return __doc__\n'),
    ("the docstring of a class that is read", STALE, 'class Q:\n    """select <<10|99>>"""\ndef clean_sales(raw): return Q.__doc__\n'),
    ("a docstring that a decorator of the project reads", STALE, 'def query(f): return lambda: f.__doc__\n@query\ndef helper():\n    """select <<10|99>>"""\ndef clean_sales(raw): return helper()\n'),
    ("a docstring that is all that a library's decorator sees", STALE, 'from sqlorm import sqlfunc\n@sqlfunc\ndef helper():\n    """select <<10|99>>"""\ndef clean_sales(raw): return helper()\n'),
    ("a docstring beside code under a library's decorator", FRESH, 'from numba import njit\n@njit\ndef helper():\n    """In <<few|some>> words."""\n    return 1\ndef clean_sales(raw): return helper()\n'),
    ("a docstring that nobody reads", FRESH, DOC.replace("helper.__doc__", "helper()")),
    ("an annotation under a decorator that reads it", STALE, "def typed(f):\n    def g(x): return f.__annotations__['a'](x)\n    return g\n@typed\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation that get_type_hints reads", STALE, "import typing\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return typing.get_type_hints(helper)\n"),
    ("an annotation that inspect.signature reads", STALE, "import inspect\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return inspect.signature(helper)\n"),
    ("an annotation of a variable that is read", STALE, "X: <<int|str>> = 1\ndef clean_sales(raw): return __annotations__, X\n"),
    ("an annotation under a library's decorator", STALE, "from pydantic import validate_call\n@validate_call\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation of a result under a library's decorator", STALE, "import pandera as pa\n@pa.check_types\ndef helper(a) -> <<int|str>>: return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation under a decorator that hands on to a library", STALE, "from pydantic import validate_call\ndef checked(f): return validate_call(f)\n@checked\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation under a library's decorator with arguments", STALE, "import pydantic\n@pydantic.validate_call(config={})\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation of a function handed to a library", STALE, "from pydantic import validate_call\ndef helper(a: <<int|str>>): return a\nchecked = validate_call(helper)\ndef clean_sales(raw): return checked(raw)\n"),
    ("an annotation of a method under a class's decorator", STALE, "import attr\n@attr.s\nclass A:\n    def m(self, a: <<int|str>>): return a\ndef clean_sales(raw): return A().m(raw)\n"),
    ("what an annotation under a library's decorator names", STALE, "from pydantic import validate_call\nclass Row:\n    limit = <<1|2>>\n@validate_call\ndef helper(a: Row): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("what an annotation in quotes under a library's decorator names", STALE, "from pydantic import validate_call\nclass Row:\n    limit = <<1|2>>\n@validate_call\ndef helper(a: 'list[Row]'): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("a field of a pydantic model", STALE, "import pydantic\nclass Row(pydantic.BaseModel):\n    a: <<int|str>>\ndef clean_sales(raw): return Row(a=raw)\n"),
    ("an annotation under functools.cache", FRESH, "import functools\n@functools.cache\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation under contextlib", FRESH, "from contextlib import contextmanager\n@contextmanager\ndef helper(a: <<int|str>>): yield a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation under property", FRESH, "class A:\n    @property\n    def m(self) -> <<int|str>>: return 1\ndef clean_sales(raw): return A().m\n"),
    ("an annotation under a decorator of the project that calls", FRESH, "import functools\ndef loud(f):\n    @functools.wraps(f)\n    def g(*a): return f(*a)\n    return g\n@loud\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("an annotation under a decorator of another module that calls", FRESH, "from jobs import marks\n@marks.loud\ndef helper(a: <<int|str>>): return a\ndef clean_sales(raw): return helper(raw)\n-- jobs/marks.py\ndef loud(f): return lambda *a: f(*a)\n"),
    ("an annotation of a function that is not reached", FRESH, "import inspect\ndef helper(a): return a\ndef other(a: <<int|str>>): return a\ndef clean_sales(raw): return inspect.signature(helper)\n"),
    ("annotations that are read and become texts", STALE, "<<|from __future__ import annotations>>\ndef helper(a: int): return a\ndef clean_sales(raw): return helper.__annotations__\n"),
    ("annotations that nobody reads and become texts", FRESH, "<<|from __future__ import annotations>>\ndef helper(a: int): return a\ndef clean_sales(raw): return helper(raw)\n"),
    ("a comment where the text is read", STALE, "import inspect\ndef helper(a):\n    # <<one|two>>\n    return a\ndef clean_sales(raw): return inspect.getsource(helper)\n"),
    ("a comment where no text is read", FRESH, "def helper(a):\n    # <<one|two>>\n    return a\ndef clean_sales(raw): return helper(raw)\n"),
    # Subclasses and hooks.
    ("a subclass that __subclasses__ finds", STALE, "class Rule: ...\ndef clean_sales(raw): return [r().holds(raw) for r in Rule.__subclasses__()]\nclass One(Rule):\n    def holds(self, raw): return <<1|2>>\n"),
    ("a subclass in another module", STALE, "class Rule: ...\ndef clean_sales(raw): return [r().holds(raw) for r in Rule.__subclasses__()]\n-- jobs/rules.py\nfrom jobs.sales import Rule\nclass One(Rule):\n    def holds(self, raw): return <<1|2>>\n"),
    ("a subclass of a subclass", STALE, "class Rule: ...\nclass Soft(Rule): ...\ndef clean_sales(raw): return [s for r in Rule.__subclasses__() for s in r.__subclasses__()]\n-- jobs/rules.py\nfrom jobs import sales\nclass One(sales.Soft):\n    limit = <<1|2>>\n"),
    ("a subclass that nobody asks for", FRESH, "class Rule: ...\ndef clean_sales(raw): return Rule()\nclass One(Rule):\n    def holds(self, raw): return <<1|2>>\n"),
    ("a subclass that __init_subclass__ keeps", STALE, "ALL = []\nclass Rule:\n    def __init_subclass__(cls): ALL.append(cls)\ndef clean_sales(raw): return [r().holds(raw) for r in ALL]\nclass One(Rule):\n    def holds(self, raw): return <<1|2>>\n"),
    ("a subclass that __init_subclass__ keeps in another module", STALE, "from jobs.base import Rule\ndef clean_sales(raw): return [r().holds(raw) for r in Rule.all]\n-- jobs/base.py\nclass Rule:\n    all = []\n    def __init_subclass__(cls): Rule.all.append(cls)\n-- jobs/rules.py\nfrom jobs.base import Rule\nclass One(Rule):\n    def holds(self, raw): return <<1|2>>\n"),
    ("a class that a metaclass keeps", STALE, "ALL = []\nclass Meta(type):\n    def __init__(cls, *a): ALL.append(cls)\nclass Rule(metaclass=Meta): ...\ndef clean_sales(raw): return ALL\nclass One(Rule):\n    limit = <<1|2>>\n"),
    ("an entry of a registry in another module", STALE, "from jobs.registry import RULES\ndef clean_sales(raw): return RULES['one'](raw)\n-- jobs/registry.py\nRULES = {}\n-- jobs/rules.py\nfrom jobs.registry import RULES\ndef one(raw): return <<1|2>>\nRULES['one'] = one\n"),
    # Of other kinds.
    ("a class that a pydantic field names in quotes", STALE, "import pydantic\nclass Inner(pydantic.BaseModel):\n    limit: int = <<1|2>>\nclass Row(pydantic.BaseModel):\n    a: 'Inner'\ndef clean_sales(raw): return Row(a=raw)\n"),
    ("an attribute of an object of another module", STALE, "from jobs.base import conf\ndef clean_sales(raw): return conf.limit\n-- jobs/base.py\nclass C: ...\nconf = C()\n-- jobs/set.py\nfrom jobs.base import conf\nconf.limit = <<1|2>>\n"),
    ("a method that sets its object's attribute elsewhere", STALE, "from jobs.base import conf\ndef clean_sales(raw): return conf.limit\n-- jobs/base.py\nclass C:\n    def load(self, n): self.limit = n\nconf = C()\n-- jobs/set.py\nfrom jobs.base import conf\nconf.load(<<1|2>>)\n"),
    ("such a method in an assignment", STALE, "from jobs.base import conf\ndef clean_sales(raw): return conf.limit\n-- jobs/base.py\nclass C:\n    def load(self, n):\n        self.limit = n\n        return self\nconf = C()\n-- jobs/set.py\nfrom jobs.base import conf\nx = conf.load(<<1|2>>)\n"),
    ("an item of an item of another module", STALE, "from jobs.base import CONF\ndef clean_sales(raw): return CONF\n-- jobs/base.py\nCONF = {'a': {}}\n-- jobs/set.py\nfrom jobs.base import CONF\nCONF['a'].update(x=<<1|2>>)\n"),
    ("an item of what get gives elsewhere", STALE, "from jobs.base import CONF\ndef clean_sales(raw): return CONF\n-- jobs/base.py\nCONF = {'a': {}}\n-- jobs/set.py\nfrom jobs.base import CONF\nCONF.get('a')['x'] = <<1|2>>\n"),
    ("an item set by the operator module", STALE, "import operator\nfrom jobs.base import CONF\ndef clean_sales(raw): return CONF\n-- jobs/base.py\nCONF = {}\n-- jobs/set.py\nimport operator\nfrom jobs.base import CONF\noperator.setitem(CONF, 'a', <<1|2>>)\n"),
    ("a method that is handed on to be called", STALE, "from jobs.base import CONF\ndef clean_sales(raw): return CONF\n-- jobs/base.py\nCONF = []\n-- jobs/set.py\nfrom jobs.base import CONF\nlist(map(CONF.append, [<<1|2>>]))\n"),
    ("what a class keeps that is a decorator", STALE, "from jobs.base import register\ndef clean_sales(raw): return register.all\n-- jobs/base.py\nclass register:\n    all = []\n    def __init__(self, f): register.all.append(f)\n-- jobs/set.py\nfrom jobs.base import register\n@register\ndef f(): return <<1|2>>\n"),
    ("what a decorator with an argument keeps elsewhere", STALE, "from jobs import base\ndef clean_sales(raw): return base.ALL\n-- jobs/base.py\nALL = {}\ndef register(n):\n    def deco(f):\n        ALL[n] = f\n        return f\n    return deco\n-- jobs/set.py\nfrom jobs import base\n@base.register('x')\ndef f(): return <<1|2>>\n"),
    ("what a class's method keeps that is a decorator", STALE, "from jobs.base import R\ndef clean_sales(raw): return R.all\n-- jobs/base.py\nclass R:\n    all = {}\n    @classmethod\n    def register(cls, n):\n        def deco(f):\n            cls.all[n] = f\n            return f\n        return deco\n-- jobs/set.py\nfrom jobs.base import R\n@R.register('x')\nclass F:\n    a = <<1|2>>\n"),
    ("an attribute of a function set elsewhere", STALE, "def helper(raw): return helper.limit\ndef clean_sales(raw): return helper(raw)\n-- jobs/set.py\nfrom jobs.sales import helper\nhelper.limit = <<1|2>>\n"),
    ("a function put in the place of another elsewhere", STALE, "def helper(raw): return 1\ndef clean_sales(raw): return helper(raw)\n-- jobs/set.py\nfrom jobs import sales\ndef mine(raw): return <<1|2>>\nsales.helper = mine\n"),
    ("a name set in a function that imports the module itself", STALE, CONSTS + "def setup():\n    from jobs import consts\n    consts.FACTOR = <<1|2>>\nsetup()\n"),
    ("a name of a module that a function is handed", STALE, CONSTS + "from jobs import consts\ndef setup(m): m.FACTOR = <<1|2>>\nsetup(consts)\n"),
    ("what a function is handed to set it to", STALE, CONSTS + "from jobs import consts\ndef setup(m, n): m.FACTOR = n\nx = setup(consts, <<1|2>>)\n"),
    ("a name that a function sets of what it is handed", STALE, CONSTS + "from jobs import consts\ndef setup(m, n): setattr(m, 'FACTOR', n)\nx = setup(consts, <<1|2>>)\n"),
    ("names that making an instance sets", STALE, CONSTS + "from jobs import consts\nclass Apply:\n    def __init__(self, **kw):\n        for k, v in kw.items(): setattr(consts, k, v)\nApply(FACTOR=<<1|2>>)\n"),
    ("an argument of a class statement", STALE, "class Rule:\n    all = []\n    def __init_subclass__(cls, n=0): Rule.all.append(n)\nclass A(Rule, n=<<1|2>>): ...\ndef clean_sales(raw): return Rule.all\n"),
    ("a namespace of polars by a constant's name", STALE, "import polars as pl\nNAME = 'shop'\n@pl.api.register_series_namespace(NAME)\nclass Shop:\n    def d(self): return <<1|2>>\ndef clean_sales(raw): return raw.shop.d()\n"),
    ("an accessor of pandas", STALE, "import pandas as pd\n@pd.api.extensions.register_dataframe_accessor('shop')\nclass Shop:\n    def d(self): return <<1|2>>\ndef clean_sales(raw): return raw.shop.d()\n"),
    ("a function of SQL of another module's connection", STALE, "from jobs.db import con\ndef clean_sales(raw): return con.sql('select plus(a) from raw')\n-- jobs/db.py\nimport duckdb\ncon = duckdb.connect()\n-- jobs/udf.py\nfrom jobs.db import con\ndef plus(x): return <<1|2>>\ncon.create_function('plus', plus, None, None)\n"),
    ("a setting of DuckDB by SQL", STALE, 'import duckdb\nduckdb.sql("set TimeZone=\'<<UTC|Asia/Tokyo>>\'")\ndef clean_sales(raw): return duckdb.sql(\'select 1\')\n'),
    ("a codec", STALE, "import codecs\ndef look(n): return <<1|2>>\ncodecs.register(look)\ndef clean_sales(raw): return raw.encode('mine')\n"),
    ("the environment set in another module", STALE, "import os\ndef clean_sales(raw): return os.environ['X']\n-- jobs/s.py\nimport os\nos.environ['X'] = '<<1|2>>'\n"),
    ("the docstring of a subclass that is asked for", STALE, "class Q: ...\nclass R(Q):\n    '<<a|b>>'\ndef clean_sales(raw): return [c.__doc__ for c in Q.__subclasses__()]\n"),
    ("a docstring that is read as a constant", STALE, "def h():\n    '<<a|b>>'\n    return 1\ndef clean_sales(raw): return h.__code__.co_consts\n"),
    ("a frame that SQL put together names", STALE, "import duckdb\nF = <<1|2>>\nQS = ['select a', 'from F']\ndef clean_sales(raw): return duckdb.sql(' '.join(QS))\n"),
    ("a frame of a star import that SQL names", STALE, "import duckdb\nfrom jobs.f import *\ndef clean_sales(raw): return duckdb.sql('select * from rates')\n-- jobs/f.py\nrates = <<1|2>>\n"),
    ("a module below a package by another name", STALE, "import jobs.consts\nm = jobs\ndef clean_sales(raw): return m.consts.X\n-- jobs/consts.py\nX = <<1|2>>\n"),
    ("the bases of a class set elsewhere", STALE, "from jobs.base import B\ndef clean_sales(raw): return B().f()\n-- jobs/base.py\nclass B: ...\n-- jobs/s.py\nfrom jobs.base import B\nclass M:\n    def f(self): return <<1|2>>\nB.__bases__ = (M,)\n"),
    ("a star import's function before Python's", STALE, "from jobs.c import *\ndef clean_sales(raw): return sum(raw)\n-- jobs/c.py\ndef sum(r): return <<1|2>>\n"),
    ("a function that another module puts before Python's", STALE, "def clean_sales(raw): return sum(raw)\n-- jobs/c.py\nfrom jobs import sales\nsales.sum = lambda r: <<1|2>>\n"),
    ("what functions that call each other change", STALE, CONSTS + "from jobs import consts\ndef first(m, n):\n    if n: second(m, n - 1)\n    m.FACTOR = <<1|2>>\ndef second(m, n): first(m, n)\nx = second(consts, 1)\n"),
    ("what functions that call each other change, the other first", STALE, CONSTS + "from jobs import consts\ndef second(m, n): first(m, n)\ndef first(m, n):\n    if n: second(m, n - 1)\n    m.FACTOR = <<1|2>>\ny = first(consts, 1)\nx = second(consts, 1)\n"),
    ("what the last of three functions in a circle changes", STALE, CONSTS + "from jobs import consts\ndef a(m, n): return b(m, n)\ndef b(m, n): return c(m, n)\ndef c(m, n):\n    m.FACTOR = <<1|2>>\n    return n and a(m, n - 1)\nx = b(consts, 1)\ny = a(consts, 0)\n"),
    # Changes through methods, operators, lambdas and what functions give.
    ("an array filled in an assignment", STALE, "import numpy as np\nA=np.zeros(2)\n_=A.fill(<<1|2>>)\ndef clean_sales(raw): return A.tolist()\n"),
    ("an array filled in a function that is called", STALE, "import numpy as np\nA=np.zeros(2)\ndef setup(): A.fill(<<1|2>>)\nsetup()\ndef clean_sales(raw): return A.tolist()\n"),
    ("an array that a result is put into", STALE, "import numpy as np\nA=np.zeros(2)\ndef clean_sales(raw): return A.tolist()\n-- jobs/set.py\nimport numpy as np\nfrom jobs.sales import A\nB=np.add(A,<<1|2>>,out=A)\n"),
    ("a heap that a library pushes to", STALE, "import heapq\nA=[]\ndef clean_sales(raw): return A\n-- jobs/set.py\nimport heapq\nfrom jobs.sales import A\n_=heapq.heappush(A,<<1|2>>)\n"),
    ("a list that a library inserts into in a function", STALE, "import bisect\nA=[]\ndef clean_sales(raw): return A\n-- jobs/set.py\nimport bisect\nfrom jobs.sales import A\ndef go(): bisect.insort(A,<<1|2>>)\ngo()\n"),
    ("a column inserted in a function that is called", STALE, "import polars as pl\nF=pl.DataFrame({'a':[1]})\ndef clean_sales(raw): return F.columns\n-- jobs/set.py\nimport polars as pl\nfrom jobs.sales import F\ndef go():\n    F.insert_column(0,pl.Series('<<b|c>>',[1]))\ngo()\n"),
    ("an item set by __setitem__", STALE, "R={}\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import R\ndef go(): R.__setitem__('a',<<1|2>>)\ngo()\n"),
    ("a dictionary united by __ior__", STALE, "R={}\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import R\nx=R.__ior__({'a':<<1|2>>})\n"),
    ("a dictionary united by the operator module", STALE, "import operator\nR={}\ndef clean_sales(raw): return R\n-- jobs/set.py\nimport operator\nfrom jobs.sales import R\nx=operator.ior(R,{'a':<<1|2>>})\n"),
    ("an item of what a function gives", STALE, "R=[1]\ndef get(): return R\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import get\nget()[0]=<<1|2>>\n"),
    ("a list that a function gives, added to elsewhere", STALE, "R=[1]\ndef get(): return R\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import get\nget().append(<<1|2>>)\n"),
    ("a list that a function gives, added to", STALE, "R=[1]\ndef get(): return R\nget().append(<<1|2>>)\ndef clean_sales(raw): return R\n"),
    ("an item of what a context gives", STALE, "import contextlib\nR={}\n@contextlib.contextmanager\ndef cm():\n    yield R\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import cm\nwith cm() as r:\n    r['a']=<<1|2>>\n"),
    ("what a lambda changes that is called at once", STALE, "R={}\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import R\n(lambda: R.update(a=<<1|2>>))()\n"),
    ("what a lambda changes that a function is handed", STALE, "R={}\ndef run(f): f()\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import R, run\nrun(lambda: R.update(a=<<1|2>>))\n"),
    ("an attribute of the type of an object", STALE, "class S: d={}\ns=S()\ndef clean_sales(raw): return S.d\n-- jobs/set.py\nfrom jobs.sales import s\ntype(s).d['a']=<<1|2>>\n"),
    ("a subclass that type makes", STALE, "class B:\n    reg={}\n    def __init_subclass__(cls,**k): B.reg[cls.__name__]=cls\ndef clean_sales(raw): return {k:v.f for k,v in B.reg.items()}\n-- jobs/set.py\nfrom jobs.sales import B\nX=type('X',(B,),{'f':<<1|2>>})\n"),
    ("a subclass made in a function that is called", STALE, "class B:\n    reg={}\n    def __init_subclass__(cls,**k): B.reg[cls.__name__]=cls\ndef clean_sales(raw): return {k:v.f for k,v in B.reg.items()}\n-- jobs/set.py\nfrom jobs.sales import B\ndef make():\n    class X(B):\n        f=<<1|2>>\nmake()\n"),
    ("a subclass within a class", STALE, "class B: pass\ndef clean_sales(raw): return [k.f for k in B.__subclasses__()]\n-- jobs/set.py\nfrom jobs.sales import B\nclass O:\n    class X(B):\n        f=<<1|2>>\n"),
    ("a subclass within a function", STALE, "class B: pass\ndef clean_sales(raw): return [k.f for k in B.__subclasses__()]\n-- jobs/set.py\nfrom jobs.sales import B\ndef mk():\n    class X(B):\n        f=<<1|2>>\n    return X\nX=mk()\n"),
    ("what __set_name__ keeps", STALE, "R={}\nclass F:\n    def __init__(self,v): self.v=v\n    def __set_name__(self,o,n): R[n]=self.v\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import F\nclass A:\n    x=F(<<1|2>>)\n"),
    ("what __class_getitem__ keeps", STALE, "R={}\nclass F:\n    def __class_getitem__(cls,k):\n        R[k]=1\n        return cls\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import F\nA=F['<<a|b>>']\n"),
    ("what __setitem__ keeps elsewhere", STALE, "R={}\nclass F:\n    def __setitem__(self,k,v): R[k]=v\nf=F()\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import f\nf['x']=<<1|2>>\n"),
    ("what an operator keeps", STALE, "R=[]\nclass F:\n    def __add__(self,v):\n        R.append(v)\n        return self\nf=F()\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import f\nf + <<1|2>>\n"),
    ("what entering a context keeps", STALE, "R=[]\nclass F:\n    def __init__(self,n): self.n=n\n    def __enter__(self): R.append(self.n)\n    def __exit__(self,*a): pass\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import F\nwith F(<<1|2>>): pass\n"),
    ("what calling an object keeps", STALE, "R=[]\nclass F:\n    def __call__(self,n): R.append(n)\nf=F()\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import f\n_=f(<<1|2>>)\n"),
    ("what an object keeps that is a decorator", STALE, "R=[]\nclass F:\n    def __call__(self,n):\n        R.append(n(0))\n        return n\nf=F()\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import f\n@f\ndef x(r): return <<1|2>>\n"),
    ("what the setter of a property keeps", STALE, "R={}\nclass F:\n    @property\n    def x(self): return 1\n    @x.setter\n    def x(self,v): R['x']=v\nf=F()\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import f\nf.x=<<1|2>>\n"),
    ("the class of a module", STALE, "import jobs.consts as k\ndef clean_sales(raw): return k.X\n-- jobs/consts.py\nimport sys,types\nclass M(types.ModuleType):\n    X=<<1|2>>\nsys.modules[__name__].__class__=M\n"),
    ("what a function changes that another one is handed", STALE, "R = {}\ndef run(f): f()\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import R, run\ndef setup(): R.update(a=<<1|2>>)\nrun(setup)\n"),
    ("a logger set up elsewhere", FRESH, "import logging\nlogger = logging.getLogger()\ndef clean_sales(raw):\n    logger.info(raw)\n    return raw\n-- jobs/set.py\nfrom jobs.sales import logger\nlogger.setLevel(<<1|2>>)\ndef setup(): logger.setLevel(<<1|2>>)\nsetup()\n"),
    ("a method of a library's frame by whose name a class changes itself", FRESH, "import polars as pl\nF = pl.DataFrame({'a': [1]})\ndef clean_sales(raw): return F\n-- jobs/set.py\nfrom jobs.sales import F\nclass Rules:\n    def filter(self, n): self.n = n\nG = F.filter(<<1|2>>)\n"),
    ("an accessor in an expression that changes nothing", FRESH, "R = [1]\ndef get(): return R\ndef clean_sales(raw): return R\n-- jobs/set.py\nfrom jobs.sales import get\nN = len(get()) + <<1|2>>\n"),
    # What the text does not say.
    ("a file that Path.open reads", NAMED, "from pathlib import Path\ndef clean_sales(raw): return Path('rates.csv').open().read()\n"),
    ("a file that a path's open reads", NAMED, "def clean_sales(raw, path): return path.open().read()\n"),
    ("a file that a path of the module reads", NAMED, "from pathlib import Path\nRATES = Path('rates.csv')\ndef clean_sales(raw): return RATES.open().read()\n"),
    ("a file that open reads at import", NAMED, "RATES = open('rates.csv').read()\ndef clean_sales(raw): return RATES\n"),
    ("a file that YAML is read from", NAMED, "import yaml\ndef clean_sales(raw):\n    with open('rates.yaml') as file: return yaml.safe_load(file)\n"),
    ("a file that numpy loads", NAMED, "import numpy as np\ndef clean_sales(raw): return np.loadtxt('rates.csv')\n"),
    ("a file that joblib loads", NAMED, "import joblib\nMODEL = joblib.load('model.bin')\ndef clean_sales(raw): return MODEL\n"),
    ("a file that a library loads", NAMED, "import spacy\ndef clean_sales(raw): return spacy.load('model')\n"),
    ("a file that a library is told of", NAMED, "import lightgbm\ndef clean_sales(raw): return lightgbm.Booster(model_file='x')\n"),
    ("a file that pkgutil gives", NAMED, "import pkgutil\ndef clean_sales(raw): return pkgutil.get_data('jobs', 'rates.csv')\n"),
    ("a file that importlib.resources gives", NAMED, "from importlib import resources\ndef clean_sales(raw): return resources.files('jobs')\n"),
    ("a file that configparser reads", NAMED, "import configparser\nc = configparser.ConfigParser()\nc.read('rates.ini')\ndef clean_sales(raw): return c['a']['b']\n"),
    ("a file that linecache reads", NAMED, "import linecache\ndef clean_sales(raw): return linecache.getline('rates.csv', 1)\n"),
    ("a file that gzip reads", NAMED, "import gzip\ndef clean_sales(raw): return gzip.open('rates.gz').read()\n"),
    ("a file that pyarrow reads", NAMED, "import pyarrow.parquet as pq\ndef clean_sales(raw): return pq.ParquetFile('x').read()\n"),
    ("a file that a template is read from", NAMED, "import jinja2\nE = jinja2.Environment(loader=jinja2.FileSystemLoader('.'))\ndef clean_sales(raw): return E.get_template('q.sql').render()\n"),
    ("a database", NAMED, "import sqlite3\ndef clean_sales(raw): return sqlite3.connect('x.db')\n"),
    ("a database of DuckDB", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.connect('x.db')\n"),
    ("a folder that is listed", NAMED, "import os\ndef clean_sales(raw): return os.listdir('.')\n"),
    ("a folder that glob lists", NAMED, "from pathlib import Path\ndef clean_sales(raw): return list(Path('.').rglob('*'))\n"),
    ("a file that SQL names", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.sql(\"select * from 'rates.csv'\")\n"),
    ("a file that a function of SQL reads", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.sql(\"select * from read_csv('rates.csv')\")\n"),
    ("a file that SQL in a constant names", NAMED, "import duckdb\nQ = \"select * from 'rates.parquet'\"\ndef clean_sales(raw): return duckdb.sql(Q)\n"),
    ("a file whose name is put into SQL", NAMED, "import duckdb\nRATES = 'rates.csv'\ndef clean_sales(raw): return duckdb.sql(f\"select * from '{RATES}'\")\n"),
    ("a file whose name is put into SQL after a table", NAMED, "import duckdb\nRATES = 'rates.csv'\ndef clean_sales(raw): return duckdb.sql(f\"select * from raw, '{RATES}'\")\n"),
    ("a file whose name is added to SQL", NAMED, "import duckdb\nRATES = 'rates.csv'\ndef clean_sales(raw): return duckdb.sql(\"from '\" + RATES + \"'\")\n"),
    ("a file that SQL names in double quotes", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.sql('select * from \"rates.csv\"')\n"),
    ("a file that SQL names without quotes", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.sql('select * from rates.parquet')\n"),
    ("a file that SQL names after a table", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.sql(\"select * from raw, 'jobs/rates.csv' r\")\n"),
    ("a file that DuckDB makes a relation of", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.from_parquet('rates.parquet')\n"),
    ("a file that a function reads that is handed on", NAMED, "import polars as pl\ndef clean_sales(raw): return list(map(pl.read_csv, ['rates.csv']))\n"),
    ("a file that a partial reads", NAMED, "import functools\nimport polars as pl\nread = functools.partial(pl.scan_csv, 'rates.csv')\ndef clean_sales(raw): return read()\n"),
    ("a file that a function reads under another name", NAMED, "import polars as pl\nread = pl.read_csv\ndef clean_sales(raw): return read('rates.csv')\n"),
    ("a program", NAMED, "import subprocess\ndef clean_sales(raw): return subprocess.run(['x'])\n"),
    ("an address", NAMED, "import httpx\ndef clean_sales(raw): return httpx.get('http://x')\n"),
    ("the time of day", NAMED, "import datetime\ndef clean_sales(raw): return datetime.datetime.now()\n"),
    ("today", NAMED, "from datetime import date\ndef clean_sales(raw): return date.today()\n"),
    ("the time", NAMED, "import time\ndef clean_sales(raw): return time.time()\n"),
    ("the time in SQL", NAMED, "import duckdb\ndef clean_sales(raw): return duckdb.sql('select current_date')\n"),
    ("a moment in the machine's zone", NAMED, "from datetime import datetime\ndef clean_sales(raw): return datetime.fromtimestamp(raw)\n"),
    ("a moment brought to the machine's zone", NAMED, "def clean_sales(raw): return raw.astimezone()\n"),
    ("a moment of pandas that is now", NAMED, "import pandas as pd\ndef clean_sales(raw): return pd.Timestamp('now')\n"),
    ("data that a library fetches", NAMED, "from sklearn.datasets import load_iris\ndef clean_sales(raw): return load_iris()\n"),
    ("the environment", NAMED, "import os\ndef clean_sales(raw): return os.environ['X']\n"),
    ("the folder of work", NAMED, "from pathlib import Path\ndef clean_sales(raw): return Path.cwd()\n"),
    ("a script that runpy runs", NAMED, "import runpy\nX = runpy.run_path('x.py')\ndef clean_sales(raw): return X\n"),
    ("a module by its file", NAMED, "import importlib.util as u\nS = u.spec_from_file_location('x', 'x.py')\ndef clean_sales(raw): return S\n"),
]  # fmt: skip

# Nothing of these is edited, nor comes from anywhere but the text.
UNNAMED = {
    "a file that Path.open writes": "from pathlib import Path\ndef clean_sales(raw): return Path('x').open('w')",
    "a file that gzip writes": "import gzip\ndef clean_sales(raw): return gzip.open('x', 'wb')",
    "a database in memory": "import duckdb\ndef clean_sales(raw): return duckdb.connect()",
    "a time that is given": "import time\ndef clean_sales(raw): return time.gmtime(raw), time.strftime('%Y', raw)",
    "a word of a library": "import subprocess\ndef clean_sales(raw): return subprocess.PIPE",
    "how long something took": "import time\ndef clean_sales(raw): return time.perf_counter()",
    "a moment in a zone": "from datetime import UTC, datetime\ndef clean_sales(raw): return datetime.fromtimestamp(raw, UTC), raw.astimezone(UTC)",
    "a text with quotes": "def clean_sales(raw): raise ValueError(\"no rows from 'x'\")",
    "JSON in a text": "import json\ndef clean_sales(raw): return json.loads(raw), json.load(raw)",
    "SQL of texts with commas": "import duckdb\ndef clean_sales(raw): return duckdb.sql(f\"select * from raw where a in ('x', '{raw}') and b = '{raw}'\")",
    "SQL of a table in a schema": "import duckdb\ndef clean_sales(raw): return duckdb.sql('select * from main.rates')",
    "a module's own names under a star import": "from jobs.sales import *\ndef clean_sales(raw): return __file__, __name__, len(raw), [x for x in raw]",
    "SQL of tables": "import duckdb\ndef clean_sales(raw): return duckdb.sql('select a, b from raw where a = 1')",
}


@pytest.mark.parametrize(
    ("verdict", "text"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS]
)
def test_an_edit_far_away_makes_a_task_stale_or_is_named_or_cannot_change_it(verdict, text):
    old, new = fingerprint(text, 1), fingerprint(text, 2)
    is_stale = old.digest != new.digest
    assert is_stale == bool(set(old.parts) ^ set(new.parts))
    assert is_stale is (verdict == STALE)
    if verdict == NAMED:
        assert old.not_followed


@pytest.mark.parametrize("text", UNNAMED.values(), ids=UNNAMED.keys())
def test_what_brings_in_nothing_is_not_named(text):
    assert fingerprint(text).not_followed == ()


DIGESTS = """
import sys
sys.path[:0] = sys.argv[1:]
from test_code_far import EDITS, fingerprint
for name, _, text in EDITS:
    found = fingerprint(text)
    print(name, found.digest, found.older, found.parts, found.not_followed)
"""


def test_the_digests_are_the_same_for_every_hash_seed():
    here = Path(__file__).parent
    command = [sys.executable, "-c", DIGESTS, str(here), str(here.parent)]
    found = {
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
    assert found.pop().count(b"\n") == len(EDITS)


def test_tasks_of_a_large_registry_have_the_same_fingerprints_whichever_is_asked_first():
    # More than what is gathered once for all tasks.
    numbers = range(40)
    text = (
        "import functools\nfrom jobs.steps import STEPS, SQL\n@functools.cache\ndef own(x): ...\n"
    )
    for n in numbers:
        text += f"K{n} = {n}\ndef task{n}(raw):\n    'About {n}.'\n    return len(STEPS) + K{n}\n"
        text += f"STEPS.append(task{n})\n"
    text += "def asks(raw): return [step.__doc__ for step in STEPS]\n"
    text += "-- jobs/steps.py\nSTEPS = []\nSQL = 1\n"
    sources, names = project(text, 1), {"__name__": "jobs.sales"}
    exec("\n".join(f"def task{n}(raw): ..." for n in numbers) + "\ndef asks(raw): ...", names)
    tasks = [names[f"task{n}"] for n in numbers] + [names["asks"]]

    def fingerprints(tasks):
        reader = CodeReader(sources.get, modules=sources)
        return {task.__name__: reader.fingerprint(task) for task in tasks}

    found = fingerprints(tasks)
    assert found == fingerprints(reversed(tasks))
    for task in tasks:
        alone = fingerprints([task])
        assert alone[task.__name__] == found[task.__name__]
        parts = dict(found[task.__name__].parts)
        assert {f"jobs.sales.K{n}" for n in numbers} <= parts.keys()
        assert ("jobs.sales.task7 (docstrings)" in parts) is (task.__name__ == "asks")


@pytest.mark.parametrize("link", ["f{n}(m)", "made.f{n}(m)", "C{n}(m)"])
def test_a_chain_of_five_hundred_calls_is_followed_to_its_end(link):
    length = 500
    text = "from jobs import consts, made\ndef clean_sales(raw): return consts.FACTOR + made.X\n"
    text += "made.first(consts)\n-- jobs/consts.py\nFACTOR = 1\n-- jobs/made.py\nX = 1\nfrom jobs import made\n"
    text += f"def first(m): {link.format(n=0)}\n"
    for n in range(length):
        head = f"class C{n}:\n    def __init__(self, m):" if "C" in link else f"def f{n}(m):"
        text += f"{head} {link.format(n=n + 1)}\n"
    last = "class C{n}:\n    def __init__(self, m):" if "C" in link else "def f{n}(m):"
    text += last.format(n=length) + " m.FACTOR = <<1|2>>\n"
    assert fingerprint(text, 1).digest != fingerprint(text, 2).digest


def test_a_chain_of_names_for_names_is_no_error():
    text = "from jobs import consts\nX500 = <<1|2>>\n"
    text += "".join(f"X{n} = consts.Y{n + 1}\n" for n in range(500))
    text += (
        "def clean_sales(raw): return X0\nX0.part = 1\n-- jobs/consts.py\nfrom jobs import sales\n"
    )
    text += "".join(f"Y{n} = sales.X{n}\n" for n in range(501))
    assert fingerprint(text, 1).digest != fingerprint(text, 2).digest


def test_a_task_in_a_registry_has_no_part_for_its_order_among_the_others():
    text = "from jobs import steps\ndef other(raw): ...\nsteps.ALL.append(other)\n"
    text += "def clean_sales(raw): return raw\nsteps.ALL.append(clean_sales)\nsteps.ALL.append(2)\n"
    parts = fingerprint(text + "-- jobs/steps.py\nALL = []\n").parts
    assert not [name for name, _ in parts if "(order)" in name]


def test_the_tables_hold_a_hundred_and_fifty_edits_of_different_names():
    assert len({edit[0] for edit in EDITS}) == len(EDITS) >= 150
