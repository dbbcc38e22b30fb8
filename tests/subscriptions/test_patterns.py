import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions import patterns

NAMES = st.lists(st.text("abcXYZ019_-", min_size=1, max_size=8), min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize("name", ["invoice", "invoice.paid", "Invoice-1.paid_late", "1.2.3", "a" * 128])
def test_a_name_is_returned(name: str):
    assert patterns.check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "invoice.", ".paid", "a..b", "invoice paid", "invoice.*", "*", "é", "a\n", "a" * 129]
)
def test_another_text_is_not_a_name(name: str):
    with pytest.raises(patterns.InvalidEventType, match="is not an event type: write words of letters"):
        patterns.check_name(name)


@pytest.mark.parametrize("pattern", ["*", "invoice.*", "invoice.paid.*", "invoice.paid"])
def test_a_pattern_is_returned(pattern: str):
    assert patterns.check_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", "**", "*.paid", "invoice*", "invoice.*.paid", ".*", "a b"])
def test_another_text_is_not_a_pattern(pattern: str):
    with pytest.raises(patterns.InvalidEventType, match="is not an event type pattern"):
        patterns.check_pattern(pattern)


def test_a_name_of_one_word_is_matched_by_itself_and_by_all():
    assert patterns.patterns_matching("invoice") == ["*", "invoice"]


@given(NAMES)
def test_whatever_matches_a_name_is_a_pattern(name: str):
    matching = patterns.patterns_matching(name)
    assert [patterns.check_pattern(pattern) for pattern in matching] == matching
    assert len(set(matching)) == name.count(".") + 2
