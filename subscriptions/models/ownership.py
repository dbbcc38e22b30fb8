"""What an endpoint keeps of its ownership challenge, and how that moves.

owes an answer, due -> under way -> passed          (the endpoint becomes active, if nobody paused or disabled it)
                ^         |------> given up        (no try will follow until somebody asks for one)
                +---------+                        (failed: due again by the schedule)

Every move is a guarded UPDATE. While a try is under way the hash of its nonce says whose it is: whatever else happens
to the endpoint meanwhile, such as another URL, takes it away, and the answer of that try means nothing any more.
"""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction

from subscriptions import challenge_calls
from subscriptions.models.audit import PLATFORM, Action, Actor, record
from subscriptions.models.endpoint_state import EndpointState

ERROR_LENGTH = 500
_SUCCESS = "success"
_REASON = "Its URL has not answered the ownership challenge."
_HELD = [EndpointState.PAUSED, EndpointState.DISABLED]

E = TypeVar("E", bound=models.Model)


class OwnershipManager(models.Manager[E]):
    def challenge_due(self, now: datetime) -> models.QuerySet[E]:
        """Those whose next try is due, or whose try under way has to be taken for lost."""
        return self.filter(state=EndpointState.UNVERIFIED, challenge_due_at__lte=now).order_by("challenge_due_at")

    def challenge_given_up(self) -> models.QuerySet[E]:
        """Those that nobody will challenge again until somebody asks for it."""
        return self.filter(state=EndpointState.UNVERIFIED, challenge_due_at=None)


class ProvesOwnership(models.Model):
    must_verify = models.BooleanField(
        default=False, editable=False, help_text="Whether its URL has to answer a challenge before it gets anything."
    )
    verified_at = models.DateTimeField(null=True, editable=False, help_text="When its URL answered the challenge.")
    challenge_due_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When the next try is due, or the one under way is taken for lost. Empty: none will follow.",
    )
    challenge_nonce_hash = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of the nonce; set while a try is under way."
    )
    challenge_tries = models.PositiveSmallIntegerField("tries", default=0, editable=False)
    challenge_tried_at = models.DateTimeField(null=True, editable=False)
    challenge_outcome = models.CharField(max_length=20, blank=True, editable=False)
    challenge_error = models.CharField("error", max_length=ERROR_LENGTH, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_challenged(self) -> bool:
        """Whether there is anything to tell of a challenge."""
        return self.must_verify or self.verified_at is not None

    @property
    def next_challenge_at(self) -> datetime | None:
        """When the next try is due. None while one is under way, and where none will follow."""
        return None if self.challenge_nonce_hash or not self.must_verify else self.challenge_due_at

    @transaction.atomic
    def begin_challenge(self, *, now: datetime, resumed: bool = False) -> None:
        """Owe an answer from now on, and get nothing until it came. The first try is due at once.

        What is paused or disabled stays so and is challenged when it is `resumed`.
        """
        begun: dict[str, Any] = {
            "must_verify": True,
            "verified_at": None,
            "challenge_due_at": now,
            "challenge_nonce_hash": "",
            "challenge_tries": 0,
            "challenge_tried_at": None,
            "challenge_outcome": "",
            "challenge_error": "",
        }
        state = {"state": EndpointState.UNVERIFIED, "state_reason": _REASON, "state_changed_at": now}
        fresh = self._row().select_for_update().get()
        if fresh.state == EndpointState.ACTIVE or (resumed and fresh.state in _HELD):
            begun |= state
        self._row().update(**begun)
        self.refresh_from_db(fields=[*begun, *state])
        transaction.on_commit(challenge_calls.call, robust=True)

    def note_new_url(self, *, now: datetime) -> None:
        """Owe an answer for the URL that was just saved, if this installation asks for one."""
        if settings.WEBHOOKS.ownership_challenge or self._row().filter(must_verify=True).exists():
            self.begin_challenge(now=now)
        else:
            # What an earlier URL answered says nothing about this one.
            self._row().update(verified_at=None)

    def still_owes_answer(self) -> bool:
        """Say whether it must not become active yet. Inside a transaction, for which this stays true."""
        fresh = self._row().select_for_update().get()
        # Where nobody is challenged any more, an operator may forget the debt.
        return bool(fresh.must_verify and settings.WEBHOOKS.ownership_challenge)

    @transaction.atomic
    def ask_for_challenge(self, *, now: datetime, by: Actor = PLATFORM) -> None:
        """Have the challenge sent again, now, unless it is under way. Raises Django's `ValidationError`."""
        fresh = self._row().select_for_update().get()
        if fresh.state != EndpointState.UNVERIFIED:
            raise ValidationError(f"Only an unverified endpoint is challenged. This one is {fresh.state}.")
        record(Action.CHALLENGED, self, by=by)
        if not fresh.challenge_nonce_hash:
            self.begin_challenge(now=now)

    def claim_challenge(self, nonce_hash: str, *, now: datetime, lease: timedelta) -> bool:
        """Begin a try, which is mine for as long as `lease`. Say whether it is."""
        claimed = self._row().filter(state=EndpointState.UNVERIFIED, challenge_nonce_hash="", challenge_due_at__lte=now)
        return bool(
            claimed.update(
                challenge_nonce_hash=nonce_hash,
                challenge_due_at=now + lease,
                challenge_tries=models.F("challenge_tries") + 1,
                challenge_tried_at=now,
            )
        )

    def return_challenge(self, nonce_hash: str, *, now: datetime) -> None:
        """Give back a try of which no request has left."""
        self._row().filter(challenge_nonce_hash=nonce_hash).update(
            challenge_nonce_hash="", challenge_due_at=now, challenge_tries=models.F("challenge_tries") - 1
        )

    @transaction.atomic
    def pass_challenge(self, nonce_hash: str, *, now: datetime) -> bool:
        """Note the right answer, and become active. Say whether the try was still mine, and in time."""
        passed: dict[str, Any] = {
            "must_verify": False,
            "verified_at": now,
            "challenge_due_at": None,
            "challenge_nonce_hash": "",
            "challenge_outcome": _SUCCESS,
            "challenge_error": "",
        }
        mine = self._row().filter(challenge_nonce_hash=nonce_hash, challenge_due_at__gt=now)
        active = {"state": EndpointState.ACTIVE, "state_reason": "", "state_changed_at": now}
        unheld = mine.filter(state=EndpointState.UNVERIFIED)
        return bool(unheld.update(**passed, **active) or mine.filter(state__in=_HELD).update(**passed))

    def fail_challenge(
        self, nonce_hash: str, *, now: datetime, outcome: str, error: str, retry_in: timedelta | None
    ) -> bool:
        """Note why a try failed, and when the next is due, if one will follow. Say whether the try was still mine."""
        return bool(
            self._row()
            .filter(challenge_nonce_hash=nonce_hash)
            .update(
                challenge_nonce_hash="",
                challenge_due_at=None if retry_in is None else now + retry_in,
                challenge_outcome=outcome,
                challenge_error=error[:ERROR_LENGTH],
            )
        )

    def _row(self) -> "models.QuerySet[Any]":
        return type(self)._default_manager.filter(pk=self.pk)
