"""Every model of the one Django app, in the order in which the layers stand."""

from anzhang.assessment.models import *  # noqa: F403
from anzhang.casework.legal_basis import *  # noqa: F403
from anzhang.casework.models import *  # noqa: F403
from anzhang.casework.tables import *  # noqa: F403
from anzhang.directory.credentials import *  # noqa: F403
from anzhang.directory.models import *  # noqa: F403
from anzhang.endpoints.models import *  # noqa: F403
from anzhang.journal.models import *  # noqa: F403
from anzhang.monitoring.models import *  # noqa: F403
from anzhang.network.models import *  # noqa: F403
from anzhang.network.tables import *  # noqa: F403
from anzhang.organization.models import *  # noqa: F403
from anzhang.organization.tables import *  # noqa: F403
from anzhang.registers.models import *  # noqa: F403
from anzhang.rooms.models import *  # noqa: F403
from anzhang.systems.models import *  # noqa: F403
from anzhang.systems.tables import *  # noqa: F403
from anzhang.systems.upkeep import *  # noqa: F403
from anzhang.thirdparty.models import *  # noqa: F403
