"""Every call of the store and of the record fails once, in every way, in a run of its own."""

from __future__ import annotations

import itertools

import pytest
from deaths import ALL, KILLED, MOST, Shop, said

WAYS = [*itertools.product(["death", "full", "error", "denied"], [False, True]), ("torn", False)]
SHOPS = ["made", "empty"]


@pytest.mark.parametrize("shop", SHOPS, indirect=True)
@pytest.mark.parametrize(("kind", "after"), WAYS)
def test_after_any_call_that_failed_the_same_command_ends_it_well(
    request, shop: Shop, kind, after, cases
):
    offset = WAYS.index((kind, after))
    if not ALL and offset % 2 == SHOPS.index(request.node.callspec.params["shop"]):
        pytest.skip("`make torture` tries each on both")
    for number in range(1 if ALL else 1 + 15 * offset, MOST, 1 if ALL else 173):
        root = shop.copy()
        fault = {"number": number, "kind": kind, "after": after}
        code = shop.nursery.run(root, fault=fault)
        if "fault in" not in said(root):
            break
        assert code == KILLED if kind in {"death", "torn"} else code in {0, 1, 2}, said(root)
        assert "Traceback" not in said(root), said(root)
        shop.check_death(root)
        cases(1)
    assert number > 90
