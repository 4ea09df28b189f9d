"""What is reached in a graph whose common parts are kept, beside a plain search."""

from hypothesis import given
from hypothesis import strategies as st

from partflow.code.contents import CodeContents
from partflow.code.listing import Lister, add_part
from partflow.code.normalform import digest_of, encoded, framed
from partflow.code.regions import Reached, Regions

Leads = dict[int, list[int]]

# Few nodes that lead to many, as a registry does, beside many that lead to few.
leads = st.integers(1, 90).flatmap(
    lambda n: st.fixed_dictionaries(
        {i: st.lists(st.integers(0, n - 1), max_size=n if i % 11 == 0 else 2) for i in range(n)}
    )
)


def contents(node: int) -> CodeContents:
    return CodeContents(parts=frozenset([(f"part {node}", "digest")]))


def all_of(reached: Reached[int]) -> frozenset[int]:
    return reached.region.nodes | reached.beside


def searched(leads: Leads, start: list[int]) -> set[int]:
    reached, stack = set[int](), list(start)
    while stack:
        node = stack.pop()
        if node not in reached:
            reached.add(node)
            stack += leads[node]
    return reached


@given(leads, st.data())
def test_reaches_what_a_plain_search_reaches_whatever_was_asked_before(leads, data):
    graph = Regions(lambda node: leads[node], contents)
    starts = st.lists(st.sampled_from(sorted(leads)), min_size=1, max_size=3)
    for start in data.draw(st.lists(starts, min_size=1, max_size=6)):
        reached = graph.reach(start)
        assert all_of(reached) == searched(leads, start)
        assert not reached.region.nodes & reached.beside


@given(leads, st.data())
def test_goes_on_from_what_was_reached_before(leads, data):
    graph = Regions(lambda node: leads[node], contents)
    first, second = (data.draw(st.sampled_from(sorted(leads))) for _ in range(2))
    reached = graph.reach([second], graph.reach([first]))
    assert all_of(reached) == searched(leads, [first, second])


@given(leads, st.data())
def test_a_region_holds_what_its_nodes_hold(leads, data):
    graph = Regions(lambda node: leads[node], contents)
    reached = graph.reach([data.draw(st.sampled_from(sorted(leads)))])
    region = graph.region(reached)
    assert region.nodes == all_of(reached)
    assert region.contents.parts == {(f"part {node}", "digest") for node in region.nodes}


def test_nodes_that_all_lead_to_each_other_have_one_region():
    graph = Regions(lambda node: [(node + 1) % 1000], contents)
    regions = {id(graph.reach([node]).region) for node in range(1000)}
    assert len(regions) == 1
    assert len(graph.reach([7]).region.nodes) == 1000


def test_each_node_is_asked_once_where_it_leads():
    asked = []

    def leads(node: int) -> list[int]:
        asked.append(node)
        return list(range(node)) if node == 500 else [500]

    graph = Regions(leads, contents)
    for node in range(600):
        graph.reach([node])
    assert sorted(asked) == list(range(600))


names = st.sampled_from("abcdef")
parts = st.lists(st.tuples(names, st.sampled_from("xyz")), max_size=8)


@given(parts, parts, parts)
def test_a_digest_is_that_over_all_parts_whichever_are_shared(own, beside, shared):
    kept = dict[str, str]()
    for name, digest in own:
        add_part(kept, name, digest)
    lister = Lister()
    digest, listed = lister.digest(kept, beside, lister.listing(shared))
    frames = [framed("part", encoded(name), each.encode()) for name, each in listed]
    assert list(listed) == sorted(listed)
    assert digest == digest_of(framed("partflow code 1", *frames))
    assert kept.items() <= set(listed)
    assert {each for _, each in [*own, *beside, *shared]} == {each for _, each in listed}


@given(parts, st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_a_digest_does_not_hang_on_which_of_its_parts_are_shared(parts, places):
    by_name = dict(parts)
    split = [{n: d for i, (n, d) in enumerate(by_name.items()) if places[i] == p} for p in range(3)]
    lister = Lister()
    own, beside, shared = split
    digest = lister.digest(own, beside.items(), lister.listing(shared.items()))
    assert digest == lister.digest(by_name, (), lister.listing(()))
