import io
import json
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from dispatch.models import Delivery, Event
from tests.factories import EndpointFactory, EventFactory, SubscriberFactory

SECONDS = 60


def publish(*arguments: str) -> list[str]:
    """Run the command in this process. Return the lines it prints."""
    stdout = io.StringIO()
    call_command("publish_event", *arguments, stdout=stdout)
    return stdout.getvalue().splitlines()


def refusal(*arguments: str) -> str:
    """Run the command, which must fail, and return its sentence."""
    with pytest.raises(CommandError) as refused:
        publish(*arguments)
    return str(refused.value)


def process(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "publish_event", *arguments],
        env=environment,
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


def lines_file(folder: Path, *lines: object) -> str:
    file = folder / "events.jsonl"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return str(file)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    return content


@pytest.mark.django_db
def test_an_event_goes_to_every_endpoint_that_wants_it() -> None:
    EndpointFactory(event_types=["invoice.*"])
    EndpointFactory()
    EndpointFactory(event_types=["order.*"])

    told = publish("invoice.paid", "--data", '{"amount": 1.50, "to": "Jürgen"}')

    event = Event.objects.get()
    assert told == [f"{event.id} 2 deliveries"]
    assert (event.type, event.subscriber, event.payload) == ("invoice.paid", None, '{"amount":1.5,"to":"Jürgen"}')


@pytest.mark.django_db
def test_an_event_for_one_subscriber_by_uid_or_id() -> None:
    EndpointFactory()
    subscriber = SubscriberFactory(uid="acme")
    EndpointFactory(subscriber=subscriber)

    for name in ("acme", subscriber.id):
        (told,) = publish("invoice.paid", "--subscriber", name)
        assert told.endswith(" 1 delivery")
    assert Event.objects.filter(subscriber=subscriber).count() == 2


@pytest.mark.django_db
def test_without_data_the_payload_is_an_empty_object() -> None:
    publish("invoice.paid")

    assert Event.objects.get().payload == "{}"


@pytest.mark.django_db
def test_an_event_is_sent_later() -> None:
    EndpointFactory()
    later = (timezone.now() + timedelta(days=1)).isoformat()
    publish("invoice.paid", "--deliver-after", later)
    assert Delivery.objects.get().next_attempt_at == datetime.fromisoformat(later)
    said = refusal("invoice.paid", "--deliver-after", "soon")
    assert said == "--deliver-after: 'soon' is not a time, such as 2026-03-01T12:00:00Z."


@pytest.mark.django_db
def test_an_event_names_channels_and_an_ordering_key(tmp_path: Path) -> None:
    wanting = EndpointFactory(channels=["eu"])
    EndpointFactory(channels=["us"])
    publish("invoice.paid", "--channel", "eu", "--channel", "asia", "--ordering-key", "customer 7")
    event = Event.objects.get()
    assert (event.channels, event.ordering_key) == (["asia", "eu"], "customer 7")
    assert Delivery.objects.get().endpoint == wanting
    lines = lines_file(tmp_path, {"data": 1, "channels": ["us"], "ordering_key": "other"}, {"data": 2})
    publish("invoice.paid", "--file", lines, "--channel", "eu", "--ordering-key", "customer 7")
    first, second = Event.objects.order_by("id")[1:]
    assert (first.channels, first.ordering_key) == (["us"], "other")
    assert (second.channels, second.ordering_key) == (["eu"], "customer 7")


