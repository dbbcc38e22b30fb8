"""The roles of the admin's users: groups with permissions, which grow with the models.

They are made after every migration, not in one: permissions do not exist before Django has made them, which it does
after the migrations. A role's permissions are set anew each time; members are left alone.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"
_OURS = ("subscriptions", "dispatch")
# Secrets, also masked, and what is as good as one, are for administrators only.
_HIDDEN = Q(
    content_type__model__in=["apikey", "signingsecret", "endpointcredentials", "customheaders", "idempotentanswer"]
)
_OPERATED: Mapping[str, tuple[str, ...]] = {
    "subscriber": ("add", "change"),
    "endpoint": ("add", "change"),
    "eventtypepattern": ("add", "change", "delete"),
    "eventtype": ("add", "change"),
    "event": ("add",),
    # Retrying and cancelling.
    "delivery": ("change",),
}


def make_roles(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Give each role its permissions: a receiver of `post_migrate`."""
    ours = Permission.objects.using(using).filter(content_type__app_label__in=_OURS)
    viewing = ours.filter(codename__startswith="view_").exclude(_HIDDEN)
    operating = Q(pk__in=viewing.values("pk"))
    for model, verbs in _OPERATED.items():
        operating |= Q(codename__in=[f"{verb}_{model}" for verb in verbs], content_type__model=model)
    users = Permission.objects.using(using).filter(
        content_type__app_label="auth", content_type__model__in=["user", "group"]
    )
    for role, permissions in (
        (VIEWER, list(viewing)),
        (OPERATOR, list(ours.filter(operating))),
        (ADMINISTRATOR, [*ours, *users]),
    ):
        group, _made = Group.objects.using(using).get_or_create(name=role)
        group.permissions.set(permissions)
