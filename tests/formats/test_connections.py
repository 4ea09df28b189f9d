"""The DuckDB connections of calls: each its own, closed after it; the default one stays."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import polars as pl
import pytest

import partflow
from partflow.formats.connections import STATED, Relations, opened

ROWS = pl.DataFrame({"store": ["north", "south"], "qty": [1, 2]}).to_arrow()


def test_the_relations_of_one_call_can_be_joined():
    with Relations() as relations:
        sales, again = relations.over(ROWS), relations.over(ROWS)
        assert len(sales.join(again, "store")) == 2


def test_two_calls_have_connections_of_their_own():
    with Relations() as one, Relations() as other:
        sales, again = one.over(ROWS), other.over(ROWS)
        with pytest.raises(duckdb.Error, match="different connections"):
            sales.join(again, "store").fetchall()


def test_in_the_main_thread_duckdb_itself_speaks_to_the_connection_of_the_call():
    with Relations() as relations:
        sales = relations.over(ROWS)
        assert duckdb.sql("select sum(qty) from sales").fetchall() == [(3,)]
        shops = duckdb.sql("select 'north' as store, 'Oslo' as town")
        assert sales.join(shops, "store").fetchall() == [("north", 1, "Oslo")]


def test_what_modules_made_in_the_default_database_is_seen_by_every_call():
    duckdb.execute("create or replace table rates as select 5 as factor")
    try:
        with Relations() as relations:
            sales = relations.over(ROWS)
            found = sales.query("sales", "select sum(qty * factor) from sales, rates")
            assert found.fetchall() == [(15,)]
    finally:
        duckdb.execute("drop table rates")


def test_after_the_call_its_connection_is_closed():
    with Relations() as relations:
        sales = relations.over(ROWS)
    with pytest.raises(duckdb.ConnectionException):
        sales.fetchall()


def test_after_the_call_the_default_connection_is_the_one_of_before():
    before = duckdb.default_connection()
    with Relations() as relations:
        relations.over(ROWS)
        assert duckdb.default_connection() is not before
    assert duckdb.default_connection() is before


def test_a_default_connection_that_the_task_chose_for_itself_stays():
    before, chosen = duckdb.default_connection(), duckdb.connect()
    try:
        with Relations() as relations:
            relations.over(ROWS)
            duckdb.set_default_connection(chosen)
        assert duckdb.default_connection() is chosen
    finally:
        duckdb.set_default_connection(before)


def test_another_thread_leaves_the_default_connection_as_it_is():
    before, seen = duckdb.default_connection(), []

    def call():
        with Relations() as relations:
            relations.over(ROWS)
            seen.append(duckdb.default_connection())

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert seen[0] is before


def test_without_a_call_a_relation_keeps_its_connection_as_long_as_it_lives():
    assert Relations().over(ROWS).aggregate("sum(qty)").fetchall() == [(3,)]


NEUTRAL = """
access_mode active_grammar_extensions allocator_background_threads
allocator_bulk_deallocation_flush_threshold allocator_flush_threshold allow_community_extensions
allow_extension_repositories allow_extensions_metadata_mismatch allow_parser_override_extension
allow_persistent_secrets allow_unredacted_secrets allow_unsigned_extensions allowed_configs
allowed_directories allowed_paths approximate_join_order_threshold asof_loop_join_threshold
async_threads auto_checkpoint_skip_wal_threshold autoinstall_extension_repository
autoinstall_known_extensions autoload_known_extensions binary_as_string block_allocator_memory
cache_local_files catalog_error_max_schemas checkpoint_on_detach checkpoint_threshold
current_dialect current_transaction_invalidation_policy custom_extension_repository
custom_user_agent debug_checkpoint_scan_sleep_ms default_block_size default_secret_storage
default_transaction_invalidation_policy delim_join_as_cte disable_database_invalidation
disable_parquet_prefetching disabled_compression_methods disabled_filesystems disabled_log_types
disabled_optimizers duckdb_api dynamic_or_filter_threshold enable_external_access
enable_external_file_cache enable_fsst_vectors enable_geoparquet_conversion
enable_http_metadata_cache enable_logging enable_macro_dependencies enable_optimistic_write
enable_optimizer enable_profiling enable_progress_bar enable_progress_bar_print
enable_view_dependencies enabled_log_types errors_as_json experimental_metadata_reuse
explain_output extension_directories extension_repository_directory
external_file_cache_local_max_block_size external_file_cache_remote_max_block_size
external_file_cache_remote_min_block_size external_file_cache_request_sizing
external_file_cache_spill external_threads file_search_path force_column_metadata_reuse
force_compression fsync_mode geometry_minimum_shredding_size home_directory
http_client_pool_capacity http_proxy http_proxy_password http_proxy_username ignore_unknown_crs
immediate_transaction_mode index_scan_max_count index_scan_percentage
initial_column_segment_size json_geometry_format late_materialization_max_rows
legacy_disable_null_type lock_configuration log_query_path logging_level logging_mode
logging_storage max_execution_time max_expression_depth max_memory max_streaming_buffer_size
max_temp_directory_size max_vacuum_tasks memory_limit merge_join_threshold
nested_loop_join_threshold operator_memory_limit ordered_aggregate_threshold
parquet_metadata_cache parquet_prefetch_column_gap partitioned_write_flush_threshold
partitioned_write_max_open_files password perfect_ht_threshold pin_threads
pivot_filter_threshold pivot_limit prefer_range_joins prefetch_all_parquet_files profile_output
profiling_coverage profiling_output profiling_renderer_settings progress_bar_time
python_enable_replacements python_scan_all_frames read_ahead_depth redact_http_logs
scalar_subquery_error_on_multiple_rows scheduler_process_partial schema search_path
secret_directory show_behavior standard_vector_size storage_block_prefetch
storage_compatibility_version streaming_buffer_size table_function_identifier_conversion
temp_directory temp_file_encryption threads tracked_metrics user username
validate_external_file_cache variant_minimum_shredding_size wal_autocheckpoint
wal_autocheckpoint_entries warnings_as_errors worker_threads write_buffer_row_group_count
write_buffer_row_group_memory_limit zstd_min_string_length
"""
"""Settings that cannot change what a query of ours answers: how fast it is, what it may touch, what
it says of itself; or that only a file or extension could have which no query of ours reads."""


def test_every_setting_of_duckdb_that_can_change_a_result_is_stated():
    with opened() as connection:
        rows = connection.sql("select name from duckdb_settings()").fetchall()
    same = {"null_order"}  # another name of one that is stated
    names = {name for (name,) in rows} - {"TimeZone", "Calendar"} - same
    assert names - set(NEUTRAL.split()) - set(STATED) == set()


SETTINGS = """
from partflow.formats.connections import Relations, opened
import pyarrow as pa
with opened() as own, Relations("Europe/Berlin") as relations:
    print(own.sql("select name, value from duckdb_settings() order by 1").fetchall())
    ours = relations.over(pa.table({"a": [1]}))
    print(ours.query("t", "select name, value from duckdb_settings() order by 1").fetchall())
    print(ours.query("t", "select timestamptz '2024-01-01 23:30:00+00'::date::varchar").fetchall())
