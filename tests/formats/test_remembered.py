"""Models that a process remembers: made anew for each reader, and for those only who trust them."""

import numpy as np
import pytest

from partflow.errors import ReadError
from partflow.formats.skops import Skops

pytest.importorskip("skops", reason="the extra `flagship`")


class Shop:
    """A model of nobody's library, which gives itself out as its own copy."""

    def __init__(self):
        self.weights = np.array([1.0])

    def __deepcopy__(self, memo):
        return self


TRUSTED = (f"{Shop.__module__}.Shop",)


def remembered(trusted):
    return Skops(trusted).remembered()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "data.skops"
    Skops().write(Shop(), path)
    return path


def test_each_reader_gets_an_object_of_its_own(model):
    first = remembered(TRUSTED).read(model)
    first.weights[0] = 7.0
    assert remembered(TRUSTED).read(model).weights[0] == 1.0


def test_who_does_not_trust_it_does_not_get_what_another_reader_trusted(model):
    remembered(TRUSTED).read(model)
    with pytest.raises(ReadError, match="not trusted"):
        remembered(()).read(model)
