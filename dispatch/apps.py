from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "dispatch"

    def ready(self) -> None:
        from dispatch import wake
        from subscriptions import challenge_calls

        challenge_calls.when_due(wake.call_challenges)
