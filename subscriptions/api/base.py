"""What every view of the REST API is made of: who may use it, and whose rows it shows.

How a view is written:

    class Deliveries(Many[Delivery]):              # a list; One[...] for a single row; View for anything else
        queryset = Delivery.objects.all()
        serializer_class = DeliverySerializer
        filters = DeliveryFilters
        tenant = "endpoint__subscriber"            # from the model to its subscriber: "pk" for Subscriber itself

        def post(self, request):
            wanted = self.read(NewDelivery)        # checks the body; a subscriber's key names only itself
            made = Delivery.objects.make(**wanted, by=self.actor)
            return Response(DeliverySerializer(made).data, 201)

- `tenant` is declared by every view, or inherited. None: rows that belong to no subscriber.
- `readers` (GET) and `writers` (everything else) say which scopes may use it where the default does not fit: admin
  and read may read, admin may write, and subscriber may do both where `tenant` is not None. A method that must differ
  from the others of its view wants a view of its own.
- Rows are only ever taken from `self.own(queryset)`, or from `get_queryset()` and `get_object()`, which do that: what
  is another subscriber's does not exist. Rows below an endpoint's address: `OfEndpoint` and its `endpoint()`.
- Bodies are read with `self.read(kind)`. Query parameters are those of `filters`, all others are refused. A list
  filters by them; other views read them with `self.read(self.filters, self.request.query_params.dict())`.
- `self.actor` is what domain verbs take as `by` for the audit log.
- A PUT, PATCH or DELETE of a single row works on `with self.locked() as row:`, which holds the row until the change is
  committed, and refuses it where `If-Match` names another state of the row. Answer, still inside, with
  `self.shown(self.get_object())`. Views that find a row by their address without showing it to GET are `Single`, those
  of an endpoint `SingleEndpoint`.
- A POST with an `Idempotency-Key` runs in one transaction with the note of its answer. What must happen after the
  commit, such as waiting for what a worker makes of it, stands in `finalize_response`, which DRF calls last.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api import idempotency, rate_limiting
from subscriptions.api.authentication import Caller
from subscriptions.api.etags import check_match, etag_of
from subscriptions.api.fields import SubscriberField
from subscriptions.api.pagination import NewestFirst
from subscriptions.api.problems import InvalidParameter
from subscriptions.api.serializers import Input, NoFilters
from subscriptions.client_address import client_address
from subscriptions.models import Endpoint, Scope
from subscriptions.models.audit import Actor

M = TypeVar("M", bound=Model)
Row = TypeVar("Row")
R = TypeVar("R", bound=Model)

ADMINS = frozenset({Scope.ADMIN})
_READING = frozenset({"GET", "HEAD"})
PUBLISHERS = frozenset({Scope.ADMIN, Scope.PUBLISH})
READERS = frozenset({Scope.ADMIN, Scope.READ})
EVERY_READER = READERS | {Scope.SUBSCRIBER}


class ScopeAllows(BasePermission):
    """Whether the caller's scope is one of those that may use the method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        caller: Any = request.user
        if caller is None:
            return False
        method = str(request.method)
        if not hasattr(view, method.lower()):
            # There is no such method for anybody, which the view says itself.
            return True
        allowed = view.allowed_scopes(method)
        if caller.scope in allowed:
            return True
        names = " or ".join(f"`{scope}`" for scope in sorted(allowed))
        self.message = f"This needs an API key of the scope {names}. Yours has the scope `{caller.scope}`."
        return False


