"""The registers of Art. 29: log sources and sealed segments."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from anzhang.engines.vault.batch import dump_seqs
from anzhang.monitoring import bulk as _bulk  # noqa: F401  # named procedures
from anzhang.monitoring import holds as _holds  # noqa: F401  # named procedures
from anzhang.monitoring import redactions as _redactions  # noqa: F401  # named procedures
from anzhang.monitoring.models import LegalHold, LogRedaction, LogSource, VaultSegment
from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_unit

declare(
    Register(
        id="log_source",
        chapter="monitoring",
        model=LogSource,
        kind=Kind.PLAIN,
        columns=("code", "name", "transport", "unit", "system", "state", "registered_on"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("unit"), by_choice(LogSource, "transport"), by_choice(LogSource, "state")),
        scope=("unit__path",),
        key=("code",),
        fields=(
            "code",
            "name",
            "transport",
            "addresses",
            "hosts",
            "certificates",
            "file_path",
            "unit",
            "system",
            "kinds",
            "timezone",
            "encoding",
            "format",
            "clock",
            "daily_lines",
            "quota_bytes_per_hour",
            "silence_minutes",
            "state",
            "registered_on",
        ),
        create="register_source",
        change="change_source",
        bulk="register_sources",
        whole_row=True,
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.SYSTEM_ADMIN}),
        hidden=frozenset({"token_hash"}),
        articles=(29,),
    )
)
declare(
    Register(
        id="vault_segment",
        chapter="monitoring",
        model=VaultSegment,
        kind=Kind.OBSERVED,
        columns=("number", "day", "rows", "raw_bytes", "file_bytes", "sealed_at", "redacted_lines", "state"),
        order=("-number",),
        search=("name",),
        filters=(by_choice(VaultSegment, "state"),),
        hidden=frozenset({"sources"}),
        articles=(29,),
    )
)
declare(
    Register(
        id="legal_hold",
        chapter="monitoring",
        model=LegalHold,
        kind=Kind.PLAIN,
        columns=("code", "reason", "since", "until", "placed_at", "released_at"),
        order=("-placed_at",),
        search=("code", "reason"),
        key=("code",),
        fields=("code", "reason", "sources", "since", "until", "release_reason"),
        create="place_hold",
        change="change_hold",
        fixed=frozenset({"code"}),
        hints={
            "sources": _("每行一个日志源编号；不填表示全部日志源。"),
            "since": _("不填表示不限。范围以后只能扩大。"),
            "release_reason": _("保全期间留空。由保全人以外的人填写，即解除保全，不能恢复。"),
        },
        writers=frozenset({Writer.OFFICE}),
        articles=(29,),
    )
)
declare(
    Register(
        id="log_redaction",
        chapter="monitoring",
        model=LogRedaction,
        kind=Kind.AUTHORITY,
        columns=("code", "reason", "lines", "approved_at", "state", "done_at", "trouble"),
        order=("-approved_at",),
        search=("code", "reason"),
        filters=(by_choice(LogRedaction, "state"),),
        key=("code",),
        route="log_redaction",
        hidden=frozenset({"salt"}),
        words={"lines": dump_seqs},
        articles=(29,),
    )
)
