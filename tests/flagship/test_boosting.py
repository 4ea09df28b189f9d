"""The module of the how-to on another library's model, where that library is installed."""

import re
import types
from datetime import date, timedelta

import pytest
from flagshipdays import all_demand, between, features_of, lessons_of

from partflow.formats.skops import Skops

pytest.importorskip("lightgbm", reason="LightGBM is no dependency: it wants the system's libgomp")

PAGE = "docs/how-to/another-librarys-model.md"
MONDAY = date(2012, 6, 4)


@pytest.fixture(scope="module")
def boosting(pytestconfig):
    """The module that the page shows."""
    page = (pytestconfig.rootpath / PAGE).read_text(encoding="utf-8")
    (text,) = re.findall(r"^```py\n# jobs/boosting\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    module = types.ModuleType("boosting")
    exec(compile(text, PAGE, "exec"), vars(module))
    return module


@pytest.fixture(scope="module")
def known():
    return features_of(all_demand())


def trained(boosting, known):
    year = MONDAY - timedelta(weeks=52), MONDAY - timedelta(days=1)
    return boosting.train_boosting_model(lessons_of(known, all_demand(), *year))


def test_the_model_of_the_page_forecasts_a_week_it_has_not_seen(boosting, known):
    week = MONDAY, MONDAY + timedelta(days=6)
    actual = between(all_demand(), *week)["rentals"]

    said = boosting.predict(trained(boosting, known), between(known, *week))

    assert (said - actual).abs().sum() / actual.sum() < 0.2


def test_trained_again_it_is_an_equal_file_and_what_is_read_says_the_same(
    boosting, known, tmp_path
):
    form = Skops(boosting.boosting_model.trusted)
    models = [trained(boosting, known) for _ in range(2)]
    files = [tmp_path / "first.skops", tmp_path / "second.skops"]
    for model, path in zip(models, files, strict=True):
        form.write(model, path)

    week = between(known, MONDAY, MONDAY + timedelta(days=6))
    assert form.fingerprint(files[0]) == form.fingerprint(files[1])
    assert boosting.predict(form.read(files[0]), week).equals(boosting.predict(models[0], week))
