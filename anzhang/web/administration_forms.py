"""Forms of the administrators' pages: a new user, a new token, and the ways to log in that can be chosen."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang.directory import admission
from anzhang.directory.credentials import ApiToken
from anzhang.directory.models import Person, Unit, User
from anzhang.permissions import Administrator
from anzhang.registers.declaration import REGISTERS

ROLES = [
    ("", gettext_lazy("普通用户")),
    (Administrator.SYSTEM_ADMIN.value, gettext_lazy("系统管理员")),
    (Administrator.SECURITY_ADMIN.value, gettext_lazy("安全管理员")),
    (Administrator.AUDITOR.value, gettext_lazy("审计管理员")),
]


def ways_to_sign_in() -> list[tuple[str, Any]]:
    """Return how a user may log in, for a choice."""
    return [("", _("本地密码")), *((way.value, way.label) for way in admission.ways())]


def other_ways(subject: User) -> list[tuple[str, Any]]:
    """Return the ways to log in that a user does not have, for the buttons that ask for a change."""
    return [(way or "password", title) for way, title in ways_to_sign_in() if way != (subject.sign_in or "")]


class AccountForm(forms.Form):
    """A new user for a person of the register."""

    person = forms.CharField(label=gettext_lazy("工号"), max_length=32)
    username = forms.RegexField(
        r"^[a-z][a-z0-9._-]{1,63}$",
        label=gettext_lazy("登录名"),
        error_messages={"invalid": gettext_lazy("登录名以小写字母开头，只含小写字母、数字、点、下划线和连字符。")},
    )
    administrator = forms.ChoiceField(label=gettext_lazy("管理员类别"), choices=ROLES, required=False)
    sign_in = forms.ChoiceField(label=gettext_lazy("登录方式"), choices=ways_to_sign_in, required=False)
    reason = forms.CharField(label=gettext_lazy("理由"), max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ask for the way to log in only where there is more than one."""
        super().__init__(*args, **kwargs)
        if not admission.ways():
            del self.fields["sign_in"]

    def clean_person(self) -> Person:
        """Return the person of the code."""
        person = Person.objects.filter(code=self.cleaned_data["person"].strip()).first()
        if person is None:
            raise forms.ValidationError(_("人员台账中没有这个工号。"))
        return person


def _resources() -> list[tuple[str, str]]:
    """Return what a token may be narrowed to: the parts of the API by their names in its addresses."""
    parts = [("board", _("条款落实")), ("cases", _("事项")), ("findings", _("核对问题"))]
    return parts + [(register.id, register.title) for register in REGISTERS.values()]


class TokenForm(forms.Form):
    """A new token for a user or for a service of a unit."""

    name = forms.CharField(label=gettext_lazy("用途"), max_length=100)
    user = forms.CharField(label=gettext_lazy("用户登录名"), max_length=64, required=False)
    unit = forms.CharField(label=gettext_lazy("或服务所属单位代码"), max_length=32, required=False)
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("权限"), choices=ApiToken.Scope.choices, widget=forms.CheckboxSelectMultiple, initial=["read"]
    )
    only = forms.MultipleChoiceField(
        label=gettext_lazy("只限于（不选为全部）"), choices=_resources, required=False, widget=forms.SelectMultiple(attrs={"size": 8})
    )
    address = forms.CharField(label=gettext_lazy("绑定地址或网段"), max_length=64)
    days = forms.IntegerField(label=gettext_lazy("有效天数（至多 90）"), min_value=1, max_value=90, initial=30)

    def clean(self) -> dict[str, Any]:
        """Narrow the scopes to the chosen resources."""
        data: dict[str, Any] = super().clean() or {}
        only = data.pop("only", [])
        if only and "scopes" in data:
            data["scopes"] = [f"{scope}:{each}" for scope in data["scopes"] if scope != ApiToken.Scope.INGEST for each in only]
        return data

    def clean_user(self) -> User | None:
        """Return the user of the name."""
        name = self.cleaned_data["user"].strip()
        user = User.objects.filter(username=name, is_active=True).first()
        if name and user is None:
            raise forms.ValidationError(_("没有这个启用的用户。"))
        return user

    def clean_unit(self) -> Unit | None:
        """Return the unit of the code."""
        code = self.cleaned_data["unit"].strip()
        unit = Unit.objects.filter(code=code).first()
        if code and unit is None:
            raise forms.ValidationError(_("没有这个单位代码。"))
        return unit
