"""Tests of the registers share one bureau per module: they are many and small."""

from tests.shared_bureau import bureau, module_bureau

__all__ = ["bureau", "module_bureau"]
