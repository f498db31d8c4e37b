"""Configurations of network devices: read as they were collected, kept without their secrets, compared, asked for facts (Art. 8, 9).

    opened = configs.read(body)                      # never raises; `fault(body)` says beforehand what nobody should keep
    kept = opened.kept(key)                          # text and digest; secrets stand there as keyed tags
    configs.difference(before, kept.text)            # what was added and removed, with the section it stands in
    configs.facts(kept.text, kept.dialect)           # addresses, zones, routes, translations, neighbors; and what could not be read

Grammars are one module per family: `huawei` (also H3C, which shares most words), `cisco`, `iptables`. No Django, no regulation.
"""

from anzhang.engines.configs.comparing import Change, difference
from anzhang.engines.configs.reading import LARGEST, Kept, Opened, dialect_of, fault, read
from anzhang.engines.configs.telling import Fact, Told, facts

__all__ = ["LARGEST", "Change", "Fact", "Kept", "Opened", "Told", "dialect_of", "difference", "facts", "fault", "read"]
