from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "dispatch"

    def ready(self) -> None:
        from dispatch import wake
        from subscriptions import challenge_calls, ids, lane_calls

        challenge_calls.when_due(wake.call_challenges)
        lane_calls.when_active(lambda endpoint_id: wake.wake([ids.decode("ep", endpoint_id)]))
        lane_calls.when_removed(wake.call_emptying)