@pytest.mark.django_db
def test_publishing_again_with_the_idempotency_key_tells_the_first_event() -> None:
    (first,) = publish("invoice.paid", "--idempotency-key", "k")
    (again,) = publish("invoice.paid", "--idempotency-key", "k")

    assert again == f"{first}, published before with this idempotency key"
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_a_json_file_is_one_payload(tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{\n  "amount": 12\n}\n')

    publish("invoice.paid", "--file", str(file))

    assert Event.objects.get().payload == '{"amount":12}'


@pytest.mark.django_db
def test_each_line_of_a_jsonl_file_is_an_event(tmp_path: Path) -> None:
    subscriber = SubscriberFactory(uid="acme")
    EndpointFactory(subscriber=subscriber)
    file = lines_file(
        tmp_path,
        {"type": "invoice.paid", "data": {"n": 1}, "subscriber": "acme", "idempotency_key": "k1"},
        "",
        {"data": "line\u2028separator"},
    )

    told = publish("order.made", "--file", file)

    assert [line.split()[1:] for line in told] == [["1", "delivery"], ["1", "delivery"]]
    assert list(Event.objects.order_by("id").values_list("type", "subscriber", "idempotency_key", "payload")) == [
        ("invoice.paid", subscriber.id, "k1", '{"n":1}'),
        ("order.made", None, None, '"line\u2028separator"'),
    ]


@pytest.mark.django_db
def test_what_the_command_line_says_holds_for_lines_that_do_not_say_it(tmp_path: Path) -> None:
    first, second = SubscriberFactory(uid="first"), SubscriberFactory(uid="second")
    file = lines_file(tmp_path, {"data": 1}, {"type": "order.made", "data": 2, "subscriber": "second"})

    publish("invoice.paid", "--file", file, "--subscriber", "first")

    assert list(Event.objects.order_by("id").values_list("type", "subscriber")) == [
        ("invoice.paid", first.id),
        ("order.made", second.id),
    ]


@pytest.mark.django_db
def test_standard_input_is_a_payload_when_the_type_is_given_and_lines_when_not(stdin: io.BytesIO) -> None:
    stdin.write(b'{"type": "order.made", "data": 1}\n')

    for arguments in (["invoice.paid"], []):
        stdin.seek(0)
        publish(*arguments, "--file", "-")

    assert list(Event.objects.order_by("id").values_list("type", "payload")) == [
        ("invoice.paid", '{"type":"order.made","data":1}'),
        ("order.made", "1"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"type": "x", "data"', "This is not JSON: Expecting ':' delimiter at character 21."),
        ("[1]", 'A line is an object, such as {"type": "invoice.paid", "data": {}}.'),
        ({"data": 1}, "There is no type. Write one into the line, or give TYPE for all lines."),
        ({"type": "x"}, 'There is no "data".'),
        ({"type": 1, "data": 1}, '"type" must be a text.'),
        ({"type": "x", "data": 1, "subscriber": None}, '"subscriber" must be a text.'),
        ({"type": "x", "data": 1, "channels": "a"}, '"channels" must be a list.'),
        (
            {"type": "x", "data": 1, "channels": ["a b"]},
            "'a b' is not a channel: write letters, digits and . _ : -, at most 128 characters. Nothing was published.",
        ),
        (
            {"type": "x", "payload": 1},
            "Unknown field 'payload'. A line has type, subscriber, channels, idempotency_key, ordering_key, "
            "deliver_after, data.",
        ),
        (
            {"type": "x", "data": 1, "subscriber": "nobody"},
            "There is no subscriber with the id or uid 'nobody'. Nothing was published.",
        ),
        (
            {"type": "x", "data": 1, "idempotency_key": "taken"},
            "The idempotency key 'taken' was used before, for another event. Nothing was published.",
        ),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_published(tmp_path: Path, line: object, reason: str) -> None:
    EndpointFactory()
    taken = EventFactory(idempotency_key="taken")
    file = lines_file(tmp_path, {"type": "invoice.paid", "data": 1}, line, {"type": "invoice.paid", "data": 3})

    assert refusal("--file", file) == f"{file}, line 2: {reason}"
    assert list(Event.objects.all()) == [taken]
    assert not Delivery.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Name the event type: `publish_event TYPE`. Only the lines of a .jsonl file can name it."),
        (["x", "--data", "{"], "--data: This is not JSON: Expecting property name enclosed in double quotes at charac"),
        (["x y"], "'x y' is not an event type: write words of letters, digits, '_' and '-' with dots between them"),
        (["x", "--subscriber", "nobody"], "There is no subscriber with the id or uid 'nobody'. Nothing was published."),
        (["x", "--idempotency-key", ""], "An idempotency key must be 1 to 200 printable characters long. Nothing was"),
        (["x", "--file", "/nonexistent"], "/nonexistent cannot be read: No such file or directory."),
        (["--file", "/nonexistent.jsonl"], "/nonexistent.jsonl cannot be read: No such file or directory."),
        (
            ["--file", "x.jsonl", "--idempotency-key", "k"],
            "An idempotency key belongs to one event: write it into each line of the file.",
        ),
        (["x", "--file", "y", "--data", "1"], "Error: argument --data: not allowed with argument --file"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(arguments: list[str], expected: str) -> None:
    assert refusal(*arguments).startswith(expected)
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "has no lines, so nothing was published."),
        (b"\n \n", "has no lines, so nothing was published."),
        (b'{"data": "\xff"}', "is not UTF-8 text: invalid start byte at byte 10."),
    ],
)
def test_a_file_without_lines_or_of_another_encoding(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(content)

    assert refusal("x", "--file", str(file)) == f"{file} {expected}"


@pytest.mark.django_db
def test_a_payload_over_the_limit() -> None:
    told = refusal("x", "--data", json.dumps("x" * 256 * 1024))

    assert told.startswith("The payload is 262146 bytes as JSON, more than the 262144 that are allowed.")


def test_a_database_that_cannot_be_reached_is_told_in_a_sentence() -> None:
    url = "postgres://user:hunter2@127.0.0.1:1/nothing"
    ended = process({**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "webhooks_project.settings"}, "x")

    assert ended.returncode == 1
    assert ended.stderr.startswith("CommandError: The database cannot be reached: ")
    assert ended.stderr.endswith(" Check DATABASE_URL, and that it runs.\n")
    assert "hunter2" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_database_without_tables_is_told_in_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.sqlite3"
    ended = process({**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "webhooks_project.settings"}, "x")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "CommandError: The database lacks tables or columns of this version. Run `python manage.py migrate` first.\n"
    )


@pytest.mark.django_db(transaction=True)
def test_on_a_terminal_a_file_shows_its_progress(process_environment: dict[str, str], tmp_path: Path) -> None:
    file = lines_file(tmp_path, *({"type": "invoice.paid", "data": n} for n in range(3)))
    terminal, its_other_end = pty.openpty()
    environment = {**process_environment, "TERM": "xterm-256color", "COLUMNS": "80"}
    with (
        open(terminal, "rb", buffering=0) as screen,  # noqa: PTH123
        subprocess.Popen(
            [sys.executable, "manage.py", "publish_event", "--file", file],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=its_other_end,
        ) as command,
    ):
        os.close(its_other_end)
        shown = b"".join(iter(lambda: _read(screen), b""))
        stdout, _ = command.communicate(timeout=SECONDS)

    assert b"Publishing" in shown
    assert b"3/3" in shown
    assert len(stdout.splitlines()) == 3
    assert Event.objects.count() == 3


def _read(screen: io.FileIO) -> bytes:
    try:
        return screen.read(65536)
    except OSError:
        # Linux says "input/output error" where the other end of a terminal was closed.
        return b""
