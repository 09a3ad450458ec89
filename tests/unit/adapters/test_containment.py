"""Whatever somebody names lies below its folder or is refused, also while links are swapped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adaptation.adapters.containment import OPEN_FOLDERS, contained, held, inside, names_below
from adaptation.errors import ParameterError

OUTSIDE = "path_outside"
NO_NAME = "parameter_invalid"
LINUX = pytest.mark.skipif(not OPEN_FOLDERS.is_dir(), reason="folders are held on Linux alone")


def code_of(call: object, *words: object) -> str:
    with pytest.raises(ParameterError) as caught:
        call(*words)  # type: ignore[operator]
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("..", OUTSIDE),
        ("../a", OUTSIDE),
        ("a/..", OUTSIDE),
        ("a/../b", OUTSIDE),
        ("a\n/../b", OUTSIDE),
        ("/a", OUTSIDE),
        ("//host/share", OUTSIDE),
        ("C:a", OUTSIDE),
        ("c:/a", OUTSIDE),
        ("\\\\host\\share", OUTSIDE),
        ("", NO_NAME),
        (".", NO_NAME),
        ("a\\b", NO_NAME),
        ("..\\a", NO_NAME),
        ("a\0b", NO_NAME),
        ("a\x1bb", NO_NAME),
        ("a\u0085b", NO_NAME),
        ("a\u2028b", NO_NAME),
        ("a\u202eb", NO_NAME),
        ("a\ud800b", NO_NAME),
        ("-rf", NO_NAME),
        ("a/-i", NO_NAME),
        (".hidden", NO_NAME),
        ("a/.ssh/b", NO_NAME),
        ("a.", NO_NAME),
        ("a ", NO_NAME),
        ("ab:c", NO_NAME),
        ("a|b", NO_NAME),
        ("CON", NO_NAME),
        ("a/nul.txt", NO_NAME),
        ("com1.mp4", NO_NAME),
        ("x" * 201, NO_NAME),
        ("é" * 101, NO_NAME),
        ("a/" * 501 + "a", NO_NAME),
    ],
)
def test_what_leaves_or_is_no_name_everywhere_is_refused(
    tmp_path: Path, words: str, code: str
) -> None:
    assert code_of(inside, tmp_path, words, "output_folder") == code


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("film", "film"),
        ("films/2026/42", "films/2026/42"),
        ("a//b/./c/", "a/b/c"),
        ("cafe\u0301", "caf\u00e9"),
        ("фильм 7", "фильм 7"),
        ("\u0641\u06cc\u0644\u0645\u200c1", "\u0641\u06cc\u0644\u0645\u200c1"),
        ("🎬", "🎬"),
        ("a,b=c;d'e", "a,b=c;d'e"),
        ("%05d", "%05d"),
        ("x" * 200, "x" * 200),
        ("$(id)", "$(id)"),
    ],
)
def test_a_plain_name_is_found_below_the_root(tmp_path: Path, words: str, key: str) -> None:
    assert inside(tmp_path, words, "output_folder") == tmp_path.resolve() / key


PIECES = st.sampled_from(
    ["..", ".", "/", "\\", ":", "~", "-", "\0", "\n", "CON", "a", "é", "\ud800"]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=8).map("".join)))
@example("a/../../b")
@example("\uff0e\uff0e/b")
@example("a/\u2025/b")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_whatever_is_named_lies_below_the_root_or_is_refused(tmp_path: Path, words: str) -> None:
    try:
        place = inside(tmp_path, words, "output_folder")
    except ParameterError:
        return
    assert place.is_relative_to(tmp_path.resolve())
    assert place != tmp_path.resolve()
    assert os.path.normpath(place) == str(place)
    assert all(0 < len(part.encode()) <= 200 for part in place.parts[1:])


def test_a_link_on_the_way_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bob").mkdir(parents=True)
    for name, target in (("out", tmp_path), ("in", root / "bob"), ("loop", root / "loop")):
        (root / name).symlink_to(target)
        assert code_of(inside, root, f"{name}/film", "output_folder") == OUTSIDE
        assert code_of(inside, root, name, "output_folder") == OUTSIDE


def test_a_file_may_lie_behind_a_link_that_stays_in_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "sources"
    root.mkdir()
    (root / "what? a film.mp4").touch()
    (root / "again.mp4").symlink_to("what? a film.mp4")
    (root / "out.mp4").symlink_to("/etc/passwd")

    assert contained(root, root / "again.mp4", "url") == (root / "what? a film.mp4").resolve()
    for name in ("out.mp4", "../a", "/etc/passwd", "a\0b", "."):
        assert code_of(contained, root, root / name, "url") == OUTSIDE


def test_the_names_below_a_folder_are_told(tmp_path: Path) -> None:
    assert names_below(tmp_path, tmp_path / "a" / "b") == ("a", "b")
    assert names_below(tmp_path / "a", tmp_path / "ab") is None
    assert names_below(tmp_path, tmp_path) is None


@LINUX
def test_a_held_folder_stays_the_one_that_was_opened(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    with held(root, ("a", "b"), make=True) as folder:
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to(outside)
        (folder / "file").write_text("here")

    assert (root / "moved/b/file").read_text() == "here"
    assert list(outside.iterdir()) == []
    with pytest.raises(ParameterError), held(root, ("a", "b"), make=True):
        pass
    with pytest.raises(ParameterError), held(root, ("a",)):
        pass
    assert list(outside.iterdir()) == []


def test_a_folder_that_is_missing_is_made_only_if_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError), held(tmp_path, ("a",)) as folder:
        (folder / "b").touch()
    with pytest.raises(OSError, match="file"), held(tmp_path, ("file",)) as folder:
        (folder / "b").touch()
    with held(tmp_path, ("a", "b"), make=True) as folder:
        (folder / "c").touch()
    assert (tmp_path / "a/b/c").exists()


def test_where_folders_cannot_be_held_links_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adaptation.adapters.containment.OPEN_FOLDERS", tmp_path / "none")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path)

    with held(tmp_path / "root", ("a", "b"), make=True) as folder:
        assert folder == tmp_path / "root/a/b"
        assert folder.is_dir()
    with pytest.raises(ParameterError), held(tmp_path / "root", ("link", "b"), make=True):
        pass
    assert not (tmp_path / "b").exists()
