"""Walks over syntax give what `ast.walk` gives, but for what only repeats what a node says."""

import ast

import pytest
from test_code_golden import CORPUS, parsed

from partflow.code.syntax import statements_in, walk

REPEATING = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
HOLDING = (ast.Module, ast.stmt, ast.ExceptHandler, ast.match_case)
TEXTS = pytest.mark.parametrize(
    "text", [text for _, text, _ in CORPUS], ids=[case[0] for case in CORPUS]
)


def same(nodes, others) -> bool:
    return [id(node) for node in nodes] == [id(other) for other in others]


@TEXTS
def test_a_walk_leaves_out_operators_and_contexts_alone(text):
    tree = parsed(text)
    assert same(walk(tree), [n for n in ast.walk(tree) if not isinstance(n, REPEATING)])


@TEXTS
def test_a_walk_over_statements_leaves_out_expressions_alone(text):
    tree = parsed(text)
    assert same(statements_in(tree), [n for n in ast.walk(tree) if isinstance(n, HOLDING)])
