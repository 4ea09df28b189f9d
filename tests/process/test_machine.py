"""What a process may have of the machine, as its groups of processes say it."""

import os

import pytest

from partflow.process.machine import free_memory, memory, processors, thread_settings

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
GB = 2**30


@pytest.fixture
def system(tmp_path):
    """A system's own files: what is given by path is written below it."""

    def made(**files):
        for path, text in files["files"].items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return made


NEW = {"proc/self/cgroup": "0::/slice/one\n"}
OLD = {"proc/self/cgroup": "4:memory:/box\n2:cpu,cpuacct:/box\n0::/\n"}


def test_without_groups_a_process_may_use_what_it_is_allowed_to_run_on(system):
    assert processors(system(files={})) == HERE


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({**NEW, "sys/fs/cgroup/slice/one/cpu.max": "100000 100000\n"}, 1),
        ({**NEW, "sys/fs/cgroup/slice/one/cpu.max": "50000 100000\n"}, 1),
        ({**NEW, "sys/fs/cgroup/slice/one/cpu.max": "max 100000\n"}, HERE),
        ({**NEW, "sys/fs/cgroup/slice/cpu.max": "100000 100000\n"}, 1),
        ({**NEW, "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({**NEW, "sys/fs/cgroup/slice/one/cpu.max": "9900000 100000\n"}, HERE),
        (
            {
                **OLD,
                "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                **OLD,
                "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            },
            HERE,
        ),
    ],
)
def test_a_group_and_those_above_it_bound_the_processors(system, files, wanted):
    assert processors(system(files=files)) == wanted


def test_the_smallest_memory_of_the_groups_counts(system):
    files = {
        **NEW,
        "sys/fs/cgroup/slice/one/memory.max": "max\n",
        "sys/fs/cgroup/slice/memory.max": f"{2**20}\n",
    }
    assert memory(system(files=files)) == 2**20


def test_free_is_what_the_group_may_still_take_and_what_it_keeps_of_files(system):
    files = {
        **NEW,
        "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   8388608 kB\n",
        "sys/fs/cgroup/slice/one/memory.max": f"{4 * GB}\n",
        "sys/fs/cgroup/slice/one/memory.current": f"{3 * GB}\n",
        "sys/fs/cgroup/slice/one/memory.stat": f"anon {2 * GB}\ninactive_file {GB}\n",
    }
    assert free_memory(system(files=files)) == 2 * GB


def test_without_groups_what_the_system_calls_available_is_free(system):
    assert free_memory(system(files={"proc/meminfo": "MemAvailable:   1024 kB\n"})) == 2**20


def test_where_nobody_tells_nothing_is_known_to_be_free(system):
    assert free_memory(system(files={})) is None


ALL = {
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
}  # fmt: skip


def test_numeric_libraries_are_told_how_many_threads_to_begin():
    assert thread_settings(3, {"HOME": "/"}) == dict.fromkeys(ALL, "3")


@pytest.mark.parametrize("name", sorted(ALL - {"OMP_NUM_THREADS"}))
def test_a_number_that_somebody_has_set_stands(name):
    assert thread_settings(3, {name: "8"}) == dict.fromkeys(ALL - {name}, "3")


def test_who_has_set_the_number_for_all_has_set_it_for_those_that_follow_it():
    added = thread_settings(3, {"OMP_NUM_THREADS": "8"})
    assert set(added) == {"POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"}


def test_an_empty_setting_is_none():
    assert thread_settings(3, {"OMP_NUM_THREADS": ""}) == dict.fromkeys(ALL, "3")
