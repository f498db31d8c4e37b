"""Large sheets: taken in by the page, read by the worker, confirmed by their owner, written at once (DESIGN 4, 10).

1. `submit` keeps the file and a row that waits. 2. The worker claims it by one conditional UPDATE, reads it with progress and
stages its rows. 3. The owner sees what it would do, or every fault, and confirms. 4. The worker prepares everything and
writes rows, entries and the state DONE in one transaction.

A worker that dies leaves a row whose `seen_at` stands still; `sweep` gives it back, three times at most. Nothing can be
half-written: until DONE is committed no row of the sheet is in the register.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, close_old_connections, connections
from django.db.models import F, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory.models import User
from anzhang.permissions import Actor, Administrator, RefusedError, Via
from anzhang.registers import importing, rights, sheets, staging
from anzhang.registers.declaration import REGISTERS, Register
from anzhang.registers.models import SheetImport
from anzhang.registers.plans import Fault, Plan

log = logging.getLogger("anzhang.imports")
State = SheetImport.State
KEPT = timedelta(days=1)  # files of sheets that ended or were never confirmed
LOST = timedelta(minutes=1)  # without progress: the worker that held it is gone
MOST_ATTEMPTS = 3
MOST_WAITING = 5  # of one person
REPORTED = 20_000  # faults that are kept; the count is of all
_TASKS = {State.WAITING: State.READING, State.CONFIRMED: State.WRITING}
_BACK = {State.READING: State.WAITING, State.WRITING: State.CONFIRMED}


def submit(actor: Actor, register: Register, data: bytes, name: str, at: datetime) -> SheetImport:
    """Keep a sheet for the worker. Raises RefusedError `too_many_imports`, or when the actor may not write the register."""
    rights.require_write(register, actor, at)
    active = SheetImport.objects.filter(user_id=_owner(actor), state__in=[*_TASKS, *_BACK])
    if active.count() >= MOST_WAITING:
        raise RefusedError("too_many_imports", _("您还有 %d 个表格在处理。") % MOST_WAITING, _("等它们处理完再上传。"))
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = SheetImport(
        key=secrets.token_hex(16), register=register.id, name=name[-200:], digest=hashlib.sha256(data).hexdigest(), size=len(data),
        user_id=_owner(actor), requested_at=at, seen_at=at,
    )  # fmt: skip
    file = _file(made)
    file.touch(mode=0o600)
    file.write_bytes(data)
    made.save(force_insert=True)
    return made


def confirm(actor: Actor, found: SheetImport, at: datetime) -> None:
    """Let the worker write a sheet whose preview its owner has seen. Raises RefusedError `not_ready`."""
    rights.require_write(REGISTERS[found.register], actor, at)
    mine = SheetImport.objects.filter(pk=found.pk, user_id=_owner(actor), state=State.READY)
    if not mine.update(state=State.CONFIRMED, seen_at=at, attempts=0, done=0):
        raise RefusedError("not_ready", _("该表格不在待确认状态。"), _("刷新页面查看进展。"))


def cancel(actor: Actor, found: SheetImport, at: datetime) -> None:
    """Give a sheet up before it is written. Raises RefusedError `not_cancellable`."""
    open_ = [State.WAITING, State.READING, State.READY, State.FAULTY, State.CONFIRMED]
    if not SheetImport.objects.filter(pk=found.pk, user_id=_owner(actor), state__in=open_).update(state=State.CANCELLED, finished_at=at):
        raise RefusedError("not_cancellable", _("该表格已在写入或已结束，不能取消。"))
    _forget(found)


def original(found: SheetImport) -> bytes | None:
    """Return the uploaded file, None when it has been swept away."""
    file = _file(found)
    return file.read_bytes() if file.is_file() else None


def faults(found: SheetImport) -> list[Fault]:
    """Return the faults that reading found."""
    return staging.load_faults(_file(found, ".faults"))


def preview(found: SheetImport, actor: Actor, at: datetime, most: int) -> Plan | None:
    """Return the first `most` rows of the staged plan, None when it is gone or the register has moved away from it."""
    sight = rights.Sight(actor, at)
    try:
        return staging.load(REGISTERS[found.register], found.digest, found.unchanged, _file(found, ".rows"), sight, most)
    except staging.MovedError:
        return None


def sweep(at: datetime) -> int:
    """Give back what a dead worker held, forget old files, and do every task that waits; return how many were done."""
    for busy, before in _BACK.items():
        lost = SheetImport.objects.filter(state=busy, seen_at__lt=at - LOST)
        lost.filter(attempts__lt=MOST_ATTEMPTS).update(state=before, seen_at=at)
        lost.update(state=State.FAILED, finished_at=at, message="the worker stopped three times while it was at this sheet")
    _forget_old(at)
    done = 0
    while (found := _claim(at)) is not None:
        _run(found)
        done += 1
    return done


class Runner:
    """Sweeps in a thread of its own, so that signing heads and the other jobs go on while a large sheet is read."""

    def __init__(self) -> None:
        """Start idle."""
        self._thread: threading.Thread | None = None

    def wake(self, at: datetime) -> bool:
        """Start a sweep unless one is running; whether it did."""
        if self._thread is not None and self._thread.is_alive():
            return False
        waits = SheetImport.objects.filter(state__in=[*_TASKS, *_BACK]).exists()
        if waits:
            self._thread = threading.Thread(target=self._sweep, args=(at,), name="imports", daemon=True)
            self._thread.start()
        return waits

    def _sweep(self, at: datetime) -> None:
        close_old_connections()
        try:
            sweep(at)
        except Exception:
            log.exception("sweeping imports failed")
        finally:
            connections.close_all()


RUNNER = Runner()


def _claim(at: datetime) -> SheetImport | None:
    for waiting, busy in _TASKS.items():
        for found in SheetImport.objects.filter(state=waiting).order_by("requested_at", "pk"):
            taken = SheetImport.objects.filter(pk=found.pk, state=waiting).update(state=busy, seen_at=at, attempts=F("attempts") + 1)
            if taken:
                found.refresh_from_db()
                return found
    return None


def _run(found: SheetImport) -> None:
    """Do the claimed task; what goes wrong is told to the owner."""
    try:
        with translation.override(found.user.language):
            (_read if found.state == State.READING else _write)(found)
    except sheets.BadSheetError as error:
        staging.dump_faults([Fault("", fault) for fault in error.faults], _file(found, ".faults"))
        _move(found, State.FAULTY, faults=len(error.faults), finished_at=clock.now())
    except RefusedError as refusal:
        _move(found, State.FAILED, message=f"{refusal.message} {refusal.remedy}".strip()[:500], finished_at=clock.now())
    except (staging.MovedError, IntegrityError):
        _move(found, State.WAITING, message=_("预览之后台账有变化，已重新读取，请再核对一次。"), done=0)
    except Exception as error:
        log.exception("import %s failed", found.key)
        _move(found, State.FAILED, message=f"{type(error).__name__}"[:500], finished_at=clock.now())


def _read(found: SheetImport) -> None:
    data = original(found)
    if data is None:
        raise RefusedError("file_gone", _("上传的文件已被清理。"), _("请重新上传。"))
    actor, at = _actor(found.user), clock.now()
    plan = importing.plan(REGISTERS[found.register], data, found.name, actor, at, _progress(found))
    counts = {"total": len(plan.writes) + plan.unchanged, "unchanged": plan.unchanged, "faults": len(plan.faults)}
    if plan.faults:
        staging.dump_faults(plan.faults[:REPORTED], _file(found, ".faults"))
        _move(found, State.FAULTY, **counts, finished_at=at)
        return
    staging.dump(plan, _file(found, ".rows"))
    _move(found, State.READY, **counts, created=plan.created, changed=plan.changed, done=counts["total"])


def _write(found: SheetImport) -> None:
    actor, at = _actor(found.user), clock.now()
    register = REGISTERS[found.register]
    plan = staging.load(register, found.digest, found.unchanged, _file(found, ".rows"), rights.Sight(actor, at))

    def finish() -> None:
        # A worker that was taken for dead and is not: whoever claimed the sheet after it has the higher count of attempts.
        if not _mine(found).update(state=State.DONE, finished_at=at, seen_at=at, done=len(plan.writes), message=""):
            raise RefusedError("claimed_again", _("该表格已由另一个后台进程接手。"))

    importing.apply(plan, actor, at, finish, _progress(found))
    _forget(found)


def _owner(actor: Actor) -> int:
    if actor.user_id is None:
        raise RefusedError("login_needed", _("请先登录。"))
    return actor.user_id


def _actor(user: User) -> Actor:
    """Return who confirmed, with the rights of now; a sheet never decides, so no second factor goes with it."""
    if not user.is_active:
        raise RefusedError("user_inactive", _("导入人的账号已停用。"))
    return Actor(
        id=f"user:{user.username}", via=Via.BROWSER, user_id=user.pk, person_id=user.person_id,
        unit_id=user.person.unit_id if user.person else None,
        administrator=Administrator(user.administrator) if user.administrator else None,
    )  # fmt: skip


def _progress(found: SheetImport) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        _mine(found).update(done=done, total=total, seen_at=clock.now())

    return report


def _mine(found: SheetImport) -> QuerySet[SheetImport]:
    return SheetImport.objects.filter(pk=found.pk, state=found.state, attempts=found.attempts)


def _move(found: SheetImport, state: str, **values: Any) -> None:
    _mine(found).update(state=state, seen_at=clock.now(), **values)


def _forget(found: SheetImport) -> None:
    for suffix in ("", ".rows", ".faults"):
        _file(found, suffix).unlink(missing_ok=True)


def _forget_old(at: datetime) -> None:
    ended = SheetImport.objects.filter(seen_at__lt=at - KEPT).exclude(state__in=[State.DONE, State.CANCELLED, State.FAILED])
    for found in ended:
        _forget(found)
    ended.update(state=State.CANCELLED, finished_at=at)


def _folder() -> Path:
    return Path(settings.HOME.run) / "sheets"


def _file(found: SheetImport, suffix: str = "") -> Path:
    return _folder() / f"{found.key}{suffix}"
