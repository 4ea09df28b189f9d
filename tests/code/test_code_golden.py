"""The digests of one corpus, which have to be the same on every Python from 3.11 on.

A digest that changes here makes everything stale that was ever made. That is a decision: write it
down, and give the fingerprint a new tag.
"""

# ruff: noqa: E501 - a statement is a line

import ast
import sys
import warnings

import pytest
from test_code_far import EDITS, fingerprint
from texts import TEXTS, Project, of

from partflow.code.normalform import digest_of, normal_form

# What it holds, its text, and the digest of its normal form.
CORPUS: list[tuple[str, str, str]] = [
    ("numbers", "a = 1, -2, 0x1F, 1_000, 10**30, 1.5, 1e-300, 2j, True, None, ...", "77a522bd6ad9181ac11ca4d8d2c974f1"),
    ("a number of many digits", "a = 0x" + "f" * 5000, "8264fc7f41cc0f4dbbaaa9de64964540"),
    ("texts", "a = 'x', u'y', r'\\d', b'z', 'so' \"ld\", '\\N{BULLET}', '\\ud800', '''\n'''", "bb81d64ba0733cb6390f33f7c7c55f53"),
    ("containers", "a = [1, (2,), {3}, {'k': 4, **b}, *c, [], {}]", "e5d54fdf2bb387ceb1de2e6a7986363d"),
    ("operators", "a = (b + c - d) * e / f // g % h ** i @ j << k >> l | m ^ n & ~o, not p, +q, -r", "9ca2ca9c78285019182eb4206d3b117d"),
    ("comparisons", "a = b < c <= d > e >= f == g != h, i is j, k is not l, m in n, o not in p", "f44870625c0a3bbe825c2000c9f32c20"),
    ("decisions", "a = b and c or d if e else f", "00d9f530c4670c372851869459e01bd3"),
    ("subscripts", "a = b[1], c[1:2:3], d[:], e[..., 1:], f[*g], h.i.j", "d8bc2b97339864b0aa7422355725e6ef"),
    ("calls", "a = f(1, *b, c=2, **d), g(), (h := 3)", "61f532092cb4fc7de1ce2cf0a9f3ee30"),
    ("lambdas", "a = lambda x, /, y=1, *z, k, m=2, **n: (x, y)", "ad7e14b5bf7681a92b854036fbffbcd8"),
    ("comprehensions", "a = [x for x in b if x if y for z in x], {x for x in b}, {x: y for x, y in b}, (x for x in b)", "0c0f28a4a46e953a6ee644f5ff046ef0"),
    ("assignments", "a = b = 1\nc, *d = e\n(f.g, h[0]) = i\nj += 1\nk: int = 2\nl: int\ndel m, n[0]", "2495f3e247a0280e2a1cd0c493167dd2"),
    ("assignments by operators", "a += b\na -= b\na *= b\na /= b\na //= b\na %= b\na **= b\na @= b\na <<= b\na >>= b\na |= b\na ^= b\na &= b", "18c804f2540747a307ffb273cfe9d6f3"),
    ("statements", "pass\nassert a, 'no'\nraise B from c\nraise", "fef91f281da42d8857bbfc4dd1e6c33b"),
    ("imports", "import a, b.c as d\nfrom . import e\nfrom ..f.g import h as i, j\nfrom k import *", "ab8e609a6d7f404ae41d0c3a572a9a6a"),
    ("branches", "if a:\n    b\nelif c:\n    d\nelse:\n    e()", "3e13eda4ad735c4d0b4f42b8246e69ee"),
    ("loops", "for a, b in c:\n    continue\nelse:\n    d()\nwhile e:\n    break\nelse:\n    f()", "4487e1c25b2392d1854f0198d7bbc82c"),
    ("faults", "try:\n    a()\nexcept (B, C) as d:\n    e()\nexcept F:\n    raise\nexcept:\n    g()\nelse:\n    h()\nfinally:\n    i()", "7c072b13a3dad6c24b094791cc6d876f"),
    ("groups of faults", "try:\n    a()\nexcept* B as c:\n    d()", "a51f03bd95e0705446aff38121c28c8e"),
    ("a return out of finally", "def f():\n    try:\n        a()\n    finally:\n        return b", "612a0a0a5e6cb1f455bd0f4fac37e7c6"),
    ("contexts", "with a as b, (c), d() as (e, f):\n    g()\nwith (h as i, j):\n    k()", "4835477512f5a303cdfcf396f29a3448"),
    ("functions", "@deco(1)\ndef f(a, b: int = 1, /, c=2, *d, e: str, g=3, **h) -> int:\n    'Doc.'\n    global i\n    x: int = a\n    def inner():\n        nonlocal x\n        return x\n    yield x\n    y = yield\n    yield from inner()\n    return y", "43b850f98ce0a918ae8baa6d0b1717cd"),
    ("coroutines", "async def f():\n    async with a as b:\n        await c\n    async for d in e:\n        yield [g async for g in d if await g]", "f37c0fe665aa2b4feb30099a3d1dd842"),
    ("classes", "@deco\nclass A(B, metaclass=C, k=1):\n    'Doc.'\n    x: int = 1\n    y: str\n    def m(self, a: int) -> None:\n        q: int = 1\n        self.p: int = q", "01849231ca4551ea5bba3065a16d9e6a"),
    ("statements in classes", "class A:\n    if z:\n        w: float = 2\n    for i in j:\n        v: int\n    try:\n        u: int = 1\n    except E:\n        t: int\n    match s:\n        case 1:\n            r: int", "dca6a817b08778b29bbfe5aec4fd07a1"),
    ("an empty class", "class A: ...", "b9a2c4117ec5de6a42b84999bc849b32"),
    ("matches", "match a:\n    case 1 | -2 | 'x':\n        b()\n    case None | True:\n        b()\n    case [c, *d, _]:\n        b()\n    case {'k': e, **f}:\n        b()\n    case G(1, h=2) as i if i:\n        b()\n    case J.k | [*_]:\n        b()\n    case _:\n        b()", "427a771d274331df3646bf3959111fca"),
    ("f-strings", "a = f'', f'x', f'{b}', f'x{b}y', f'{b!r:>10}', f'{b:{c}.{d}f}', f'{b=}', f'{ b = }', f'{b=!s:^{c}}', f'{{{b}}}'", "c1cce39c5d15cfd303280c3e3d961702"),
    ("f-strings of several pieces", "a = 'x' f'{b}' 'y' f'z', f'x' f'y', f'' 'x', f'{b}' f'{c}', f'''\n{\nb\n}\n''', f'{b}' r'\\d' f'{{}}'", "ea23f45a9dbfda67ca3dd06fc78b75d8"),
    ("f-strings within f-strings", "a = f\"{f'{b}' + 'x'}\", f\"{b['k']}\", f\"{(lambda x: x)(1)}\", f'''{b[\"x\"]:>{len(\"y\")}}{\"z\"}'''", "0a714c486ed13e6a8d2bcb377f1e9300"),
    ("formats in f-strings", "a = f\"{b:{'>'}{10}}\", f'{b:}', f'{b:%Y-%m-%d}', f'{b!a}', f'{b:{{}}}', f'{b:{c}}{d}', f'{b:%%}'", "d6653229ef65eddf90c47a84b138b0c9"),
    ("escapes in f-strings", "a = f'\\n{b}\\t', rf'\\n{b}\\d', f'{b:\\n}', f'\\N{BULLET}{b}', f'{b:x\\ty}', f'\\x41{b}\\u00e9', rf'\\{b}', rf'{b:\\d}', rf'{b:\\{c}}'", "cb61d06bdca9a8027f68e8d7cb46be5e"),
    ("an f-string over lines", "a = (f'a{b}'\n  'c{'\n  f'{{d{e}')\nf'{a}'", "09e272261b42b339892eb4c8183fe55a"),
]  # fmt: skip


