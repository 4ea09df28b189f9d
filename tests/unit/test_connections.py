"""The DuckDB connections of calls: each its own, closed after it; the default one stays."""

import threading

import duckdb
import polars as pl
import pytest

from partflow.connections import Relations

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
