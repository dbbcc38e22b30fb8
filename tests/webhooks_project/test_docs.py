"""What the documentation says is what the code does."""

import dataclasses
import re
from pathlib import Path

import pytest

from dispatch.states import FINAL, MOVES, DeliveryStatus, Outcome
from dispatch.waiting import Reason
from webhooks_project import conf

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("docs/**/*.md")])


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ",".join(shown(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("field", dataclasses.fields(conf.WebhookSettings), ids=lambda field: str(field.name))
def test_every_setting_is_documented_with_its_default_and_meaning(field: "dataclasses.Field[object]") -> None:
    row = f"| `{conf.variable(field.name)}` | `{shown(field.default)}` | {field.metadata['meaning']} |"
    assert row in (ROOT / "docs/settings.md").read_text().splitlines()


def test_no_setting_is_documented_that_is_not_there() -> None:
    lines = (ROOT / "docs/settings.md").read_text().splitlines()
    documented = {line.split("`")[1] for line in lines if line.startswith("| `WEBHOOKS_")}
    assert documented == {conf.variable(field.name) for field in dataclasses.fields(conf.WebhookSettings)}


def test_every_default_of_a_delivery_is_that_of_its_setting() -> None:
    lines = (ROOT / "docs/delivery.md").read_text().splitlines()
    documented = {line.split("`")[1]: line.split("`")[3] for line in lines if line.startswith("| `WEBHOOKS_")}
    defaults = {conf.variable(field.name): shown(field.default) for field in dataclasses.fields(conf.WebhookSettings)}
    assert documented
    assert documented == {name: defaults[name] for name in documented}


def test_every_reason_to_wait_and_every_way_to_end_is_documented() -> None:
    text = (ROOT / "docs/delivery.md").read_text()
    diagram = text.split("```")[1]
    assert [status.value for status in DeliveryStatus if status.value not in diagram] == []
    assert [each.value for each in [*Reason, *FINAL] if f"| `{each.value}` |" not in text] == []


def test_every_outcome_is_documented() -> None:
    text = (ROOT / "docs/how-it-works.md").read_text()
    assert [outcome.value for outcome in Outcome if f"`{outcome.value}`" not in text] == []


def test_every_state_stands_in_the_diagram() -> None:
    diagram = (ROOT / "docs/how-it-works.md").read_text().split("```")[3]
    assert [status.value for status in DeliveryStatus if status.value not in diagram] == []
    assert set(MOVES) == set(DeliveryStatus)


def anchors(page: Path) -> set[str]:
    """Those that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not link.startswith("http") and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    assert broken == []
