"""Names what a statement may change, and knows what operators and libraries' functions change.

It does not know what the names in a statement stand for.
"""

import ast
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

from partflow.code.index import CHANGING_METHODS
from partflow.code.outside import words_of
from partflow.code.reach import Key

HARMLESS: Final = words_of("""
    abc argparse atexit builtins click collections contextlib dataclasses enum faulthandler
    functools gc inspect itertools logging loguru matplotlib operator partflow pprint pytest re
    rich signal shutil structlog sys tempfile tqdm traceback typer types typing typing_extensions
    unittest warnings
    """)
"""Libraries whose state changes no table."""

REGISTERING: Final = words_of("""
    register create_ overload implement extend hook listen add_ plugin extension udf
""")
"""Words in the names of functions that make a function or a class known to a library."""
_SETTING: Final = words_of("""
    set seed manual_seed enable disable use config option update load_dotenv default tzset chdir
    putenv reset init install
""")
"""How the names of functions begin that set a library's state."""
_SHARED: Final = words_of("get default current root shared")
"""How the names of functions begin that give an object which all share: `decimal.getcontext`."""

_HARMLESS_CALLS: Final = words_of("""
    os.makedirs os.mkdir os.remove os.unlink os.rename os.replace time.sleep
""")
_SPEAKING: Final = words_of("""
    click logging loguru matplotlib rich structlog tqdm warnings
""")
"""Libraries whose objects only speak to people: how they are set up counts for nothing."""

CHANGING: Final = CHANGING_METHODS | words_of("""
    __delattr__ __delitem__ __iadd__ __iand__ __ior__ __isub__ __ixor__ __setitem__ fill
    insert_column itemset put replace_column setfield setflags
""")
"""Methods that change the object that they are called on, also those of well-known libraries."""
_CHANGING_FIRST: Final = words_of("""
    bisect.insort bisect.insort_left bisect.insort_right heapq.heapify heapq.heappop heapq.heappush
    heapq.heappushpop heapq.heapreplace numpy.copyto numpy.fill_diagonal numpy.place numpy.put
    numpy.put_along_axis numpy.putmask operator.delitem operator.iadd operator.iand
    operator.iconcat operator.ior operator.isub operator.ixor operator.setitem random.shuffle
""")
"""Functions of libraries that change their first argument."""
_OPERATORS: Final = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.MatMult: "matmul",
}


class Kind(Enum):
    """What a statement changes."""

    NAME = "a name of a module"
    MODULE = "any name of a module"
    WORD = "what is called by a word: an attribute of a library's class, a function of SQL"
    LIBRARY = "the state of a library"
    CALL = "what a function changes, or making an instance of a class"
    METHOD = "what methods of a name change, of whatever class of the project"
    DERIVING = "what a class does when another one derives from it"


Touch = tuple[Kind, Key | str]


def special_uses(node: ast.AST) -> Iterator[tuple[ast.expr, tuple[str, ...]]]:
    """The expressions whose special methods a node runs, each with the names of those methods."""
    match node:
        case ast.BinOp(left=left, op=operator, right=right):
            name = _OPERATORS[type(operator)]
            yield left, (f"__{name}__",)
            yield right, (f"__r{name}__",)
        case ast.AugAssign(target=target, op=operator):
            name = _OPERATORS[type(operator)]
            yield target, (f"__i{name}__", f"__{name}__")
        case ast.Subscript(value=value, ctx=ast.Store()):
            yield value, ("__setitem__",)
        case ast.Subscript(value=value, ctx=ast.Del()):
            yield value, ("__delitem__",)
        case ast.Subscript(value=value):
            yield value, ("__class_getitem__", "__getitem__")
        case ast.Attribute(value=value, attr=attr, ctx=ast.Store() | ast.Del()):
            # A setter of a property is a function of its name.
            yield value, (attr, "__setattr__", "__delattr__", "__set__")
        case ast.withitem(context_expr=value):
            yield value, ("__enter__", "__exit__")
        case ast.For(iter=value):
            yield value, ("__iter__", "__next__")
        case ast.Assign(value=ast.Call() as value):
            # In the body of a class.
            yield value, ("__set_name__",)
        case _:
            pass


def changed_by_library(name: str, call: ast.Call) -> Iterator[ast.expr]:
    """The arguments that a library's function changes."""
    if name in _CHANGING_FIRST:
        yield from call.args[:1]
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "out")


def only_speaks(libraries: Iterable[str]) -> bool:
    """Whether what these names of libraries give is for people alone: loggers, bars."""
    tops = {top_of(name) for name in libraries}
    return bool(tops) and tops <= _SPEAKING


def by_library(
    name: str, call: ast.Call, *, loosely: bool, of_object: bool = False
) -> Iterator[Touch]:
    """What a call of a library changes: what goes by a word, or its state."""
    if top_of(name) in HARMLESS or name in _HARMLESS_CALLS:
        return
    last = name.rpartition(".")[2].lower()
    is_registering = any(word in last for word in REGISTERING)
    if not (loosely or is_registering or begins(last, _SETTING)):
        return
    texts = [*call.args, *(keyword.value for keyword in call.keywords)]
    words = [
        text.value
        for text in texts
        if isinstance(text, ast.Constant)
        and isinstance(text.value, str)
        and text.value.isidentifier()
    ]
    if is_registering and words:
        yield from ((Kind.WORD, word) for word in words)
    elif not of_object or is_shared(name.rpartition(".")[0]):
        yield Kind.LIBRARY, top_of(name)


def top_of(name: str) -> str:
    """The library that a dotted name is of."""
    return name.partition(".")[0]


def begins(name: str, words: Iterable[str]) -> bool:
    """Whether a name begins with any of the words."""
    return any(name.startswith(word) for word in words)


def is_shared(name: str) -> bool:
    """Whether a call of that name gives an object which all share: `decimal.getcontext()`."""
    return begins(name.rpartition(".")[2].lower(), _SHARED)
