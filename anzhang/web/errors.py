"""The error pages: what happened, what to do; nothing of the program's inside."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from anzhang.permissions import RefusedError


def _page(request: HttpRequest, status: int, title: str, explanation: str, remedy: str = "") -> HttpResponse:
    context = {"title": title, "explanation": explanation, "remedy": remedy, "status": status}
    return render(request, "errors/page.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  # Django passes it
    """400."""
    return _page(request, 400, _("请求有误"), _("提交的内容无法识别，没有做任何更改。"))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  # Django passes it
    """403."""
    return _page(request, 403, _("无权办理"), _("您的岗位没有这项权限，没有做任何更改。"), _("需要办理时，请联系本单位信息安全管理人员。"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  # Django passes it
    """404: also what somebody sees who asks for another unit's row."""
    return _page(request, 404, _("没有找到"), _("地址有误，或者该内容不在您的查看范围内。"))


def server_error(request: HttpRequest) -> HttpResponse:
    """500."""
    return _page(
        request,
        500,
        _("系统出错"),
        _("这次操作没有完成，也没有留下一半的结果。请稍后再试。"),
        _("仍不成功时，请告知系统管理员发生的时间。"),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  # Django passes it
    """403: the form came without its token."""
    return _page(request, 403, _("页面已过期"), _("表单的校验码已失效，没有做任何更改。"), _("请返回上一页，刷新后重新提交。"))


def refused(request: HttpRequest, error: RefusedError) -> HttpResponse:
    """409: a procedure refused; its message and remedy are shown."""
    return _page(request, 409, _("不能办理"), error.message, error.remedy)