"""


def test_the_machine_s_zone_and_language_set_nothing():
    said = set()
    for zone, language in (
        ("UTC", "C"),
        ("Asia/Tokyo", "ja_JP.UTF-8"),
        ("America/New_York", "th_TH.UTF-8"),
    ):
        environment = {**os.environ, "TZ": zone, "LC_ALL": language}
        command = [sys.executable, "-c", SETTINGS]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        said.add(run.stdout)
    assert len(said) == 1
    assert "('TimeZone', 'UTC')" in said.pop()


def test_a_call_s_moments_are_cut_by_the_clock_of_its_zone():
    query = "select timestamptz '2024-01-01 23:30:00+00'::date::varchar from sales"
    for zone, day in (("UTC", "2024-01-01"), ("Asia/Tokyo", "2024-01-02")):
        with Relations(zone) as relations:
            sales = relations.over(ROWS)
            assert sales.query("sales", query).fetchall()[0] == (day,)
            assert duckdb.sql(query).fetchall()[0] == (day,)


def test_a_call_leaves_the_zone_of_the_default_connection_as_it_was():
    with Relations("Europe/Berlin") as relations:
        relations.over(ROWS)
    before = duckdb.sql("select current_setting('TimeZone')").fetchall()
    with Relations("Asia/Tokyo") as relations:
        relations.over(ROWS)
    assert duckdb.sql("select current_setting('TimeZone')").fetchall() == before


DEFAULT = """
import duckdb
from partflow.formats.connections import Relations
ZONE = "select current_setting('TimeZone')"
SAID
with Relations() as relations:
    print(duckdb.sql(ZONE).fetchall(), duckdb.cursor().sql(ZONE).fetchall())
"""


@pytest.mark.parametrize(
    ("said", "zone"),
    [("", "UTC"), ("duckdb.sql(\"set TimeZone = 'Europe/Berlin'\")", "Europe/Berlin")],
)
def test_the_default_connection_has_utc_unless_modules_gave_it_a_zone(said, zone):
    command = [sys.executable, "-c", DEFAULT.replace("SAID", said)]
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"[('{zone}',)] [('UTC',)]"


LATE = """
import importlib, json, sys
from partflow.formats.connections import Relations, state_default
state_default(3)
with Relations() as relations:
    assert "duckdb" not in sys.modules
    duckdb = IMPORT
    print(duckdb.sql("select current_setting('TimeZone'), current_setting('threads')").fetchall())
    print(type(duckdb.__loader__).__name__, type(duckdb.__spec__.loader).__name__)
"""


@pytest.mark.parametrize(
    "way",
    ["__import__('duckdb')", "importlib.import_module('duckdb')", "importlib.import_module('d')"],
)
def test_duckdb_has_utc_and_its_share_of_threads_whoever_imports_it_and_when(tmp_path, way):
    (tmp_path / "d.py").write_text("import sys, duckdb\nsys.modules['d'] = duckdb\n")
    command = [sys.executable, "-c", LATE.replace("IMPORT", way)]
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "[('UTC', 3)]",
        "SourceFileLoader SourceFileLoader",
    ]


OURS_FIRST = """
from partflow.formats.connections import Relations, import_for_ourselves, opened, state_default
state_default(3)
import_for_ourselves()
opened().close()
with Relations() as relations:
    import duckdb
    print(duckdb.sql("select current_setting('TimeZone'), current_setting('threads')").fetchall())
"""


def test_a_call_finds_utc_in_duckdb_though_we_imported_it_first():
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", OURS_FIRST]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[('UTC', 3)]"


def test_databases_are_opened_in_one_place_only():
    package = Path(partflow.__file__).parent
    opening = [p.name for p in package.rglob("*.py") if "duckdb.connect(" in p.read_text("utf-8")]
    assert opening == ["connections.py"]
