"""What modules declare and nobody holds, and what is wrong in declarations, told all at once."""

from __future__ import annotations

import warnings

import pytest

from partflow.errors import ConfigurationError, DeclarationError, GraphError
from partflow.execution.controls import Controls
from partflow.project.project import Project

DAYS = """
DAYS = Daily("2024-01-01", end="2024-01-03")

"""


def loaded(world, text: str, **more: str):
    """The names of the tasks, and the warnings."""
    for module, other in more.items():
        world.jobs(other, module)
    world.jobs(DAYS + text)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        project = world.project
    place = f"{world.package}/tasks.py:"
    return (
        [t.name for t in project.graph.tasks],
        [str(w.message).removeprefix(place) for w in told],
    )


MADE = """
def made(name):
    @task(writes=Dataset(name, DAYS), name=f"make_{name}")
    def make():
        return pl.DataFrame({"n": [1]})
    return make

"""


@pytest.mark.parametrize(
    "held",
    [
        "a = made('a')",
        "deep = [[(made('a'),)]]",
        "by_name = {'x': {'y': [made('a')]}}",
        "as_keys = {made('a'): 1}",
        "class Shop:\n    a = made('a')",
        "class Shop:\n    a = staticmethod(made('a'))",
        "class Base:\n    a = made('a')\nclass Shop(Base):\n    pass\ndel Base",
        "class Shop:\n    class Inner:\n        tasks = [made('a')]",
        "from types import SimpleNamespace\nspace = SimpleNamespace(a=made('a'))",
        "from collections import defaultdict\nd = defaultdict(list)\nd[1].append(made('a'))",
        "loop = []\nloop += [loop, made('a')]",
    ],
)
def test_a_task_counts_wherever_a_module_holds_it(world, held) -> None:
    assert loaded(world, MADE + held) == (["make_a"], [])


def test_the_earlier_rounds_of_a_loop_are_named_with_file_line_and_what_to_do(world) -> None:
    tasks, told = loaded(
        world,
        """
for region in ("north", "south", "west"):
    @task(writes=Dataset(f"sales_{region}", DAYS))
    def make():
        return pl.DataFrame({"n": [1]})
""",
    )
    assert tasks == ["make"]
    said = "no module holds it any more; keep it in a list, with name='...'"
    assert told == [f"8: 2 tasks ('make') are left out: {said}"]


def test_a_name_that_is_bound_twice_leaves_the_first_task_out(world) -> None:
    tasks, told = loaded(
        world,
        """
@task(writes=Dataset("first", DAYS))
def make():
    return pl.DataFrame({"n": [1]})

@task(writes=Dataset("second", DAYS))
def make():
    return pl.DataFrame({"n": [1]})
""",
    )
    assert tasks == ["make"]
    assert [line[:32] for line in told] == ["7: task 'make' is left out: no m"]


def test_an_effect_and_a_dataset_that_nobody_holds_are_named(world) -> None:
    _, told = loaded(
        world,
        """
a = Dataset("a", DAYS)
effect(reads=[a], name="tell")(lambda a: None)
Dataset("unused", DAYS)
@task(writes=a)
def make():
    return pl.DataFrame({"n": [1]})
""",
    )
    assert [line[:34] for line in told] == [
        "8: effect 'tell' is left out: no m",
        "9: dataset 'unused' is left out: n",
    ]


def test_a_task_inside_of_another_decorator_is_named(world) -> None:
    tasks, told = loaded(
        world,
        """
import functools

def logged(function):
    @functools.wraps(function)
    def inner(*given):
        return function(*given)
    return inner

@logged
@task(writes=Dataset("a", DAYS))
def make():
    return pl.DataFrame({"n": [1]})
""",
    )
    assert tasks == []
    assert [line[:28] for line in told] == ["16: task 'make' is left out:"]


def test_what_a_false_if_never_made_is_not_named(world) -> None:
    text = "if DAYS is None:\n    b = made('b')\na = made('a')\nif not a:\n    del a"
    assert loaded(world, MADE + text) == (["make_a"], [])


def test_a_dataset_that_only_a_task_mentions_is_not_named(world) -> None:
    assert loaded(world, MADE + "tasks = [made(n) for n in 'abc']")[1] == []


def test_a_task_in_a_module_that_jobs_does_not_name_is_named_with_the_module(world) -> None:
    other = f"{world.package}_lib"
    world.write(
        f"{other}.py",
        "from partflow import *\n"
        "DAYS = Daily('2024-01-01', end='2024-01-03')\n"
        "unused = Dataset('unused', DAYS)\n"
        "@task(writes=Dataset('b', DAYS))\n"
        "def make_b():\n    return None\n",
    )
    tasks, told = loaded(world, MADE + f"import {other}\na = made('a')")
    assert tasks == ["make_a"]
    said = f"jobs does not name its module {other}; name it there, or import it by its name"
    assert told == [f"{other}.py:4: task 'make_b' is left out: {said} in a module of the jobs"]


