"""Turns Python syntax into bytes that are equal when nothing but its look differs.

It does not know what a name means: it never leaves the piece of syntax that it is given.

The form is our own walk over the fields of the tree, not `ast.dump` and not bytecode, so that it
stays the same from Python 3.11 on: fields that are empty are left out, so a field that a later
Python adds changes nothing until it is used, and f-strings, whose trees differ between 3.11 and
3.12, are brought to one shape.
"""

import ast
from collections.abc import Collection, Hashable, Iterator
from functools import cache, lru_cache
from hashlib import blake2b

FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef)
# What stands in a body, or holds one.
_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)

# `ctx` follows from the place, `kind` is the u of u"text", `simple` the brackets of `(x): int`;
# type comments are comments.
_NEVER_COUNT = frozenset({"ctx", "kind", "type_comment", "type_ignores", "simple"})
_ANNOTATIONS = frozenset({"annotation", "returns"})
_NAMES_KEPT = 10_000


def framed(tag: str, *parts: bytes) -> bytes:
    """One value of a tag and parts; no two different lists of parts give the same bytes."""
    frames = [opening(tag, len(parts))]
    frames += [b"%d:%b" % (len(part), part) for part in parts]
    return b"".join(frames)


def opening(tag: str, count: int) -> bytes:
    """What `framed` begins with if there are so many parts."""
    head = tag.encode()
    return b"%d:%b%d;" % (len(head), head, count)


def digest_of(content: bytes) -> str:
    """32 hexadecimal digits."""
    return blake2b(content, digest_size=16).hexdigest()


def encoded(text: str) -> bytes:
    """UTF-8 that also takes lone surrogates, which a literal may hold."""
    return text.encode("utf-8", "surrogatepass")


def normal_form(root: ast.AST, omit: Collection[ast.AST] = ()) -> bytes:
    """The syntax under `root` without comments, docstrings, annotations and formatting.

    What stands in `omit` is left out too. Annotations in a class body count.
    """
    omitted = frozenset(id(node) for node in omit)
    out: list[bytes] = []
    # A loop and not a recursion: a long chain of method calls is deeper than Python's stack.
    stack: list[ast.AST | bytes | _InClass] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, bytes):
            out.append(item)
            continue
        in_class, node = (True, item.node) if isinstance(item, _InClass) else (False, item)
        if id(node) in omitted or _has_no_effect(node, in_class=in_class):
            continue
        stack += reversed(_expanded(node, omitted, in_class=in_class))
    return b"".join(out)


class _InClass:
    """A statement that stands in a class body, perhaps within an `if` there."""

    __slots__ = ("node",)

    def __init__(self, node: ast.AST) -> None:
        self.node = node


def _has_no_effect(node: ast.AST, *, in_class: bool) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.AnnAssign(value=None, target=ast.Name()):
            return not in_class
        case _:
            return False


def _expanded(
    node: ast.AST, omitted: frozenset[int], *, in_class: bool
) -> list[ast.AST | bytes | _InClass]:
    match node:
        case ast.Constant(value=value):
            return [constant_form(value)]
        case ast.JoinedStr():
            return list(_fstring(node))
        case ast.AnnAssign(target=target, value=ast.expr() as value) if not in_class:
            return [b"(6:Assign", b"7:targets[", target, b"]5:value", value, b")"]
        case _:
            return _generic(node, omitted, in_class=in_class)


def _generic(
    node: ast.AST, omitted: frozenset[int], *, in_class: bool
) -> list[ast.AST | bytes | _InClass]:
    kind: object = type(node)
    head, fields = _shape_of(kind)
    expanded: list[ast.AST | bytes | _InClass] = [head]
    opens_class = isinstance(node, ast.ClassDef)
    stays_in_class = (
        in_class and isinstance(node, _STATEMENTS) and not isinstance(node, FUNCTION_NODES)
    )
    for field, label in fields:
        value = getattr(node, field, None)
        if isinstance(value, list) and omitted:
            # So that what is written without them has the same form.
            value = [item for item in value if id(item) not in omitted]
        if value is None or value == [] or not _counts(node, field, in_class=in_class):
            continue
        expanded.append(label)
        inner = (opens_class and field == "body") or stays_in_class
        if isinstance(value, list):
            expanded.append(b"[")
            expanded += [_child(item, in_class=inner) for item in value]
            expanded.append(b"]")
        elif isinstance(value, ast.Name) and not omitted:
            expanded.append(_name_form(value.id))
        else:
            expanded.append(_child(value, in_class=inner))
    expanded.append(b")")
    return expanded


@lru_cache(_NAMES_KEPT)
def _name_form(name: str) -> bytes:
    """The form of a name, which is what most syntax ends in."""
    return b"(4:Name2:id%b)" % constant_form(name)


@cache
def _shape_of(kind: Hashable) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """How the form of nodes begins, and their fields, sorted, each with how its form begins."""
    name = str(getattr(kind, "__name__", ""))
    fields = sorted(frozenset(getattr(kind, "_fields", ())) - _NEVER_COUNT)
    labels = tuple((field, b"%d:%b" % (len(field), field.encode())) for field in fields)
    return b"(%d:%b" % (len(name), name.encode()), labels


def _counts(node: ast.AST, field: str, *, in_class: bool) -> bool:
    if field in _ANNOTATIONS:
        return isinstance(node, ast.AnnAssign) and in_class
    # The type parameters of a function only serve its annotations.
    return not (field == "type_params" and isinstance(node, FUNCTION_NODES))


def _child(value: object, *, in_class: bool) -> ast.AST | bytes | _InClass:
    if isinstance(value, ast.AST):
        return _InClass(value) if in_class and isinstance(value, _STATEMENTS) else value
    return constant_form(value)


def constant_form(value: object) -> bytes:
    """A literal by type and value, so that 1, 1.0, True and "1" are four."""
    kind = type(value).__name__
    match value:
        case bool() | None:
            content = repr(value).encode()
        case int():
            content = hex(value).encode()  # `repr` refuses integers of more than 4,300 digits
        case float():
            content = value.hex().encode()
        case complex():
            content = f"{value.real.hex()} {value.imag.hex()}".encode()
        case str():
            content = encoded(value)
        case bytes():
            content = value
        case _:
            content = repr(value).encode()
    return framed(kind, content)


def _fstring(node: ast.JoinedStr) -> Iterator[ast.AST | bytes]:
    """Text that touches is one piece, empty text and empty format specifications are none."""
    pieces = list(_merged(node))
    if all(isinstance(piece, str) for piece in pieces):
        yield constant_form("".join(piece for piece in pieces if isinstance(piece, str)))
        return
    yield b"(9:JoinedStr["
    for piece in pieces:
        if isinstance(piece, str):
            yield constant_form(piece)
            continue
        yield from (b"(14:FormattedValue", constant_form(piece.conversion), piece.value)
        if isinstance(piece.format_spec, ast.JoinedStr) and list(_merged(piece.format_spec)):
            yield from (b"4:spec", piece.format_spec)
        yield b")"
    yield b"])"


def _merged(node: ast.JoinedStr) -> Iterator[str | ast.FormattedValue]:
    text = ""
    for piece in _flattened(node):
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            yield text
        text = ""
        yield piece
    if text:
        yield text


def _flattened(node: ast.JoinedStr) -> Iterator[str | ast.FormattedValue]:
    for value in node.values:
        match value:
            case ast.Constant(value=str() as text):
                yield text
            case ast.JoinedStr():
                yield from _flattened(value)
            case ast.FormattedValue():
                yield value
            case _:
                raise AssertionError(f"BUG: {value!r} in an f-string")