class View(APIView):
    """A view that is no list and no single row."""

    tenant: ClassVar[str | None]
    readers: ClassVar[frozenset[Scope] | None] = None
    writers: ClassVar[frozenset[Scope] | None] = None
    # Its query parameters. The source of each is a look-up where it filters a list.
    filters: ClassVar[type[Input]] = NoFilters
    page_parameters: ClassVar[frozenset[str]] = frozenset()
    permission_classes = (ScopeAllows,)

    @classmethod
    def allowed_scopes(cls, method: str) -> frozenset[Scope]:
        """Say which scopes may use `method`."""
        reads = method in _READING
        declared = cls.readers if reads else cls.writers
        if declared is not None:
            return declared
        allowed = READERS if reads else ADMINS
        return allowed if cls.tenant is None else allowed | {Scope.SUBSCRIBER}

    @property
    def caller(self) -> Caller:
        caller: Any = self.request.user
        return caller  # type: ignore[no-any-return]

    @property
    def actor(self) -> Actor:
        """Who is asking, for the audit log."""
        return Actor(self.caller.name, client_address(self.request))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # A method that there is not is answered as such, whatever comes with it.
        if request.META["QUERY_STRING"] and hasattr(self, str(request.method).lower()):
            self._check_parameters(request)
        rate_limiting.limit(self.caller.api_key, self.headers)
        if request.method == "POST" and idempotency.META in request.META and hasattr(self, "post"):
            # DRF takes the handler from here.
            self.__dict__["post"] = partial(idempotency.once, self.post, self.caller.id)

    def _check_parameters(self, request: Request) -> None:
        known = {*self.filters().fields, *self.page_parameters} if request.method in _READING else set()
        wrong = {name: "There is no such field." for name in request.query_params if name not in known}
        wrong |= {name: "Write it once." for name, texts in request.query_params.lists() if len(texts) > 1}
        if wrong:
            raise InvalidParameter(wrong)

    def own(self, rows: QuerySet[R, Row], tenant: str | None = None) -> QuerySet[R, Row]:
        """Leave only what the caller may know of. `tenant` is for rows of another model than the view's."""
        lookup = tenant or self.tenant
        if self.caller.subscriber_id is None or lookup is None:
            return rows
        return rows.filter(**{lookup: self.caller.subscriber_id})

    def read(self, kind: type[Input], data: Any = None) -> dict[str, Any]:
        """Check the request's body, or `data`. Whoever has a subscriber's key names that one, or nobody for it.

        Raises DRF's `ValidationError`.
        """
        given = self.request.data if data is None else data
        mine = self.caller.subscriber_id
        if mine is None or not isinstance(given, Mapping):
            return kind.read(given)
        named = {name: field for name, field in kind().fields.items() if isinstance(field, SubscriberField)}
        read = kind.read({name: mine for name, field in named.items() if field.required} | dict(given))
        for name, field in named.items():
            if name in given and (found := read.get(str(field.source))) is not None and found.pk != mine:
                raise ValidationError({name: [SubscriberField.unknown(given[name])]})
        return read


class Many(View, ListAPIView[M]):
    """A list, newest first. `filters` names the query parameters; the source of each is a look-up."""

    page_parameters = frozenset({NewestFirst.page_size_query_param, NewestFirst.cursor_query_param})

    def get_queryset(self) -> QuerySet[M]:
        return self.own(super().get_queryset())

    def filter_queryset(self, queryset: QuerySet[M, Row]) -> QuerySet[M, Row]:
        given = {name: text for name, text in self.request.query_params.items() if name not in self.page_parameters}
        return queryset.filter(**self.read(self.filters, given))


class Single(View, GenericAPIView[M]):
    """One row by what its address names it with."""

    def get_queryset(self) -> QuerySet[M]:
        return self.own(super().get_queryset())

    def get_object(self) -> M:
        ((name, text),) = self.kwargs.items()
        queryset = self.get_queryset()
        try:
            return queryset.get(**{name: text})
        except (ObjectDoesNotExist, ModelValidationError) as error:
            raise NotFound(f"There is no {queryset.model._meta.verbose_name} {text!r}.") from error

    @contextmanager
    def locked(self) -> Iterator[M]:
        """Hold the row until the change of it is committed. Raises `NotFound` and `PreconditionFailed`."""
        with transaction.atomic():
            found = self.get_object()
            found._meta.model._default_manager.select_for_update().get(pk=found.pk)
            # Read again: what was read before the lock may have been changed before it.
            row = self.get_object()
            check_match(self.request, etag_of(self.get_serializer(row).data, self.stamps(row)))
            yield row

    def stamps(self, row: M) -> Any:
        """Return what changes with the row without being shown."""
        return None

    def shown(self, row: M, status: int = HTTPStatus.OK) -> Response:
        """Answer with the row as it is now."""
        data = self.get_serializer(row).data
        return Response(data, status, headers={"ETag": etag_of(data, self.stamps(row))})


class One(Single[M]):
    """A single row that can be read."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.shown(self.get_object())


class OfEndpoint(View):
    """Something below an endpoint's address."""

    tenant = "subscriber"

    def endpoint(self) -> Endpoint:
        """Find the endpoint that the address names. Raises `NotFound`."""
        text = self.kwargs["endpoint"]
        try:
            return self.own(Endpoint.objects.all(), "subscriber").get(pk=text)
        except (ObjectDoesNotExist, ModelValidationError) as error:
            raise NotFound(f"There is no endpoint {text!r}.") from error
