"""What is kept for many tasks changes no fingerprint: regions everywhere, as usual, or nowhere."""

import pytest
from test_code_far import EDITS, project
from texts import TEXTS, Project, Source

from partflow.code import regions
from partflow.code.fingerprint import CodeReader

EVERYWHERE, NOWHERE = 1, 10**9


def fingerprints(sources: dict[str, Source]) -> list[object]:
    """Of functions of the names that the project's modules define, from one reader."""
    reader = CodeReader(sources.get, modules=sources)
    made = []
    for name, source in sorted(sources.items()):
        for function in ("clean_sales", "size", "one", "make", "area"):
            if f"def {function}(" in source.text:
                names = {"__name__": name}
                exec(f"def {function}(raw): ...", names)
                made.append(reader.fingerprint(names[function], (("version", "1"),)))
    return made


@pytest.mark.parametrize("text", [text for *_, text in EDITS], ids=[edit[0] for edit in EDITS])
def test_an_edit_comes_to_the_same_whatever_is_kept(monkeypatch, text):
    sources, made = project(text, 1), []
    for many in (EVERYWHERE, NOWHERE):
        monkeypatch.setattr(regions, "_MANY", many)
        made.append(fingerprints(sources))
    assert made[0] == made[1]
    assert made[0]


@pytest.mark.parametrize("many", [EVERYWHERE, NOWHERE])
def test_a_project_comes_to_the_same_whatever_is_kept(monkeypatch, many):
    usual = Project(TEXTS).fingerprint(version="1")
    monkeypatch.setattr(regions, "_MANY", many)
    assert Project(TEXTS).fingerprint(version="1") == usual
