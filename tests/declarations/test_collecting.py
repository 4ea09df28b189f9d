"""What modules hold of what was declared, whatever else they hold."""

from types import ModuleType, SimpleNamespace

from partflow.declarations.collecting import held
from partflow.declarations.dataset import Dataset
from partflow.declarations.task import task
from partflow.partitions.calendar import Daily

DAYS = Daily("2024-01-01")


def module(**values: object) -> ModuleType:
    found = ModuleType("some_jobs")
    vars(found).update(values)
    return found


class Proxy:
    """As of a web framework: it stands for what there is only while a request is answered."""

    @property
    def __class__(self):
        raise RuntimeError("working outside of a request")


def test_what_raises_when_it_is_asked_for_its_class_is_passed_over() -> None:
    dataset = Dataset("a", DAYS)
    made = task(writes=dataset, name="make")(lambda: None)
    values = [Proxy(), {"x": [Proxy(), made]}]
    assert held([module(values=values, dataset=dataset)]) == ([made], [dataset])


def test_a_window_of_a_dataset_holds_the_dataset() -> None:
    dataset = Dataset("a", DAYS)
    assert held([module(last_week=dataset.window(-6, 0))]) == ([], [dataset])


def test_what_two_modules_hold_is_found_once_and_in_order() -> None:
    first, second = Dataset("b", DAYS), Dataset("a", DAYS)
    shared = SimpleNamespace(tables=(first, [second]))
    assert held([module(shared=shared), module(again=[second, shared])]) == ([], [first, second])
