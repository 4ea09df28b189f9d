"""A graph as a document: equal for equal declarations, and another one for others."""

from __future__ import annotations

import json
from datetime import timedelta

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph, derive
from partflow.declarations.graphdocument import graph_document, graph_text
from partflow.declarations.task import effect, task
from partflow.partitions.calendar import Daily

CODES = {"clean": "1" * 32}


def graph(*, retries: int = 0, swapped: bool = False) -> Graph:
    landing = Source("landing", Daily("2024-01-01"), path="landing/{key}.csv")
    days = Dataset("days", Daily("2024-01-01"))
    made = [
        task(name="clean", reads=[landing], writes=days, retries=retries, timeout="5m")(
            lambda raw: raw
        ),
        effect(name="tell", reads=[days.window(-1, 0)])(lambda days: None),
    ]
    return derive(made[::-1] if swapped else made, [landing])


def test_equal_graphs_have_equal_texts_in_whatever_order_they_are_declared():
    assert graph_text(graph(), CODES) == graph_text(graph(swapped=True), CODES)


def test_another_option_or_code_is_another_text():
    texts = {
        graph_text(graph(), CODES),
        graph_text(graph(retries=2), CODES),
        graph_text(graph(), {"clean": "2" * 32}),
    }
    assert len(texts) == 3


def test_it_says_who_reads_what_in_which_form_and_leaves_defaults_out():
    document = graph_document(graph(), CODES)
    clean, tell = document["tasks"]
    assert (clean["name"], clean["kind"], clean["code"]) == ("clean", "task", "1" * 32)
    assert clean["options"] == {"timeout": str(timedelta(minutes=5))}
    assert (tell["kind"], tell["writes"], tell["code"]) == ("effect", ["tell"], None)
    assert tell["reads"][0]["mapping"] == "days.window(-1, 0)"
    assert [(d["name"], d["kind"]) for d in document["datasets"]] == [
        ("days", "dataset"), ("landing", "source"),
    ]  # fmt: skip


def test_a_document_is_json_as_it_stands():
    document = graph_document(graph(), CODES)
    assert json.loads(graph_text(graph(), CODES)) == document
