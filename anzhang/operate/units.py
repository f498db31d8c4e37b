"""`anzhang systemd`: the units of a production machine, printed for an administrator to read and install."""

from __future__ import annotations

import sys
from pathlib import Path

from anzhang.home import Home
from anzhang.operate.supervise import processes

UNIT = """\
# /etc/systemd/system/anzhang-{process}.service
[Unit]
Description=anzhang {process}
After=network.target{after}
PartOf=anzhang.target

[Service]
User={user}
Environment=ANZHANG_HOME={home}
ExecStart={python} -m anzhang {process}
Restart=on-failure
RestartSec=2
KillSignal=SIGTERM
TimeoutStopSec=60
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
ReadWritePaths={home}{more}

[Install]
WantedBy=anzhang.target
"""

# The collector may take port 514, and has a descriptor for every sender. The kernel's buffer for UDP is the machine's to widen:
# `sysctl net.core.rmem_max=67108864`, or CAP_NET_ADMIN here, which is much more than a buffer.
CAPABILITIES = {"collector": "CAP_NET_BIND_SERVICE"}
MORE = {"collector": "\nLimitNOFILE=65536"}

TARGET = """\
# /etc/systemd/system/anzhang.target
[Unit]
Description=anzhang
Wants={wants}

[Install]
WantedBy=multi-user.target
"""


def render(home: Home, user: str = "anzhang") -> str:
    """Return the target and one unit per process. No MemoryDenyWriteExecute: the parser is compiled at run time."""
    units = [
        UNIT.format(
            process=process,
            user=user,
            home=home.path,
            python=Path(sys.executable),
            capabilities=CAPABILITIES.get(process, ""),
            more=MORE.get(process, ""),
            after=" postgresql.service" if home.database_url.startswith("postgres") else "",
        )
        for process in processes(home)
    ]
    wants = " ".join(f"anzhang-{process}.service" for process in processes(home))
    return "\n".join([TARGET.format(wants=wants), *units])
