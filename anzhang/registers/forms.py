"""The form of a plain register, made from its fields. Page and API validate with it; the procedure has the last word."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.db import models
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.forms.models import ModelForm, modelform_factory
from django.utils.translation import gettext as _

from anzhang.directory.models import Person
from anzhang.registers import values
from anzhang.registers.declaration import Register
from anzhang.registers.rights import Sight


class RowField(forms.CharField):
    """A related row named by its code, or by a name that only one has: people number in the thousands, so no drop-down."""

    def __init__(self, rows: QuerySet[Any], named: str | None, **options: Any) -> None:
        """Keep the rows that may be named and the field of their name."""
        super().__init__(**options)
        self.rows, self.named = rows, named

    def prepare_value(self, value: Any) -> Any:
        """Show code and name of a row that is set."""
        return f"{values.code_of(value)} {value}" if isinstance(value, Model) else value

    def clean(self, value: Any) -> Any:
        """Return the row."""
        text = super().clean(value)
        if not text:
            return None
        code = values.code_field(self.rows.model)
        row = self.rows.filter(**{f"{code}__in": {text, text.split(maxsplit=1)[0]}}).first()
        if row is not None:
            return row
        same = list(self.rows.filter(**{self.named: text})[:2]) if self.named else []
        if len(same) == 1:
            return same[0]
        if same:
            raise forms.ValidationError(_("有多人叫“%(text)s”，请填工号") % {"text": text[:40]}, code="ambiguous")
        raise forms.ValidationError(_("没有编号或姓名为“%(text)s”的人员") % {"text": text[:40]}, code="unknown")


class ListField(forms.CharField):
    """A list of words, one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        """Show one a line."""
        return "\n".join(str(each) for each in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Return the words."""
        text = super().clean("\n".join(map(str, value)) if isinstance(value, list) else value)
        return [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]


def form_class(register: Register, sight: Sight, *, changing: bool, only: tuple[str, ...] = ()) -> type[ModelForm[Any]]:
    """Return the form of a register, or of some of its fields, for a reader: relations offer only the rows that are seen."""

    def make(field: Field[Any, Any], **options: Any) -> forms.Field | None:
        made = _form_field(field, sight.choices(field.related_model) if isinstance(field, ForeignKey) else None, options)
        if made is None:
            return None
        made.label = register.label(field.name)
        made.help_text = str(register.hints.get(field.name, made.help_text or ""))
        made.disabled = changing and field.name in register.fixed
        made.widget.attrs["class"] = _css(made.widget)
        return made

    return modelform_factory(register.model, fields=list(only or register.fields), formfield_callback=make)


def _form_field(field: Field[Any, Any], rows: QuerySet[Any] | None, options: dict[str, Any]) -> forms.Field | None:
    if rows is not None:
        required = not field.blank
        if rows.model is Person:
            return RowField(rows.select_related("unit"), "name", required=required, max_length=100)
        return forms.ModelChoiceField(rows, required=required, to_field_name=_to_field(rows.model))
    if isinstance(field, models.JSONField):
        return ListField(required=not field.blank)
    if isinstance(field, models.DateField) and not isinstance(field, models.DateTimeField):
        return forms.DateField(required=not field.blank, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    if isinstance(field, models.DateTimeField):  # in Beijing time, as every page shows it
        widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
        return forms.DateTimeField(required=not field.blank, widget=widget)
    return field.formfield(**options)


def _to_field(model: type[Model]) -> str | None:
    code = values.code_field(model)
    return None if code == "pk" else code


def _css(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "form-check-input"
    return "form-select form-select-sm" if isinstance(widget, forms.Select) else "form-control form-control-sm"


def initial_rows(register: Register, row: Model) -> dict[str, Any]:
    """Return the related rows of a row by field, which the form shows by code."""
    return {name: getattr(row, name) for name in register.fields if isinstance(register.field(name), ForeignKey)}


def copy_of(row: Model) -> Model:
    """Return a copy of a row: validating a ModelForm writes into its instance."""
    names = [field.attname for field in row._meta.concrete_fields]
    return type(row).from_db(None, names, [getattr(row, name) for name in names])


def as_data(register: Register, body: dict[str, Any], row: Model | None = None) -> dict[str, Any]:
    """Return JSON values as form data; what the body leaves out keeps the row's value, or is the default of a new row."""
    fields = {name: register.field(name) for name in register.fields}
    start = {name: each.get_default() for name, each in fields.items()} if row is None else {name: getattr(row, name) for name in fields}
    data = {name: values.raw(value) for name, value in start.items()}
    data.update({name: body[name] for name in register.fields if name in body})
    return {name: _as_text(value) for name, value in data.items() if value is not None}


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, list | str) else json.dumps(value, ensure_ascii=False)


def initial_of(register: Register, row: Model) -> dict[str, str]:
    """Return what the form shows for a row, as text by field: the base of a later comparison."""
    return {name: values.show(register.field(name), getattr(row, name)) for name in register.fields}


def shown(register: Register, cleaned: dict[str, Any]) -> dict[str, str]:
    """Return cleaned form values as people read them."""
    return {name: values.show(register.field(name), cleaned.get(name)) for name in register.fields}
