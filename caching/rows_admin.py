"""What the admin pages of all models have in common: lists without joins, rows of the primary, answers to nonsense."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, router
from django.db.models import Field, IntegerField, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

from caching.retrying import retrying
from caching.routing import reads_from

__all__ = ["RowsAdmin"]

_NUL = "\x00"


class RowsAdmin(admin.ModelAdmin):
    """A list of rows, and a page for each.

    The list joins no tables for its columns: MongoDB joins before it cuts the page. What makes no sense in an address
    or a form is refused as Django refuses the rest of it. A row is read from the primary: what its page shows is
    written back as a whole, and once more while the database aborts it for another writer, as MongoDB does.
    """

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        base = super().get_changelist(request, **kwargs)
        return _Rows if base is ChangeList else type(base.__name__, (_Rows, base), {})

    def get_sortable_by(self, request: HttpRequest) -> list[Any]:
        """Leave out what can only be sorted by another table."""
        return [name for name in super().get_sortable_by(request) if self._sorts_alone(name)]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Take what cannot be the id of a row for not selected."""
        if ACTION_CHECKBOX_NAME in request.POST:
            form = request.POST.copy()
            selected = form.getlist(ACTION_CHECKBOX_NAME)
            form.setlist(ACTION_CHECKBOX_NAME, [each for each in selected if self._may_be_id(each)])
            request.POST = form  # type: ignore[assignment] # immutable as it comes, for others' sake
        return super().changelist_view(request, extra_context)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = super().changeform_view
        return self._at_primary(lambda: view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = super().delete_view
        return self._at_primary(lambda: view(request, *args, **kwargs))

    def _at_primary(self, view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        using = router.db_for_write(self.model)
        with reads_from(using):
            return _rendered(retrying(using, view))

    def _may_be_id(self, text: str) -> bool:
        key = self.opts.pk
        try:
            value = key.to_python(text)
            if isinstance(key, IntegerField):
                # Larger ones are errors of the database, which has no such row.
                key.run_validators(value)
        except (ValidationError, ValueError):
            return False
        return _NUL not in text

    def _sorts_alone(self, name: Any) -> bool:
        field = _field(self.opts, name)
        return field is None or not field.is_relation or _sorts_by_key(field)


class _Rows(ChangeList):
    def apply_select_related(self, qs: QuerySet[Any]) -> QuerySet[Any]:
        """Read what the rows of the page refer to in one query for each column."""
        shown = [field for name in self.list_display if (field := _field(self.lookup_opts, name)) is not None]
        return qs.prefetch_related(*(field.name for field in shown if field.is_relation))

    def get_ordering_field(self, field_name: Any) -> Any:
        field = _field(self.lookup_opts, field_name)
        if field is None or not field.is_relation:
            return super().get_ordering_field(field_name)
        return field.attname if _sorts_by_key(field) else None

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        with _understood():
            return super().get_queryset(*args, **kwargs)

    def get_results(self, request: HttpRequest) -> None:
        with _understood():
            super().get_results(request)


@contextmanager
def _understood() -> Iterator[None]:
    """Say of values that no row can have what Django says of other wrong ones: the list is shown without them."""
    try:
        yield
    except (DataError, OverflowError, ValidationError, ValueError) as error:
        raise IncorrectLookupParameters(error) from error


def _field(opts: Any, name: Any) -> Field[Any, Any] | None:
    """Return the column of that name; None for what is not one, such as a method."""
    try:
        field = opts.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if field.concrete else None


def _sorts_by_key(field: Any) -> bool:
    """Tell whether rows are in the same order by what refers to the others as by these."""
    opts = field.related_model._meta
    return list(opts.ordering[:1]) in ([], [opts.pk.name], ["pk"])


def _rendered(response: HttpResponseBase) -> HttpResponseBase:
    """Have the page made now: forms read what they let one choose from while it is."""
    return response.render() if isinstance(response, SimpleTemplateResponse) else response
