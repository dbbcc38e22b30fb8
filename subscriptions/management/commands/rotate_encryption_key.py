"""`manage.py rotate_encryption_key`: encrypt with the first key what an older one encrypted."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from subscriptions import encryption, reencryption
from subscriptions.encrypted_fields import EncryptedField
from subscriptions.management import database_errors

_BATCH = 500
_TOLD = 10


class Command(BaseCommand):
    help = (
        "Encrypt everything that is encrypted with the first of WEBHOOKS_ENCRYPTION_KEYS. Give the new key to every "
        "process before: at the end of the list, then, when all have it, at the front. Workers may run meanwhile. "
        "Can be broken off and run again. Afterwards the old keys can be taken from the list."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say what is encrypted with which key.")
        parser.add_argument(
            "--batch-size", type=_positive, default=_BATCH, metavar="N", help="Rows in one transaction (%(default)s)."
        )

    def handle(self, *, dry_run: bool, batch_size: int, **_: Any) -> None:
        try:
            keyring = encryption.keyring()
        except encryption.NoKey as error:
            raise CommandError(str(error)) from error
        problems = []
        with database_errors.told_in_a_sentence():
            for field in reencryption.encrypted_fields():
                if not dry_run:
                    problems += self._rotate(field, keyring, batch_size)
                self._tell(field, keyring)
        if problems:
            more = [f"… and {len(problems) - _TOLD} more."] if len(problems) > _TOLD else []
            raise CommandError(
                "\n".join(["These could not be read with any of the keys, and were left:", *problems[:_TOLD], *more])
            )

    def _rotate(self, field: EncryptedField, keyring: encryption.Keyring, batch_size: int) -> list[str]:
        counts = reencryption.count_by_key(field)
        total = sum(counts.values()) - counts.get(keyring.first, 0)
        progress = reencryption.Progress()
        for progress in reencryption.reencrypt(field, keyring, batch_size=batch_size):
            self.stdout.write(f"{field}: {progress.done} of {total} encrypted anew")
            self.stdout.flush()
        return [f"{field} of {key}" for key in progress.unreadable]

    def _tell(self, field: EncryptedField, keyring: encryption.Keyring) -> None:
        counts = reencryption.count_by_key(field)
        self.stdout.write(f"{field}: {sum(counts.values())} values")
        for name, count in sorted(counts.items(), key=lambda each: each[0] != keyring.first):
            what = "the first key" if name == keyring.first else "an older key"
            self.stdout.write(f"  {count} with {name}, {what if name in keyring.names else 'A KEY THAT IS NOT SET'}")


def _positive(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 100_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100000")
    return int(text)
