import dataclasses
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from dispatch.egress_proxy import EgressProxy
from webhooks_project.conf import InvalidSetting, WebhookSettings, from_environment, variable

# Each field with its default, a text for its variable, and what that text means.
FIELDS: list[tuple[str, Any, str, Any]] = [
    ("enforce_event_types", False, "true", True),
    ("payload_limit", 262144, "1000", 1000),
    ("batch_limit", 10485760, "2000", 2000),
    ("deliver_after_max", 2592000, "60", 60.0),
    (
        "retry_schedule",
        (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400),
        "0, 0.5,30",
        (0.0, 0.5, 30.0),
    ),
    ("retry_jitter", 0.1, "0.25", 0.25),
    ("retry_after_max", 86400, "3600", 3600.0),
    ("request_deadline", 15, "7.5", 7.5),
    ("connect_timeout", 5, "0.4", 0.4),
    ("response_limit", 16384, "0", 0),
    (
        "allowed_networks",
        (),
        "10.1.0.0/16, ::1/128,192.168.1.7",
        (ip_network("10.1.0.0/16"), ip_network("::1/128"), ip_network("192.168.1.7/32")),
    ),
    ("ca_file", None, __file__, Path(__file__)),
    ("idle_connections", 256, "32", 32),
    ("idle_seconds", 4, "2.5", 2.5),
    ("allowed_ports", (), "443, 8000 - 8999,1-1", (range(443, 444), range(8000, 9000), range(1, 2))),
    ("https_only", None, "false", False),
    ("dns_timeout", 5, "2", 2.0),
    ("concurrency", 64, "8", 8),
    ("lane_window_max", 64, "1", 1),
    ("lane_lease", 10, "2.5", 2.5),
    ("claim_lease", 60, "90", 90.0),
    ("pump_slice", 30, "1e1", 10.0),
    ("pump_linger", 1, "0", 0.0),
    ("flush_size", 200, "50", 50),
    ("flush_interval", 0.02, "0", 0.0),
    ("sweep_interval", 5, "0.5", 0.5),
    ("wake_timeout", 0.4, "0.1", 0.1),
    ("wake_pause", 5, "0", 0.0),
    ("breaker_failure_rate", 0.7, "0.5", 0.5),
    ("breaker_minimum", 10, "20", 20),
    ("breaker_window", 300, "60", 60.0),
    ("breaker_connection_failures", 5, "3", 3),
    ("breaker_pause", 30, "5", 5.0),
    ("breaker_pause_max", 600, "60", 60.0),
    ("throttle_step", 10, "2", 2.0),
    ("disable_after", 432000, "86400", 86400.0),
    ("disable_span", 43200, "3600", 3600.0),
    ("disable_attempts", 10, "3", 3),
    ("ownership_challenge", False, "true", True),
    ("challenge_schedule", (10, 60, 600, 3600, 21600, 57600), "0, 0.5,30", (0.0, 0.5, 30.0)),
    ("test_wait", 5, "0", 0.0),
    ("custom_headers", 20, "5", 5),
    ("custom_headers_size", 8192, "100", 100),
    ("channels", 20, "5", 5),
    ("metadata_entries", 50, "5", 5),
    ("metadata_size", 16384, "100", 100),
    ("own_retries", 20, "5", 5),
    ("own_retry_min", 1, "0.5", 0.5),
    ("own_retry_max", 604800, "60", 60.0),
    ("schema_size", 65536, "100", 100),
    ("token_lifetime", 300, "60", 60.0),
    ("api_rate_limit", 0, "600", 600),
    ("idempotency_lifetime", 86400, "3600", 3600.0),
    ("trusted_proxies", 0, "2", 2),
    (
        "encryption_keys",
        (),
        "LmsRD0PKpeHpa5yDn2zVBTPtk4xqvS8mnTi0A9hsxyE=, +++////////////////////////////////////////=",
        ("LmsRD0PKpeHpa5yDn2zVBTPtk4xqvS8mnTi0A9hsxyE=", "---________________________________________="),
    ),
]
FIELDS += [
    (
        "egress_proxy",
        None,
        "socks5://ada:geheim@proxy.example:1080",
        EgressProxy(scheme="socks5", host="proxy.example", port=1080, username="ada", password="geheim"),
    ),
    ("egress_proxy_resolves", False, "off", False),
    ("egress_ips", (), "192.0.2.7,2001:db8::/64", (ip_network("192.0.2.7/32"), ip_network("2001:db8::/64"))),
    ("rollup_interval", 15, "5", 5.0),
    ("list_timeout", 5, "2", 2.0),
    ("list_rows", 50_000, "1000", 1000),
    ("login_failures", 10, "3", 3),
    ("login_pause", 900, "60", 60.0),
    ("password_grace", 300, "60", 60.0),
    ("behind_tls", False, "yes", True),
    ("hsts", 0, "31536000", 31536000.0),
    ("operator_emails", (), "ada@example.com, bob@example.com", ("ada@example.com", "bob@example.com")),
    ("mail_subscribers", False, "true", True),
    ("public_url", None, "https://hooks.example.com/", "https://hooks.example.com"),
    ("mail_timeout", 10, "2.5", 2.5),
    ("mail_schedule", (60, 300, 1800, 3600, 7200, 14400, 28800, 86400, 86400), "0, 0.5,30", (0.0, 0.5, 30.0)),
    ("tell_interval", 60, "5", 5.0),
    ("backlog_age", 300, "60", 60.0),
    ("tell_again", 3600, "600", 600.0),
    ("notice_retention", 7776000, "86400", 86400.0),
]
KEY = "LmsRD0PKpeHpa5yDn2zVBTPtk4xqvS8mnTi0A9hsxyE="
NUMBERS = [name for name, default, *_ in FIELDS if isinstance(default, int | float) and not isinstance(default, bool)]
MAY_BE_ZERO = [
    *("channels", "custom_headers", "hsts", "metadata_entries", "retry_jitter", "retry_after_max", "response_limit"),
    *("flush_interval", "pump_linger", "test_wait", "wake_pause", "trusted_proxies", "api_rate_limit"),
]


