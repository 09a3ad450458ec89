"""The pages tell the truth: every code and every setting is there, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import error_pages
from adaptation.api.problems import CODES, UNKNOWN_CODES
from adaptation.settings import Settings
from adaptation.workflows.deleting import FilesParameters, FolderParameters
from adaptation.workflows.mp4 import Mp4Parameters
from adaptation.workflows.parameters import CommonParameters, EncodingParameters
from adaptation.workflows.vodstream_parameters import VodstreamParameters

ROOT = Path(__file__).resolve().parent.parent.parent


def codes_in(nodes: list[ast.AST]) -> Iterator[str]:
    """String constants that stand where an error's code is given."""
    for node in nodes:
        match node:
            case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                yield code
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                yield code
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    match (key, value):
                        case (ast.Constant(value="code"), ast.Constant(value=str(code))):
                            yield code


def strings(nodes: list[ast.AST]) -> set[str]:
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def first_cells(page: str) -> list[str]:
    """The names in backticks that begin the rows of a page's tables."""
    rows = re.findall(r"^\| ((?:`[A-Za-z_]+`(?:, )?)+) \|", (ROOT / page).read_text(), re.M)
    return [name for row in rows for name in re.findall(r"`([A-Za-z_]+)`", row)]


def test_every_error_code_is_documented_once() -> None:
    documented = first_cells("docs/errors.md")
    sources = [path.read_text() for path in (ROOT / "src").rglob("*.py")]
    nodes = [node for text in sources for node in ast.walk(ast.parse(text))]

    assert len(documented) == len(set(documented))
    assert {code for code in codes_in(nodes) if code} <= set(documented)
    assert set(documented) <= strings(nodes), "a documented code is not in the product"


def test_every_test_that_the_threat_model_names_is_there() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()
    named = re.findall(r"`([\w/]*test_\w+\.py)`", page)

    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(named) > 20
    assert [name for name in named if not any(path.endswith(name) for path in there)] == []


def test_every_code_of_the_api_is_documented() -> None:
    codes = {*CODES.values(), *UNKNOWN_CODES.values(), "unhealthy"}

    assert codes <= set(first_cells("docs/errors.md"))


def test_every_error_code_has_a_page_that_is_up_to_date() -> None:
    found = {path.name: path.read_text() for path in (ROOT / "docs" / "errors").glob("*.md")}

    assert found == error_pages.pages(), "make docs"
    assert error_pages.TABLE.read_text() == error_pages.table(), "make docs"


def test_a_page_says_what_the_source_says() -> None:
    page = error_pages.pages()["source_truncated.md"]

    assert "| class | `SourceError` |" in page
    assert "| tried again by the engine | no |" in page
    assert "`media/container.py`" in page
    assert "- the source is cut short: …\n  *Copy or download the file again" in page


def test_every_setting_is_documented() -> None:
    documented = first_cells("docs/settings.md")

    assert documented == [f"ADAPTATION_{name.upper()}" for name in Settings.model_fields]


def test_every_parameter_is_documented() -> None:
    documented = first_cells("docs/encoding_workflow.md")

    assert set(documented) == set(EncodingParameters.model_fields)


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("createmp4", Mp4Parameters),
        ("vodstream", VodstreamParameters),
        ("voddelete", FolderParameters),
        ("asset_delete", FilesParameters),
    ],
)
def test_every_parameter_of_a_small_workflow_is_documented(
    page: str, model: type[CommonParameters]
) -> None:
    text = (ROOT / "docs" / "workflows" / f"{page}.md").read_text()
    table = text.partition("| parameter |")[2].partition("\n\n")[0]
    names = [
        name
        for line in table.splitlines()
        for name in re.findall(r"`([a-z_0-9]+)`", line.split("|")[1] if "|" in line else "")
    ]

    assert sorted(names) == sorted(model.model_fields)