def parsed(text):
    with warnings.catch_warnings():
        # 3.12: of a backslash before a brace; 3.14: of a return out of finally
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(text)


@pytest.mark.parametrize(
    ("text", "digest"), [case[1:] for case in CORPUS], ids=[case[0] for case in CORPUS]
)
def test_syntax_has_one_digest_on_every_python(text, digest):
    assert digest_of(normal_form(parsed(text))) == digest


# What Python 3.12 and later added, what 3.14 only keeps for old callers, and what no text gives.
LATER = {"TemplateStr", "Interpolation", "TypeAlias", "TypeVar", "ParamSpec", "TypeVarTuple"}
UNWRITTEN = {"AugLoad", "AugStore", "Bytes", "Ellipsis", "ExtSlice", "Index", "NameConstant"} | {
    *("Num", "Param", "Str", "Suite", "FunctionType", "TypeIgnore", "Expression", "Interactive"),
    *("slice", "type_ignore", "type_param"),
}


def test_the_corpus_holds_every_kind_of_syntax_of_python_3_11():
    kinds = {
        kind.__name__
        for kind in vars(ast).values()
        if isinstance(kind, type) and issubclass(kind, ast.AST) and not kind.__subclasses__()
    }
    held = {type(node).__name__ for case in CORPUS for node in ast.walk(parsed(case[1]))}
    assert kinds - held - LATER - UNWRITTEN == set()


