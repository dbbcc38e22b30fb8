import dataclasses
from ipaddress import ip_network
from typing import Any

import pytest
from pytest_django import Settings

from dispatch.addresses import AddressPolicy
from dispatch.process import address_policy
from webhooks_project.conf import WebhookSettings

NETWORKS = (ip_network("10.1.0.0/16"),)


@pytest.mark.parametrize(
    ("given", "debug", "policy"),
    [
        ({}, False, AddressPolicy()),
        ({}, True, AddressPolicy(https_only=False)),
        ({"https_only": True}, True, AddressPolicy(https_only=True)),
        ({"https_only": False}, False, AddressPolicy(https_only=False)),
        (
            {"allowed_networks": NETWORKS, "allowed_ports": (range(443, 444),)},
            False,
            AddressPolicy(allowed_networks=NETWORKS, allowed_ports=(range(443, 444),)),
        ),
    ],
)
def test_the_address_policy_is_what_the_settings_say(
    given: dict[str, Any], debug: bool, policy: AddressPolicy, settings: Settings
) -> None:
    settings.DEBUG = debug
    settings.WEBHOOKS = dataclasses.replace(WebhookSettings(), **given)

    assert address_policy() == policy
