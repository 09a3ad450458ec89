"""Places that jobs name beside `url` and `output_folder`, and which of them clients may reach."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from adaptation.adapters.containment import contained, inside, led_out, safe_key
from adaptation.workflows.storage_places import Known, confined_words, placed_below


def place_of(words: str, parameter: str, root: Path, output_root: str | None) -> Path:
    """A place below the folder of outputs, on the way to which no symbolic link lies.

    Args:
        words: a path relative to `output_root`, or an absolute one, as callbacks tell it.
        parameter: named in the error.
        root: the folder of outputs.
        output_root: a path below `root`.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    base = root.resolve()
    if Path(words).is_absolute():
        return inside(base, _key_below(base, words, parameter), parameter)
    under = safe_key(output_root, "output_root") if output_root else ""
    return inside(base, str(PurePosixPath(under, safe_key(words, parameter))), parameter)


def place_anywhere(words: str, parameter: str, root: Path, output_root: str | None) -> Path:
    """A folder of an asset: absolute wherever it is, or relative to `output_root`.

    Args:
        words, parameter, root, output_root: as for `place_of`.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    if Path(words).is_absolute():
        return Path(words).resolve()
    return place_of(words, parameter, root, output_root)


def asset_folder(
    given: Mapping[str, Any], parameter: str, storage: str | None, root: Path, known: Known
) -> str:
    """The folder of an asset that was made here: an absolute path, or a place of a storage.

    Args:
        given: the parameters, checked but for this one.
        parameter: which of them names the folder.
        storage: name of the storage that a key is one of; None or `local`: a key is a path.
        root: the folder of outputs.
        known: which storages there are.

    Raises:
        ParameterError: `storage_unknown`, `path_outside`, `parameter_invalid`.
    """
    words, under = given[parameter], given["output_root"]
    return placed_below(words, storage, under, parameter, known) or str(
        place_anywhere(words, parameter, root, under)
    )


def confined_asset(given: Mapping[str, Any], within: str, parameter: str) -> dict[str, Any]:
    """The parameters of a client, one of which names an asset below its own folder.

    Args:
        given: the parameters, not checked yet.
        within: the client's own folder.
        parameter: which of them names the asset.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    known = dict(given)
    if isinstance(words := known.get(parameter), str):
        place = confined_words(words, within, parameter)
        known[parameter] = place or safe_key(words, parameter)
    return known


def confined_place(words: str, parameter: str, root: Path, output_root: str | None) -> str:
    """The words of a client that may not reach every place: relative to its own `output_root`.

    Args:
        words, parameter, root: as for `place_of`.
        output_root: a path below `root` that the client's outputs lie in.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    if Path(words).is_absolute():
        return _key_below(root.resolve() / (output_root or ""), words, parameter)
    return safe_key(words, parameter)


def source_place(  # noqa: PLR0913 - a place, and the three folders it may lie in
    words: str,
    parameter: str,
    *,
    root: Path,
    output_root: str | None,
    source_root: Path | None,
    anywhere: bool,
    sources_first: bool = False,
) -> tuple[Path, Path]:
    """A folder of sources, and where what is made of it goes when nobody says otherwise.

    Args:
        words: a path, absolute or relative: to `output_root` if there is such a folder, for what
            was made before is a source as well, else to `source_root`.
        parameter, root, output_root: as for `place_of`.
        source_root: the folder that local sources of clients lie in; None: there are none.
        anywhere: whether an absolute path may lead to any folder of the machine.
        sources_first: whether a folder of sources counts where there is one of outputs as well,
            and outputs never go into it.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    base, path = root.resolve() / (output_root or ""), Path(words)
    if path.is_absolute() and not path.is_relative_to(base):
        if anywhere and not sources_first:
            return path.resolve(), path.resolve()
        if anywhere:
            found, top = path.resolve(), (source_root or path.parent).resolve()
            rest = found.relative_to(top).as_posix() if found.is_relative_to(top) else found.name
            return found, place_of(rest, parameter, root, output_root)
        if source_root is None:
            raise led_out(parameter)
        found = contained(source_root, path, parameter)
    else:
        key = _key_below(base, words, parameter) if path.is_absolute() else words
        if source_root is None or (
            (base / key).is_dir() and not (sources_first and (source_root / key).is_dir())
        ):
            own = place_of(key, parameter, root, output_root)
            return own, own
        found = contained(source_root, source_root / key, parameter)
    rest = found.relative_to(source_root.resolve()).as_posix()
    return found, place_of(rest, parameter, root, output_root)


def _key_below(base: Path, words: str, parameter: str) -> str:
    """An absolute path, as `safe_key` gives the rest of it below `base`."""
    path = Path(words)
    if not path.is_relative_to(base):
        raise led_out(parameter)
    return safe_key(path.relative_to(base).as_posix(), parameter)
