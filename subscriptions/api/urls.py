from django.urls import path, re_path

from subscriptions.api import (
    access_views,
    api_key_views,
    audit_views,
    schema_views,
    secret_views,
    state_views,
    tls_views,
    views,
)
from subscriptions.models.endpoint_moves import Move

urlpatterns = [
    path("api-keys/", api_key_views.ApiKeys.as_view()),
    path("api-keys/<str:id>/", api_key_views.OneApiKey.as_view()),
    path("api-keys/<str:id>/expire/", api_key_views.ExpireApiKey.as_view()),
    path("api-keys/<str:id>/revoke/", api_key_views.RevokeApiKey.as_view()),
    path("audit-log/", audit_views.AuditLog.as_view()),
    path("subscribers/", views.Subscribers.as_view()),
    path("subscribers/<str:id>/", views.OneSubscriber.as_view()),
    path("endpoints/", views.Endpoints.as_view()),
    path("endpoints/<str:id>/", views.OneEndpoint.as_view()),
    path("endpoints/<str:endpoint>/pause/", state_views.MoveEndpoint.as_view(move=Move.PAUSE)),
    path("endpoints/<str:endpoint>/resume/", state_views.MoveEndpoint.as_view(move=Move.RESUME)),
    path("endpoints/<str:endpoint>/disable/", state_views.MoveEndpoint.as_view(move=Move.DISABLE)),
    path("endpoints/<str:endpoint>/enable/", state_views.MoveEndpoint.as_view(move=Move.ENABLE)),
    path("endpoints/<str:endpoint>/verify/", state_views.VerifyEndpoint.as_view()),
    path("endpoints/<str:id>/credentials/", access_views.ReplaceCredentials.as_view()),
    path("endpoints/<str:id>/headers/", access_views.ReplaceHeaders.as_view()),
    path("endpoints/<str:endpoint>/secrets/", secret_views.Secrets.as_view()),
    path("endpoints/<str:endpoint>/secret/", secret_views.RevealNewestSecret.as_view()),
    path("endpoints/<str:endpoint>/secret/rotate/", secret_views.RotateSecret.as_view()),
    path("endpoints/<str:endpoint>/secrets/<str:id>/reveal/", secret_views.RevealSecret.as_view()),
    path("endpoints/<str:endpoint>/secrets/<str:id>/expire/", secret_views.ExpireSecret.as_view()),
    path("endpoints/<str:endpoint>/tls/", tls_views.Tls.as_view()),
    path("egress-ips/", tls_views.EgressIps.as_view()),
    path("schema/", schema_views.Schema.as_view(), name="api-schema"),
    path("docs/", schema_views.Docs.as_view(), name="api-docs"),
    path("event-types/", views.EventTypes.as_view()),
    re_path(r"^event-types/(?P<name>[A-Za-z0-9._-]+)/$", views.OneEventType.as_view()),
]
