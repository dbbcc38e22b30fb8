import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions import ids

# What `printf 0195… | xxd -r -p | basenc --base32hex` says.
KNOWN = uuid.UUID("0195cd3e-7a80-7abc-8def-0123456789ab")
KNOWN_TEXT = "evt_06asqfjqg1tbp3ff04hkaps9lc"


def test_a_known_uuid_has_a_known_text():
    assert ids.encode("evt", KNOWN) == KNOWN_TEXT
    assert ids.decode("evt", KNOWN_TEXT) == KNOWN


@given(st.uuids(), st.sampled_from(["sub", "ep", "evt", "dlv", "att"]))
def test_what_was_encoded_is_decoded_again(value: uuid.UUID, prefix: str):
    assert ids.decode(prefix, ids.encode(prefix, value)) == value


@given(st.uuids(), st.uuids())
def test_texts_sort_as_their_uuids_do(one: uuid.UUID, other: uuid.UUID):
    assert (ids.encode("evt", one) < ids.encode("evt", other)) == (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evt",
        "evt_",
        KNOWN_TEXT.removeprefix("evt_"),
        KNOWN_TEXT.replace("evt", "dlv"),
        KNOWN_TEXT[:-1],
        KNOWN_TEXT + "0",
        KNOWN_TEXT[:-1] + "!",
        KNOWN_TEXT[:-1] + "ü",
        str(KNOWN),
    ],
)
def test_another_text_is_not_an_id(text: str):
    with pytest.raises(ids.InvalidId) as refused:
        ids.decode("evt", text)
    assert str(refused.value) == f"{text!r} is not an id that starts with evt_."


@pytest.mark.parametrize("text", ["evt_" + KNOWN_TEXT[4:].upper(), KNOWN_TEXT[:-1] + "d"])
def test_only_one_text_stands_for_a_uuid(text: str):
    with pytest.raises(ids.InvalidId, match="lower case"):
        ids.decode("evt", text)


def test_new_ids_are_of_version_7_and_order_by_time(monkeypatch: pytest.MonkeyPatch):
    made = []
    for nanoseconds in (1_700_000_000_000_000_000, 1_700_000_000_000_001_000, 1_700_000_000_001_000_000):
        monkeypatch.setattr(time, "time_ns", lambda nanoseconds=nanoseconds: nanoseconds)
        made.append(ids.uuid7())
    assert made == sorted(made)
    assert [value.version for value in made] == [7, 7, 7]
    assert [value.int >> 80 for value in made] == [1_700_000_000_000, 1_700_000_000_000, 1_700_000_000_001]
    # The fraction of the millisecond: 0.001 of 4096.
    assert [value.int >> 64 & 0xFFF for value in made] == [0, 4, 0]