def test_every_field_is_tested_here() -> None:
    assert [field.name for field in dataclasses.fields(WebhookSettings)] == [name for name, *_ in FIELDS]


@pytest.mark.parametrize(("field", "default", "text", "value"), FIELDS, ids=[name for name, *_ in FIELDS])
def test_a_field_is_read_from_its_variable(field: str, default: Any, text: str, value: Any) -> None:
    read = from_environment({f"WEBHOOKS_{field.upper()}": text})

    assert (getattr(read, field), type(getattr(read, field))) == (value, type(value))
    assert dataclasses.replace(read, **{field: default}) == WebhookSettings()


@pytest.mark.parametrize(("field", "default"), [(name, default) for name, default, *_ in FIELDS])
def test_without_its_variable_a_field_has_its_default(field: str, default: Any) -> None:
    assert getattr(from_environment({}), field) == default
    assert getattr(WebhookSettings(), field) == default


@pytest.mark.parametrize("field", dataclasses.fields(WebhookSettings), ids=lambda field: field.name)
def test_every_field_says_what_it_means(field: "dataclasses.Field[Any]") -> None:
    assert field.metadata["meaning"].endswith(".")
    assert "\n" not in field.metadata["meaning"]


def test_other_variables_mean_nothing() -> None:
    environment = {"CONCURRENCY": "1", "webhooks_concurrency": "1", "WEBHOOKS_USER_AGENT": "x", "PATH": "/bin"}

    assert from_environment(environment) == WebhookSettings()


@pytest.mark.parametrize(
    ("text", "value"),
    [(text, True) for text in ("1", "true", "True", " YES ", "on")]
    + [(text, False) for text in ("0", "false", "FALSE", "no", "off")],
)
def test_the_words_of_a_boolean(text: str, value: bool) -> None:
    assert from_environment({"WEBHOOKS_ENFORCE_EVENT_TYPES": text}).enforce_event_types is value


@pytest.mark.parametrize("text", ["", "   ", ","])
def test_an_empty_list_is_a_list_without_members(text: str) -> None:
    read = from_environment({"WEBHOOKS_RETRY_SCHEDULE": text, "WEBHOOKS_ALLOWED_NETWORKS": text})

    assert (read.retry_schedule, read.allowed_networks) == ((), ())


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("WEBHOOKS_ENFORCE_EVENT_TYPES", "maybe", "write true or false"),
        ("WEBHOOKS_ENFORCE_EVENT_TYPES", "", "write true or false"),
        ("WEBHOOKS_PAYLOAD_LIMIT", "256k", "invalid literal for int() with base 10: '256k'"),
        ("WEBHOOKS_CONCURRENCY", "", "invalid literal for int() with base 10: ''"),
        ("WEBHOOKS_CONCURRENCY", "1.5", "invalid literal for int() with base 10: '1.5'"),
        ("WEBHOOKS_REQUEST_DEADLINE", "15s", "could not convert string to float: '15s'"),
        ("WEBHOOKS_CA_FILE", "", "there is no such file"),
        ("WEBHOOKS_CA_FILE", "authorities-of-nobody.pem", "there is no such file"),
        ("WEBHOOKS_RETRY_SCHEDULE", "5;300", "could not convert string to float: '5;300'"),
        ("WEBHOOKS_ALLOWED_NETWORKS", "10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("WEBHOOKS_ALLOWED_NETWORKS", "localhost", "'localhost' does not appear to be an IPv4 or IPv6 network"),
        ("WEBHOOKS_ALLOWED_PORTS", "0", "'0' is no port, or range of ports, from 1 to 65535"),
        ("WEBHOOKS_ALLOWED_PORTS", "443,65536", "'65536' is no port, or range of ports, from 1 to 65535"),
        ("WEBHOOKS_ALLOWED_PORTS", "9-8", "'9-8' is no port, or range of ports, from 1 to 65535"),
        ("WEBHOOKS_ALLOWED_PORTS", "8000-", "'8000-' is no port, or range of ports, from 1 to 65535"),
        ("WEBHOOKS_ALLOWED_PORTS", "https", "'https' is no port, or range of ports, from 1 to 65535"),
        ("WEBHOOKS_HTTPS_ONLY", "maybe", "write true or false"),
        ("WEBHOOKS_OPERATOR_EMAILS", "ada", "'ada' is no e-mail address"),
        ("WEBHOOKS_OPERATOR_EMAILS", "ada@x y", "'ada@x y' is no e-mail address"),
        ("WEBHOOKS_PUBLIC_URL", "hooks.example.com", "it must begin with https:// or http://"),
        ("WEBHOOKS_DNS_TIMEOUT", "5s", "could not convert string to float: '5s'"),
    ],
)
def test_a_text_of_another_type_is_an_error_with_variable_text_and_problem(name: str, text: str, problem: str) -> None:
    with pytest.raises(InvalidSetting) as invalid:
        from_environment({name: text})

    assert str(invalid.value) == f"{name}={text!r} cannot be read: {problem}."


