from django.urls import path, re_path

from dispatch.api import attempt_views, delivery_views, endpoint_views, feed_views, health, views
from dispatch.api.why_view import WhyView

urlpatterns = [
    path("events/", views.Events.as_view()),
    path("events/batch/", views.EventBatch.as_view()),
    path("events/feed/", feed_views.Feed.as_view()),
    path("events/<str:id>/", views.OneEvent.as_view()),
    path("events/<str:id>/why/", WhyView.as_view()),
    path("deliveries/", delivery_views.Deliveries.as_view(), name="api-deliveries"),
    path("deliveries/retry/", delivery_views.BulkRetry.as_view()),
    path("deliveries/cancel/", delivery_views.BulkCancel.as_view()),
    path("deliveries/<str:id>/", delivery_views.OneDelivery.as_view()),
    path("deliveries/<str:id>/retry/", delivery_views.RetryDelivery.as_view()),
    path("deliveries/<str:id>/cancel/", delivery_views.CancelDelivery.as_view()),
    path("jobs/", delivery_views.BulkJobs.as_view()),
    path("jobs/<str:id>/", delivery_views.OneBulkJob.as_view()),
    path("jobs/<str:id>/stop/", delivery_views.StopBulkJob.as_view()),
    path("attempts/", attempt_views.Attempts.as_view()),
    path("attempts/<str:id>/", attempt_views.OneAttempt.as_view()),
    path("attempts/<str:id>/curl/", attempt_views.SignAttemptAgain.as_view()),
    path("endpoints/<str:endpoint>/test/", endpoint_views.TestEndpoint.as_view()),
    path("endpoints/<str:endpoint>/stats/", endpoint_views.EndpointStats.as_view()),
    re_path(r"^health/live/?$", health.Live.as_view()),
    re_path(r"^health/ready/?$", health.Ready.as_view()),
]
