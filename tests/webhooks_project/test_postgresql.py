"""The database back end for PostgreSQL."""

import psycopg
import pytest
from django.db import OperationalError, connection
from pytest_django import DjangoAssertNumQueries

from subscriptions.models import Subscriber

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL only"),
]


def backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def begin_request() -> None:
    connection.close_if_unusable_or_obsolete()


def end_from_elsewhere(pid: int) -> None:
    with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_request_keeps_a_connection_without_asking(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    pid = backend_pid()
    begin_request()
    with django_assert_num_queries(1):
        assert backend_pid() == pid


def test_a_request_gets_a_new_connection_where_the_server_ended_the_old_one() -> None:
    Subscriber.objects.create(name="Acme")
    pid = backend_pid()
    end_from_elsewhere(pid)
    begin_request()
    assert Subscriber.objects.get().name == "Acme"
    assert backend_pid() != pid


def test_a_request_gets_a_new_connection_after_one_that_found_it_broken() -> None:
    end_from_elsewhere(backend_pid())
    with pytest.raises(OperationalError):
        Subscriber.objects.count()
    begin_request()
    assert Subscriber.objects.count() == 0


def test_a_repeated_statement_of_our_own_is_prepared_and_reads_no_table_from_end_to_end() -> None:
    assert connection.settings_dict["OPTIONS"]["prepare_threshold"] is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('enable_seqscan'), current_setting('jit')")
        assert cursor.fetchone() == ("off", "off")