@pytest.mark.parametrize(
    "text", ["short", "a key", "é", f"{KEY},{KEY[:-1]}", "LmsRD0PKpeHpa5yDn2zVBTPtk4xqvS8mnTi0A9hsxyE=x"]
)
def test_a_wrong_encryption_key_is_an_error_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(InvalidSetting) as invalid:
        from_environment({"WEBHOOKS_ENCRYPTION_KEYS": text})

    assert str(invalid.value) == (
        "WEBHOOKS_ENCRYPTION_KEYS cannot be read: each key must be the output of: openssl rand -base64 32."
    )


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_proxy_is_none(text: str) -> None:
    assert from_environment({"WEBHOOKS_EGRESS_PROXY": text}).egress_proxy is None


def test_a_wrong_proxy_is_an_error_that_does_not_repeat_it() -> None:
    with pytest.raises(InvalidSetting) as invalid:
        from_environment({"WEBHOOKS_EGRESS_PROXY": "http://ada:geheim@proxy.example"})

    assert str(invalid.value) == "WEBHOOKS_EGRESS_PROXY cannot be read: name the port of the proxy."


def test_only_a_proxy_can_resolve() -> None:
    with pytest.raises(InvalidSetting) as invalid:
        from_environment({"WEBHOOKS_EGRESS_PROXY_RESOLVES": "true"})

    assert str(invalid.value) == "WEBHOOKS_EGRESS_PROXY_RESOLVES needs WEBHOOKS_EGRESS_PROXY."


def test_no_representation_shows_the_password_of_the_proxy() -> None:
    read = from_environment({"WEBHOOKS_EGRESS_PROXY": "http://ada:geheim@proxy.example:1"})

    assert "geheim" not in f"{read!r} {read}"


def test_no_representation_shows_the_encryption_keys() -> None:
    read = from_environment({"WEBHOOKS_ENCRYPTION_KEYS": KEY})

    assert KEY not in f"{read!r} {read}"


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("number", [-1, float("nan"), float("inf"), float("-inf"), 10**12])
def test_a_number_without_sense_is_an_error_that_names_the_variable(field: str, number: float) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{variable(field)} must be .*, and at most 316224000\.$"):
        WebhookSettings(**{field: number})


@pytest.mark.parametrize("field", [field for field in NUMBERS if field not in MAY_BE_ZERO])
def test_zero_is_an_error_where_nothing_could_be_done_with_it(field: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{variable(field)} must be greater than 0, and at most 316224000\.$"):
        WebhookSettings(**{field: 0})


@pytest.mark.parametrize("field", MAY_BE_ZERO)
def test_zero_is_a_number_where_it_means_something(field: str) -> None:
    assert getattr(WebhookSettings(**{field: 0}), field) == 0


@pytest.mark.parametrize("schedule", [(5, -1), (float("nan"),), (float("inf"),), (10**12,)])
def test_a_delay_without_sense_is_an_error(schedule: tuple[float, ...]) -> None:
    with pytest.raises(
        InvalidSetting, match=r"^WEBHOOKS_RETRY_SCHEDULE must be 0 or greater, and at most 316224000\.$"
    ):
        WebhookSettings(retry_schedule=schedule)


def test_a_claim_lasts_twice_as_long_as_a_request_may_take() -> None:
    assert WebhookSettings(request_deadline=30, claim_lease=60).claim_lease == 60
    with pytest.raises(InvalidSetting) as invalid:
        from_environment({"WEBHOOKS_REQUEST_DEADLINE": "30.5"})

    assert str(invalid.value) == (
        "WEBHOOKS_CLAIM_LEASE must be at least twice WEBHOOKS_REQUEST_DEADLINE: "
        "a delivery would be taken for lost while its request is under way."
    )


def test_settings_cannot_be_changed() -> None:
    read = from_environment({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.concurrency = 1  # type: ignore[misc]
