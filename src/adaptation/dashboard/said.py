"""What was just done, in a sentence on the page that comes next.

The address carries a word and plain facts, never a sentence: nobody can make a page of ours say
what they like by a link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

SENTENCES = {
    "cancel": ("Job {one} is cancelled.", "{n} jobs are cancelled."),
    "pause": ("Job {one} is paused.", "{n} jobs are paused."),
    "resume": ("Job {one} goes on.", "{n} jobs go on."),
    "retry": ("Job {one} is tried again.", "{n} jobs are tried again."),
    "rerun": ("Job {one} runs anew as job {new}.", "{n} jobs run anew."),
    "keep": ("Job {one} is kept.", "{n} jobs are kept."),
    "unkeep": ("Job {one} is not kept any more.", "{n} jobs are not kept any more."),
    "priority": ("Job {one} has another priority.", "{n} jobs have another priority."),
    "now": ("Job {one} waits for no time any more.", "{n} jobs wait for no time any more."),
    "later": ("Job {one} waits for another time.", "{n} jobs wait for another time."),
    "queue-paused": ("The queue is paused: no job that waits is started.", ""),
    "queue-resumed": ("The queue goes on.", ""),
    "worker-drain": ("Worker {name} is told to take nothing new; it obeys within seconds.", ""),
    "worker-resume": ("Worker {name} is told to take tasks again.", ""),
    "worker-stop": ("Worker {name} is told to end when nothing runs there.", ""),
    "setting": ("{name} is set, and in force.", ""),
    "setting-reset": ("{name} is as usual again.", ""),
    "schedule-rests": ("{name} rests.", ""),
    "schedule-goes-on": ("{name} goes on.", ""),
    "schedule-looks": ("{name} looks again now.", ""),
    "client-changed": ("Client {name} is changed.", ""),
    "client-removed": ("Client {name} is removed; its jobs stay.", ""),
    "key-revoked": ("The key {name} is valid no more.", ""),
    "end-point-opened": ("Callbacks are sent there again.", ""),
    "end-point-closed": ("Callbacks are sent there no more.", ""),
    "storage-removed": ("Storage {name} is removed.", ""),
}
"""By what was done: of one thing, and of several."""
DONE, FACTS = "done", ("one", "n", "new", "name")
PLAIN = re.compile(r"[\w./-]{1,120}", re.ASCII)


def told(address: str, done: str, **facts: object) -> str:
    """An address whose page says what was done.

    Args:
        address: of a page of ours.
        done: a key of `SENTENCES`.
        facts: `one`, `n`, `new`, `name`, as its sentence needs.
    """
    parts = urlsplit(address)
    more = urlencode({DONE: done, **facts})
    query = "&".join(part for part in (parts.query, more) if part)
    return urlunsplit(parts._replace(query=query))


def sentence(query: Mapping[str, str]) -> str:
    """What the query of a page's address says was done; empty: nothing that we know of."""
    one, several = SENTENCES.get(query.get(DONE, ""), ("", ""))
    facts = {name: query[name] for name in FACTS if PLAIN.fullmatch(query.get(name, ""))}
    try:
        return (several if several and "one" not in facts else one).format(**facts)
    except KeyError:
        return ""
