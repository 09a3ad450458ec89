"""The one door to the truth: every read and every transition of jobs and tasks."""

from __future__ import annotations

from adaptation.adapters.vault import Vault
from adaptation.engine.admission import Admission
from adaptation.engine.again import SETTLE_SECONDS, tried_again
from adaptation.engine.attempts import Attempts
from adaptation.engine.changes import Changes
from adaptation.engine.claims import Claims
from adaptation.engine.control import Control
from adaptation.engine.credentials import Credentials
from adaptation.engine.database import Database
from adaptation.engine.deliveries import Deliveries
from adaptation.engine.endpoints import EndPoints
from adaptation.engine.enrolment import Enrolment
from adaptation.engine.fleet import Fleet
from adaptation.engine.history import History
from adaptation.engine.kinship import Kinship
from adaptation.engine.lines import Lines
from adaptation.engine.lists import Lists
from adaptation.engine.measures import Measures
from adaptation.engine.moves import Moves
from adaptation.engine.overview import Overview
from adaptation.engine.reads import Reads
from adaptation.engine.remaining import Remaining
from adaptation.engine.resealing import Resealing
from adaptation.engine.retention import Retention
from adaptation.engine.scheduling import Scheduling
from adaptation.engine.setting import Choices
from adaptation.engine.storages import Storages
from adaptation.engine.submissions import AT_ONCE, Submissions
from adaptation.engine.together import Together
from adaptation.engine.unfit import Unfit
from adaptation.engine.watching import Watching
from adaptation.engine.wishes import Wishes

SETTLING = dict.fromkeys(("complete", "fail", "give_back"), SETTLE_SECONDS)
OPENING = dict.fromkeys(("create", "migrate", "close"), 0.0)
ONCE = dict.fromkeys(
    ("add_client", "remove_client", "remove_storage", "rotate_key", "rotate_secret"), 0.0
)
"""They make a secret or look first; what they call then is tried again."""

REPEATED = {"changes_of": 0.0, "happenings": 0.0}
"""Whoever asks again and again anyway."""


@tried_again(SETTLING | OPENING | ONCE | REPEATED)
class Store(
    Claims,
    Resealing,
    Submissions,
    Moves,
    Admission,
    Scheduling,
    Control,
    Changes,
    Choices,
    Fleet,
    Unfit,
    History,
    Retention,
    Lists,
    Measures,
    Enrolment,
    Credentials,
    Watching,
    Overview,
    Deliveries,
    EndPoints,
    Storages,
    Attempts,
    Kinship,
    Lines,
    Remaining,
    Wishes,
    Reads,
):
    """Jobs, tasks, logs and messages in one SQL database."""

    def __init__(self, url: str, vault: Vault | None = None) -> None:
        """Open the database; a SQLite file is made when it does not exist.

        Args:
            url: an SQLAlchemy URL, `sqlite:///…` or `postgresql://…`, which means psycopg 3.
            vault: seals the secrets in what is stored; None: nothing is sealed.
        """
        self.database = Database(url, vault)
        self.arriving = Together(self._take_in, AT_ONCE)

    def create(self) -> None:
        """Make sure that the tables are the right ones; see `Database.create`."""
        self.database.create()

    def migrate(self) -> str | None:
        """Bring the tables to the newest version; the one they had, None: there were none."""
        return self.database.migrate()

    def close(self) -> None:
        """Close every connection."""
        self.database.close()
