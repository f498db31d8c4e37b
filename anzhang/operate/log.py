"""The platform's own log lines, as RFC 5424 so that the vault reads them like anybody's."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from anzhang import clock

LOCAL0 = 16
SEVERITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class SyslogFormatter(logging.Formatter):
    """One record on one line at the demo's time where that was moved; line ends of a traceback become `#012`, as rsyslog writes them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without a line end. Source: RFC 5424 section 6."""
        at = (datetime.fromtimestamp(record.created, UTC) + clock.demo_offset()).isoformat(timespec="milliseconds")
        severity = SEVERITY.get(record.levelno, 6)
        text = super().format(record).replace("\n", "#012")
        return f"<{LOCAL0 * 8 + severity}>1 {at} anzhang {record.name} {record.process} - - {text}"
