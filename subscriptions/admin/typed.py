"""Django's classes of pages and forms, as Unfold extends them, with type parameters: they take none at run time."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline
    ModelForm = forms.ModelForm
    BaseInlineFormSet = forms.BaseInlineFormSet
else:
    import unfold.admin

    class _TakesTypes:
        def __class_getitem__(cls, _: Any) -> type:
            return cls

    class ModelAdmin(_TakesTypes, unfold.admin.ModelAdmin):
        pass

    class TabularInline(_TakesTypes, unfold.admin.TabularInline):
        pass

    class ModelForm(_TakesTypes, forms.ModelForm):
        pass

    class BaseInlineFormSet(_TakesTypes, forms.BaseInlineFormSet):
        pass
