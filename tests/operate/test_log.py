"""The platform's own lines are RFC 5424, one per record."""

import logging
import re
from datetime import timedelta

from anzhang import clock
from anzhang.operate.log import SyslogFormatter


def test_it_writes_one_line_even_for_a_traceback():
    record = logging.LogRecord("anzhang.worker", logging.ERROR, __file__, 1, "job %s failed", ("核对",), None)
    record.exc_text = "Traceback:\n  line"
    line = SyslogFormatter().format(record)
    assert "\n" not in line
    assert re.fullmatch(
        r"<131>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 anzhang anzhang\.worker \d+ - - job 核对 failed#012Traceback:#012  line", line
    )


def test_a_line_of_a_demo_whose_clock_was_moved_bears_the_time_at_which_it_is_received(monkeypatch):
    monkeypatch.setattr(clock, "demo_offset", lambda: timedelta(days=8))
    record = logging.LogRecord("anzhang.worker", logging.INFO, "x.py", 1, "ready", None, None)
    record.created = 1764000000.0
    assert SyslogFormatter().format(record).startswith("<134>1 2025-12-02T16:00:00.000+00:00 anzhang anzhang.worker ")