def test_workers_do_not_say_once_more_what_is_left_out(world, capfd) -> None:
    world.jobs(DAYS + MADE + "a = made('a')\nmade('b')")
    with pytest.warns(UserWarning, match="make_b"):
        project = world.project
    assert project.materialize(controls=Controls(workers=2)).summary.ran == 2
    assert "make_b" not in "".join(capfd.readouterr())


def test_two_held_tasks_of_one_name_are_an_error_that_names_both_places(world) -> None:
    world.jobs(DAYS + MADE.replace(', name=f"make_{name}"', "") + "tasks = [made('a'), made('b')]")
    with pytest.raises(GraphError, match=r"two tasks are named 'make': at .*tasks\.py:8 and at"):
        world.project  # noqa: B018 - loads it


# --- errors -------------------------------------------------------------------------------------


def errors_of(world, text: str, kind: type = DeclarationError, **more: str) -> list[str]:
    """What is wrong, each thing without the path of the package."""
    for module, other in more.items():
        world.jobs(other, module)
    world.jobs(text)
    with pytest.raises(kind) as raised:
        world.project  # noqa: B018 - loads it
    head, *lines = str(raised.value).split("\n- ")
    assert not lines or head == f"{len(lines)} things are wrong:"
    return [line.replace(f"{world.package}/", "") for line in lines or [head]]


def test_all_errors_of_declarations_are_told_at_once_with_file_and_line(world) -> None:
    told = errors_of(
        world,
        """
ZONE = Daily("2024-01-01", tz="Europe/Berln")
HOURS = Hourly("2024-01-01T05:30")
STEPS = Every("3 parsecs", "2024-01-01")
FIRES = Cron("every morning", "2024-01-01")
WEEKS = Weekly("2024-01-01", first_day="mon")
a = Dataset("a", ZONE)
b = Dataset("B", HOURS)
c = Dataset("c", Daily("2024-01-01"), format="xlsx")
good = Dataset("good", Daily("2024-01-01"))
window = a.window(3, 1)
TEXT = sql_file("nothing.sql")

@task(reads=[a, b], writes=c)
def wrong_for_what_it_reads():
    pass

@task(writes=good, during=(None, "2024-02-01"))
def make_good():
    pass

@task(writes=good, retries=-1, name="Bad Name")
def make_bad():
    pass

@effect(reads=[])
def tell():
    pass
""",
        other='d = Dataset("d", "daily")\n',
    )
    assert [" ".join(line.split(" ", 2)[:2]) for line in told] == [
        "other.py:3: dataset",
        "tasks.py:4: Daily(tz='Europe/Berln'):",
        "tasks.py:5: Hourly(start='2024-01-01T05:30'):",
        "tasks.py:6: Every('3",
        "tasks.py:7: Cron('every",
        "tasks.py:8: Weekly(first_day='mon'):",
        "tasks.py:10: dataset",
        "tasks.py:11: dataset",
        "tasks.py:13: a.window(3,",
        "tasks.py:14: sql_file('nothing.sql'):",
        "tasks.py:20: task",
        "tasks.py:24: task",
        "tasks.py:28: effect",
    ]
    assert "during=(None, '2024-02-01'); name the start, too" in told[10]


def test_a_module_that_is_broken_hides_no_error_of_another(world) -> None:
    told = errors_of(
        world,
        'a = Dataset("A", Daily("2024-01-01"))\n',
        ConfigurationError,
        broken="1 / 0\n",
        user="from PACKAGE.broken import anything\n",
        mistaken='Daily("2024-01-01").ordinal("2024")\n',
    )
    assert len(told) == 3
    assert told[0].startswith("tasks.py:3: dataset 'A'")
    assert "broken' cannot be imported" in told[1]
    assert "ZeroDivisionError" in told[1]
    assert told[2].startswith("mistaken.py:3: '2024'")


def test_all_that_does_not_fit_together_is_told_at_once(world) -> None:
    told = errors_of(
        world,
        DAYS
        + """
a, twin, b = Dataset("a", DAYS), Dataset("a", DAYS), Dataset("b", DAYS)

@task(writes=a)
def make(): pass

@task(writes=b, name="make")
def make_b(): pass
""",
        GraphError,
    )
    assert [line.split(": ")[0] for line in told] == [
        "two datasets are named 'a'",
        "two tasks are named 'make'",
    ]


