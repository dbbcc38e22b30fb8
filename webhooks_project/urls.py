"""The addresses of the project."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from dispatch.admin import dashboard
from subscriptions.api import problems

admin.autodiscover()
admin.site.site_header = admin.site.site_title = "Webhook dispatcher"
admin.site.index_title = "Who wants what, and how it gets there"
admin.site.index_template = "admin/dashboard.html"

urlpatterns = [
    # Publishing is what is asked for most: its addresses are the first to be looked at.
    path("api/v1/", include("dispatch.api.urls")),
    path("api/v1/", include("subscriptions.api.urls")),
    re_path(r"^api/", problems.unknown_address),
    # Browsers ask for it wherever no page names another.
    path("favicon.ico", RedirectView.as_view(url=static("subscriptions/icon.svg"))),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/dashboard/", admin.site.admin_view(dashboard.data), name="admin_dashboard_data"),
    path("admin/", admin.site.urls),
]
handler400 = problems.bad_request
handler500 = problems.server_error
