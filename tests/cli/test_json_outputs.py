"""The documents of `--output json` are what they were, key for key."""

import json

import pytest
from imports import put_aside
from json_outputs import COMMANDS, GOLDEN, documents
from stored import lay_out

RECORDED = json.loads(GOLDEN.read_text("utf-8"))


@pytest.fixture(scope="module")
def present(tmp_path_factory):
    with put_aside("shop_stored"):
        yield documents(lay_out(tmp_path_factory.mktemp("stored")))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_document_has_the_keys_and_values_that_it_had(present, command):
    assert present[command] == RECORDED[command]