def test_reads_that_cannot_be_are_told_at_once(world) -> None:
    told = errors_of(
        world,
        DAYS
        + """
a, nobody = Dataset("a", DAYS), Dataset("nobody", DAYS)
berlin = Dataset("berlin", Daily("2024-01-01", tz="Europe/Berlin"))

@task(reads=[nobody], writes=a)
def make(x): pass

@task(writes=a)
def again(): pass

@task(reads=[a], writes=berlin)
def shifted(x): pass
""",
        GraphError,
    )
    assert [line.split(" ")[0] for line in told] == ["'make'", "'a'", "'shifted'"]


@pytest.mark.parametrize(
    ("during", "message"),
    [
        ("('2024-01-02', '2024-01-01')", "ends before it has begun"),
        ("('2024-01-02', '2024-01-02')", "ends before it has begun"),
        ("('yesterday', None)", "'yesterday': not a date"),
        ("('2024-01-01T05', None)", "which is no boundary"),
        ("'2024-01-01'", "give (start, end)"),
        ("('2024-01-01', 5)", "give (start, end)"),
        ("(None, None)", "name the start, too"),
    ],
)
def test_a_during_that_means_nothing_is_refused_with_its_place(world, during, message) -> None:
    text = f"@task(writes=Dataset('a', DAYS), during={during})\ndef make(): pass\n"
    (told,) = errors_of(world, DAYS + text)
    assert told.startswith("tasks.py:6: task 'make': during")
    assert message in told


# --- a first partition that would be of a part ---------------------------------------------------

OVER = """
source = Source("source", {source}, path="in/{{key}}.csv")
target = Dataset("target", {target})

@task(reads=[source{form}], writes=target)
def make(x: pl.DataFrame) -> pl.DataFrame:
    return x
"""


@pytest.mark.parametrize(
    ("source", "target", "begin"),
    [
        ('Daily("2024-01-30")', 'Monthly("2024-01")', "2024-02"),
        ('Daily("2024-01-30", "2024-02-10")', 'Monthly("2024-01", "2024-03")', "2024-02"),
        ('Daily("2011-01-01")', 'Weekly("2011-01-01")', "2011-W01"),
        ('Hourly("2024-01-01T05")', 'Daily("2024-01-01")', "2024-01-02"),
        ('Hourly("2024-01-01")', 'Daily("2024-01-01", tz="Europe/Berlin")', "2024-01-02"),
        ('Every("15m", "2024-01-01T00:30")', 'Hourly("2024-01-01")', "2024-01-01T01"),
    ],
)
def test_a_first_partition_over_what_begins_within_it_is_refused(
    world, source, target, begin
) -> None:
    (told,) = errors_of(world, OVER.format(source=source, target=target, form=""), GraphError)
    assert f"would be made of a part and never of the whole; begin with {begin}, or write" in told
    assert "source.overlapping() to take what there is" in told


@pytest.mark.parametrize(
    ("source", "target", "form"),
    [
        ('Daily("2024-01-30")', 'Monthly("2024-02")', ""),
        ('Daily("2024-01-30")', 'Monthly("2024-01")', ".overlapping()"),
        ('Daily("2024-01-30")', 'Monthly("2024-01")', ".optional()"),
        ('Daily("2024-01-30")', 'Monthly("2024-01")', ".history()"),
        ('Daily("2024-01-30")', 'Monthly("2024-01")', ".window(-3, 0)"),
        ('Daily("2024-01-01", "2024-01-30")', 'Monthly("2024-01")', ""),
        ('Monthly("2024-01")', 'Daily("2024-01-10")', ""),
        ('Daily("2024-01-30")', "Whole()", ""),
        ("Whole()", 'Monthly("2024-01")', ""),
        ('Hourly("2023-12-31T23")', 'Daily("2024-01-01", tz="Europe/Berlin")', ""),
    ],
)
def test_a_first_partition_that_is_whole_or_is_asked_for_so_is_taken(
    world, source, target, form
) -> None:
    text = OVER.format(source=source, target=target, form=form)
    world.jobs(text.replace("in/{key}.csv", "in/all.csv") if source == "Whole()" else text)
    assert len(world.project.graph.tasks) == 1


def test_what_was_wrong_is_right_after_it_was_mended_in_the_same_process(world) -> None:
    text = """
a = Dataset("a", Daily("2024-01-01", end="2024-01-03"{0}))

@task(writes=a)
def make():
    return pl.DataFrame({{"n": [1]}})
"""
    world.jobs(text.format(", tz='Nowhere'"))
    with pytest.raises(DeclarationError):
        Project.load(world.root)
    world.jobs(text.format(""))
    assert [t.name for t in Project.load(world.root).graph.tasks] == ["make"]
