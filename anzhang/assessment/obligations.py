"""The checks on assessments: outside connections are assessed before anything flows (Art. 10)."""

from __future__ import annotations

from pathlib import Path

from anzhang.casework import rules

interconnections_assessed = rules.bind(Path(__file__).parent / "rules" / "interconnections_assessed.sql")
