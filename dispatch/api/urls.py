from django.urls import path, re_path

from dispatch.api import health, views

urlpatterns = [
    path("events/", views.Events.as_view()),
    path("events/batch/", views.EventBatch.as_view()),
    path("events/<str:id>/", views.OneEvent.as_view()),
    path("deliveries/", views.Deliveries.as_view(), name="api-deliveries"),
    path("deliveries/<str:id>/", views.OneDelivery.as_view()),
    re_path(r"^health/live/?$", health.Live.as_view()),
    re_path(r"^health/ready/?$", health.Ready.as_view()),
]
