from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DispatchConfig(AppConfig):
    name = "dispatch"

    def ready(self) -> None:
        from dispatch import roles, telling, wake
        from subscriptions import challenge_calls, ids, lane_calls, notices

        challenge_calls.when_due(wake.call_challenges)
        lane_calls.when_active(lambda endpoint_id: wake.wake([ids.decode("ep", endpoint_id)], anew=True))
        lane_calls.when_removed(wake.call_emptying)
        notices.when_told(telling.tell)
        # This app's permissions are made last: by now there are all.
        post_migrate.connect(roles.make_roles, sender=self)
