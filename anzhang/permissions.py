"""What may be done, as one enum, and who acts.

Permissions are `scope:action`. The three administrators (三员, GB/T 22239-2019 8.1.5) are three disjoint sets;
a system check proves that the sets do not meet. Everybody else's rights follow from registers (assignment,
officer, leading group member, case membership), never from an editable table of grants.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """Every right that a page, procedure or command asks for."""

    ACCOUNTS_MANAGE = "accounts:manage"
    ACCOUNTS_CONFIRM = "accounts:confirm"
    UNITS_MANAGE = "units:manage"
    BACKUP_RUN = "backup:run"
    SOURCES_MANAGE = "sources:manage"
    ROUTES_MANAGE = "routes:manage"
    PARAMETERS_MANAGE = "parameters:manage"
    LOCKOUT_RELEASE = "lockout:release"
    TOKENS_MANAGE = "tokens:manage"
    REGULATION_IMPORT = "regulation:import"
    AUDIT_READ = "audit:read"
    LEDGER_READ = "ledger:read"
    LOGS_READ = "logs:read"
    REGISTERS_READ = "registers:read"
    REGISTERS_WRITE = "registers:write"
    CASES_FILE = "cases:file"
    CASES_DECIDE = "cases:decide"
    BOARD_READ = "board:read"


class Administrator(StrEnum):
    """The three administrators; a person is at most one of them."""

    SYSTEM_ADMIN = "system_admin"
    SECURITY_ADMIN = "security_admin"
    AUDITOR = "auditor"


# What only that administrator may do. Reading rights that everyone has are not listed here.
ADMINISTRATOR_PERMISSIONS: dict[Administrator, frozenset[Permission]] = {
    Administrator.SYSTEM_ADMIN: frozenset(
        {Permission.ACCOUNTS_MANAGE, Permission.UNITS_MANAGE, Permission.BACKUP_RUN, Permission.SOURCES_MANAGE}
    ),
    Administrator.SECURITY_ADMIN: frozenset(
        {
            Permission.ACCOUNTS_CONFIRM,
            Permission.ROUTES_MANAGE,
            Permission.PARAMETERS_MANAGE,
            Permission.LOCKOUT_RELEASE,
            Permission.TOKENS_MANAGE,
            Permission.REGULATION_IMPORT,
        }
    ),
    Administrator.AUDITOR: frozenset({Permission.AUDIT_READ, Permission.LEDGER_READ}),
}


class Via(StrEnum):
    """The face through which an act came."""

    BROWSER = "browser"
    API = "api"
    CLI = "cli"
    DAEMON = "daemon"
    JOB = "job"
    SETUP = "setup"


@dataclass(frozen=True)
class Actor:
    """Who does something: every procedure takes one and the ledger keeps it.

    `id` is `user:<username>`, `token:<prefix>`, `system:<job or daemon>` or `os:<user>@<host>`.
    `second_factor` is true only in a browser session that has passed it; deciding a case asks for it (DESIGN 5).
    """

    id: str
    via: Via
    user_id: int | None = None
    person_id: int | None = None
    unit_id: int | None = None
    administrator: Administrator | None = None
    second_factor: bool = False
    address: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the actor's administrator role carries `permission`."""
        return self.administrator is not None and permission in ADMINISTRATOR_PERMISSIONS[self.administrator]


def system(name: str, via: Via = Via.JOB) -> Actor:
    """Return the actor of a job or daemon of the platform itself."""
    return Actor(id=f"system:{name}", via=via)


class RefusedError(Exception):
    """A procedure refuses; `code` is stable English, the message is shown to the user, `remedy` says what to do."""

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        """Keep the three parts."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
