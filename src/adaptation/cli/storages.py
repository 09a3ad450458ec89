"""`adaptation storage`: which storages jobs may use besides the machines' own folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from adaptation.adapters.object_check import try_out
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.storage_config import StorageConfig
from adaptation.cli import exits, output
from adaptation.cli.store import opened_store
from adaptation.errors import ParameterError
from adaptation.opening import Opening
from adaptation.settings import load_settings

SECRET = "ADAPTATION_STORAGE_SECRET"  # noqa: S105 - the name of a variable
FROM_STDIN = Path("-")
AsJson = Annotated[bool, Parameter(name="--json")]

storage = App(
    name="storage",
    help="Say which storages jobs may use besides local folders.",
    default_parameter=Parameter(negative=(), show_default=False),
    version_flags=(),
)


@storage.command
def add(  # noqa: PLR0913 - one row's worth of facts
    name: str,
    /,
    *,
    kind: Literal["S3", "azure_blob", "gcs"],
    bucket: str,
    prefix: str = "",
    endpoint: str = "",
    region: str = "",
    account: str = "",
    private: bool = False,
    secret_file: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    replace: bool = False,
) -> None:
    """Add a storage; its secret is read from ADAPTATION_STORAGE_SECRET or a file.

    The secret is, of S3, the secret access key; of azure_blob, a key of the storage account; of
    gcs, the JSON file of a service account. It is stored sealed.

    Args:
        name: By which jobs name it: letters, digits, dots, dashes, underscores.
        kind: Which service it is; S3 means everything that speaks its language.
        bucket: The bucket or container, which must be there.
        prefix: Folder in it below which everything lies; the whole bucket when not given.
        endpoint: Address of the service, such as https://minio.example.org; its own when not given.
        region: Of S3; us-east-1 when not given.
        account: Of S3 the id of the access key, of azure_blob the storage account.
        private: The end point may lie in a private network.
        secret_file: File with the secret; - for stdin.
        replace: Change a storage that is there, from the next task on.
    """
    new = StorageConfig(
        name=name,
        kind=kind,
        bucket=bucket,
        prefix=prefix,
        endpoint=endpoint,
        region=region,
        account=account,
        private=private,
        secret_key=_secret(secret_file),
    )
    with opened_store() as store:
        (store.replace_storage if replace else store.add_storage)(new)
    output.note(f"Storage {name} is {'changed' if replace else 'added'}.")
    output.note(f"hint: see whether it works: adaptation storage check {name}")


@storage.command
def ls(*, as_json: AsJson = False) -> None:
    """List the storages.

    Args:
        as_json: Print a JSON array.
    """
    with opened_store() as store:
        found = store.storages()
    if as_json:
        output.document([_document(one) for one in found])
        return
    rows = [(one.name, one.kind, f"{one.bucket}/{one.prefix}".rstrip("/")) for one in found]
    for line in output.aligned([("storage", "kind", "place"), *rows]):
        output.data(line)


@storage.command
def show(name: str, /, *, as_json: AsJson = False) -> None:
    """Show a storage, without its secret.

    Args:
        name: The storage.
        as_json: Print a JSON object.
    """
    with opened_store() as store:
        document = _document(store.storage(name))
    if as_json:
        output.document(document)
        return
    for line in output.aligned([(fact, str(value)) for fact, value in document.items()]):
        output.data(line)


@storage.command
def check(name: str, /, *, as_json: AsJson = False) -> int:
    """Write, read, list and delete a small object, and say what of it works.

    The exit status is 1 when something does not.

    Args:
        name: The storage.
        as_json: Print one JSON object a line.
    """
    with opened_store() as store:
        known = store.storage(name)
    works = True
    for tried in try_out(ObjectStore(known, Opening(load_settings()).policy)):
        works = tried.error is None
        if as_json:
            said = tried.error and {"code": tried.error.code, "message": tried.error.message}
            output.document({"step": tried.name, "works": works, "error": said})
        else:
            output.data(f"{tried.name:<8} {tried.error.message if tried.error else 'works'}")
        if tried.error and not as_json:
            output.note(f"code: {tried.error.code}")
            output.note(f"hint: {tried.error.hint}")
    return exits.DONE if works else exits.JOB_FAILED


@storage.command
def remove(name: str, /) -> None:
    """Forget a storage; what lies in it stays, and jobs that name it fail from now on.

    Args:
        name: The storage.
    """
    with opened_store() as store:
        store.remove_storage(name)
    output.note(f"Storage {name} is forgotten; what lies in it stays.")


def _document(known: StorageConfig) -> dict[str, Any]:
    facts = known.to_json()
    del facts["secret_key"]
    return facts


def _secret(file: Path | None) -> str:
    """The secret, which is never a word of the command line: others can read that.

    Raises:
        ParameterError: `storage_invalid`, the file cannot be read.
    """
    if file is None:
        return os.environ.get(SECRET, "").strip()
    if file == FROM_STDIN:
        return sys.stdin.read().strip()
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"the file of the secret cannot be read: {error}",
            code="storage_invalid",
            hint="Give a file with the secret alone, or - for stdin.",
        ) from error
