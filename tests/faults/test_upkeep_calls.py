"""The system calls of upkeep: rebuilding, putting back, accepting and sweeping end at each."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from deaths import ALL, KILLED, Shop, armed, said, sent
from injected import KINDS, Tracer
from small_shop import KEYS, Content, found_by_readers
from traced import STRACE

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")

SAMPLE = {
    "rebuild": {("fdatasync", "error=ENOSPC"), ("rename", "signal=SIGKILL")},
    "put_back": {("rename", "signal=SIGKILL"), ("fsync", "error=EIO")},
    "accept": {("write", "error=ENOSPC")},
    "sweep": {("unlink", "signal=SIGKILL"), ("rename", "signal=SIGKILL"), ("fsync", "error=EIO")},
}
WORDS = {
    "rebuild": ["state", "rebuild", "--yes"],
    "put_back": ["rollback", "counts", "-p", KEYS[2], "--yes"],
    "accept": ["accept", "clean", "-p", KEYS[0]],
    "sweep": ["gc", "--yes"],
}
OWN = (("mine", 5),)
"""What somebody wrote by hand into the first day of `clean`."""


@pytest.fixture(scope="module")
def settled(made: Shop, tmp_path_factory) -> Shop:
    """The small warehouse with all of it made: `before` is what the history holds."""
    template = tmp_path_factory.mktemp("settled") / "shop"
    shutil.copytree(made.template, template)
    assert made.nursery.run(template) == 0, said(template)
    return dataclasses.replace(made, template=template)


@pytest.fixture(scope="module")
def tracer(settled: Shop) -> Tracer:
    return Tracer(settled)


def edited(shop: Shop) -> Path:
    root = shop.copy()
    file = root / f"warehouse/clean/date={KEYS[0]}/data.parquet"
    pl.DataFrame(OWN, schema=["store", "qty"], orient="row").write_parquet(file)
    return root


def littered(shop: Shop) -> Path:
    """With more history than is kept, and lines in the journal that are replaced.

    And with a staged file, and the log of a run that nobody knows.
    """
    root = shop.copy()
    sealed = armed(1, "kill", "sealed")
    again = ["backfill", "counts", "-p", KEYS[0]]
    assert shop.nursery.run(root, environment=sealed, words=again) == KILLED
    private = root / "warehouse/.partflow"
    log = private / "logs/20230101-000000-abcd/1.log"
    for path in (log, *(private / f"history/clean/{KEYS[0]}/00000000000{n}.kept" for n in "12")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    for word in ["pause", "resume"] * 10:
        assert shop.nursery.run(root, words=[word, "clean"]) == 0, said(root)
    return root


def check_rebuilt(shop: Shop, root: Path, code: int | None) -> None:
    """What was reported done is done; what was not is done by the next."""
    if code != 0:
        assert shop.nursery.run(root, words=WORDS["rebuild"]) == 0, said(root)
    found = shop.nursery.look(root)
    assert (found["steps"], found["unlike"], found["intended"]) == (0, [], []), said(root)
    assert found["records"] == shop.record
    assert sent(root) == list(shop.sent)
    for aside in (root / "warehouse/.partflow").glob("metastore.replaced*"):
        aside.unlink()


def check_put_back(shop: Shop, root: Path, code: int | None) -> None:
    """Both outputs of the step are put back, or neither is."""
    seen = whole(shop, root)
    assert shop.nursery.run(root) == 0, said(root)
    both = {n: whole(shop, root)[n, KEYS[2]] for n in ("counts", "sums")}
    old, new = ({n: c[n, KEYS[2]] for n in both} for c in (shop.before, shop.after))
    assert both == old if code == 0 else both in (old, new), (seen, said(root))
    found = shop.nursery.look(root)
    assert (found["steps"], found["unlike"], found["intended"]) == (0, [], []), said(root)
    if both == old:
        release = ["rollback", "counts", "-p", KEYS[2], "--release"]
        assert shop.nursery.run(root, words=release) == 0, said(root)


def check_accepted(shop: Shop, root: Path, code: int | None) -> None:
    """What somebody wrote stands, accepted; and is made again once that is asked for."""
    if code != 0:
        assert shop.nursery.run(root, words=WORDS["accept"]) in {0, 2}, said(root)
    assert shop.nursery.run(root) == 0, said(root)
    found = shop.nursery.look(root)
    assert (found["steps"], found["unlike"], found["intended"]) == (0, [], []), said(root)
    content = next(found_by_readers(root))[1]
    assert content["clean", KEYS[0]] == OWN
    assert content["doubled", KEYS[0]] == (("mine", 10),)
    again = ["backfill", "clean", "-p", KEYS[0]]
    assert shop.nursery.run(root, words=again) == 0, said(root)


def check_swept(shop: Shop, root: Path, _: int | None) -> None:
    """Nothing that is wanted was swept, and a rebuild from what is left says the same."""
    assert whole(shop, root) == shop.after
    check_rebuilt(shop, root, None)


def whole(shop: Shop, root: Path) -> Content:
    """What the first reader sees, all readers see; each partition as it was or as it is."""
    shop.check_readers(root)
    return next(found_by_readers(root))[1]


CASES: dict[str, tuple[Callable[[Shop], Path], Callable[[Shop, Path, int | None], None]]] = {
    "rebuild": (Shop.copy, check_rebuilt),
    "put_back": (Shop.copy, check_put_back),
    "accept": (edited, check_accepted),
    "sweep": (littered, check_swept),
}


@pytest.mark.parametrize("act", CASES)
@pytest.mark.parametrize(("name", "what"), KINDS)
def test_upkeep_that_ends_at_any_system_call_leaves_what_the_next_command_ends(
    tracer: Tracer, settled: Shop, name, what, act, cases
):
    if not ALL and (name, what) not in SAMPLE[act]:
        pytest.skip("`make torture` tries all of them")
    begun_as, check = CASES[act]

    def begin(act: str = act) -> Path:
        return begun_as(settled)

    for number in tracer.numbers(name, what, WORDS[act], begin):
        root = begin()
        code, was_hit = tracer.fail(root, name, what, number, WORDS[act])
        if was_hit:
            cases(1)
            assert code == KILLED if "KILL" in what else code in {0, 1, 2}, said(root)
            assert "Traceback" not in said(root), (number, said(root))
            check(settled, root, code)
            settled.check_ended(root)
