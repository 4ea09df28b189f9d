"""A file that is written beside its place is whole where it is, or is not there."""

from __future__ import annotations

import pytest

from partflow.store.replacing import replaced


@pytest.mark.parametrize("durable", [True, False])
def test_what_was_written_takes_the_place_of_what_was_there(tmp_path, durable):
    path = tmp_path / "plan.json"
    for text in ("one", "another"):
        with replaced(path, durable=durable) as new:
            new.write_text(text)
            assert new.parent == tmp_path
        assert path.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_what_is_cut_off_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("one")

    def cut_off() -> None:
        with replaced(path) as new:
            new.write_text("a half")
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        cut_off()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("plan.json", "one")]