FACTORY = """
    from datetime import date
    def make(factor, *more):
        def clean(raw, by=factor): return raw * factor, more
        return clean
    clean_sales = make({3, "b", "a"}, 2.5, date(2024, 1, 1), {"k": [None]}, len)
"""
LISTED = """
    def make(n): return [lambda raw, n=n: raw + n + each for each in (n,)]
    first, second = [lambda raw, n=n: raw + n for n in (1, 2)]
    [third] = make(3)
    fourth = {n: (lambda raw: raw + n) for n in (4,)}[4]
"""
BOUND = """
    import functools
    from dataclasses import dataclass
    @dataclass(frozen=True)
    class Cleaner:
        by: int
        def clean(self, raw, more): return raw + self.by + more
    clean_sales = functools.partial(Cleaner(2).clean, more="x")
"""


@pytest.mark.parametrize(
    ("text", "name", "digest"),
    [
        (FACTORY, "clean_sales", "98f3e18d3aec6721a0ef670bbbcf026d"),
        (BOUND, "clean_sales", "f1e7a9b3d8b8d41575e53f26e1e80b09"),
        (LISTED, "first", "406283c475fd551ab91228ee2a106932"),
        (LISTED, "second", "8635a5f5b62174d98851abe7828764cf"),
        (LISTED, "third", "f0803bf222bf112d8a9170e3b7089e20"),
        (LISTED, "fourth", "e643cb4935733421f41b1932c471623a"),
    ],
    ids=["a closure", "a partial of a bound method", *("a listed lambda " + n for n in "1234")],
)
def test_what_a_function_carries_has_one_digest_on_every_python(text, name, digest):
    assert of(text, name).digest == digest


def test_a_project_has_one_digest_on_every_python():
    assert Project(TEXTS).fingerprint(version="1").digest == "6f0d1b7f5f939b16e30de9af5935517a"


# An edit of the table of those far away, what its project was under the first rules, and is now.
FAR = [
    ("an implementation registered by annotation", "9fb2046d483e7fdea3420e5e8327751e", "42ba0ae5f8195edf91153bfd764791d1"),
    ("a name set in a function that is called", "fcafb7c06335e7dca71f298fa545aee6", "ec160202454cdb99882c84cd88532c26"),
    ("a star import after a definition", "3efa959cd11d70de25ffa813c0416386", "c038d74fb73886c6b232232f9e3c554c"),
    ("a frame that SQL names", "1f6a86fc8eff567c9a8158c1bf72401d", "698265478f17f331aa29a4aa3f2fc26a"),
    ("a docstring that is read", "b3b4ccf947e775058a6b3ba097920f7f", "cd97abff0e9729ac4faa3460f1c8e2a5"),
    ("an annotation under a library's decorator", "d8c9a63a468369047d427d9193f6aeed", "cb1a075d1ca22ff6d516c316a0eec5b3"),
    ("a subclass that __subclasses__ finds", "5c81975707339c0cfedf38a853d43b9f", "150f380625b3651dad4d422923ab3470"),
    ("the precision of decimals", "9e0817ad13c81e32e0566e57a290f0b7", "26523f8d7fd2be9e38ac6aaa361f9c94"),
    ("a namespace of polars in another module", "645430e0adbe9699ce243123b624f693", "aabe8f2ff8f1140744aabaa0d16b8feb"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "older", "digest"), FAR, ids=[case[0] for case in FAR])
def test_what_later_rules_add_to_has_one_digest_by_both(name, older, digest):
    (text,) = (text for edit, _, text in EDITS if edit == name)
    found = fingerprint(text)
    assert (found.older, found.digest) == (((1, older),), digest)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax of Python 3.12")
@pytest.mark.parametrize(
    ("text", "older"),
    [
        ("def f[T](x: T) -> T:\n    return x", "def f(x):\n    return x"),
        ("a = f'{'x'}{b  # why\n}'", "a = f'{\"x\"}{b}'"),
        ("a = f'{b:{c:>{d}}}'", "a = f'{b:{c:>{(d)}}}'"),
    ],
    ids=["parameters of types", "quotes and comments in an f-string", "formats within formats"],
)
def test_what_python_3_12_adds_has_the_form_of_what_it_replaces(text, older):
    assert normal_form(ast.parse(text)) == normal_form(ast.parse(older))
