"""Write a page for each error code from docs/errors.md and the source: `make docs`.

usage: python tools/error_pages.py

What a code means is written by hand, in a row of docs/errors.md. The page adds what the source
says: the class, whether the engine tries again, the sentences with their remedies, the modules.
The dashboard shows the same out of one file of the package.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "adaptation"
TABLES = ROOT / "docs" / "errors.md"
PAGES = ROOT / "docs" / "errors"
TABLE = SOURCE / "dashboard" / "codes.json"
"""The same for the dashboard, which is there without the docs."""
ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|(?: \d+ \|)? (.+) \|$", re.MULTILINE)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
PASSING = "Transient"
"""The class of what may pass: the engine tries it again."""
PASSING_GROUP = "Passing trouble"
"""How the heading begins above codes of that class which are not named where it is raised."""


@dataclass
class Code:
    """One error code."""

    name: str
    """As programs see it."""
    group: str
    """Heading under which its row stands."""
    meaning: str
    """The row, in Markdown."""
    kinds: set[str] = field(default_factory=set)
    """Classes it is raised as."""
    words: list[tuple[str, str]] = field(default_factory=list)
    """Sentences and remedies; what is only known then is `…`."""
    modules: set[str] = field(default_factory=set)
    """Modules that name it, relative to the package."""


@dataclass
class Source:
    """What the trees of all modules say."""

    nodes: dict[str, list[ast.AST]]
    """Classes, calls and constants by module, relative to the package."""
    bases: dict[str, str] = field(default_factory=dict)
    """The first base of each class."""
    defaults: dict[str, str] = field(default_factory=dict)
    """The code of each class that has one of its own."""
    may_pass: frozenset[str] = frozenset()
    """Codes of tools' errors that are tried again."""

    def family(self, kind: str) -> list[str]:
        """A class and what it comes from, within the package."""
        seen = list[str]()
        while kind and kind not in seen:
            seen.append(kind)
            kind = self.bases.get(kind, "")
        return seen

    def is_error(self, kind: str) -> bool:
        """Whether a class is an error with a code."""
        return "AdaptationError" in self.family(kind) or kind == "Problem"

    def default_of(self, kind: str) -> str:
        """The code of an error that is raised without one."""
        return next((self.defaults[k] for k in self.family(kind) if k in self.defaults), "")


def main() -> None:
    """Write what is missing or old, and remove what no code has any more."""
    wanted = pages()
    found = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    PAGES.mkdir(exist_ok=True)
    for name in found.keys() - wanted.keys():
        (PAGES / name).unlink()
    for name, text in wanted.items():
        if found.get(name) != text:
            (PAGES / name).write_text(text, encoding="utf-8")
            print(f"docs/errors/{name}", file=sys.stderr)
    TABLE.write_text(table(), encoding="utf-8")


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    codes, source = known()
    return {f"{code.name}.md": page(code, source) for code in codes.values()}


def table() -> str:
    """All codes with what is said of them, as JSON, in the order of their names."""
    codes, source = known()
    rows = {name: _facts(code, source) for name, code in sorted(codes.items())}
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


@cache
def known() -> tuple[dict[str, Code], Source]:
    """All codes with what the source says of them."""
    source = read_source()
    codes = {code.name: code for code in read_rows(TABLES.read_text(encoding="utf-8"))}
    for module, nodes in source.nodes.items():
        for node in nodes:
            _note(node, module, codes, source)
    return codes, source


def read_rows(text: str) -> Iterator[Code]:
    """The codes of all tables, with the headings above them."""
    headings = [(match.start(), match[1]) for match in HEADING.finditer(text)]
    for row in ROW.finditer(text):
        group = [heading for start, heading in headings if start < row.start()][-1]
        for name in re.findall(r"`(\w+)`", row[1]):
            yield Code(name, group, row[2])


def read_source() -> Source:
    """Parse all modules, and learn the classes of errors."""
    paths = sorted(SOURCE.rglob("*.py"))
    source = Source({_name(path): _telling(path.read_text(encoding="utf-8")) for path in paths})
    for nodes in source.nodes.values():
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                _learn(node, source)
    return source


def _telling(text: str) -> list[ast.AST]:
    """The nodes of a module that may say something of a code."""
    kinds = ast.ClassDef, ast.Call, ast.Constant
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def page(code: Code, source: Source) -> str:
    """The page of one code."""
    kinds = ", ".join(f"`{kind}`" for kind in sorted(code.kinds))
    lines = [
        f"# `{code.name}`",
        "",
        _sentence(code.meaning),
        "",
        "| | |",
        "|---|---|",
        f"| group | [{code.group}](../errors.md) |",
        *([f"| class | {kinds} |"] if kinds else []),
        f"| tried again by the engine | {'yes' if _is_retried(code, source) else 'no'} |",
        f"| named in | {', '.join(f'`{module}`' for module in sorted(code.modules))} |",
    ]
    if code.words:
        lines += ["", "What it says, `…` being what is known only then:", ""]
    for message, hint in sorted(set(code.words)):
        lines.append(f"- {message}" + (f"\n  *{hint}*" if hint else ""))
    return "\n".join([*lines, "", "<!-- made by `make docs` -->", ""])


def _facts(code: Code, source: Source) -> dict[str, Any]:
    return {
        "group": code.group,
        "meaning": _sentence(code.meaning),
        "retried": _is_retried(code, source),
        "words": [list(pair) for pair in sorted(set(code.words))],
    }


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _is_retried(code: Code, source: Source) -> bool:
    families = [kind for own in code.kinds for kind in source.family(own)]
    is_passing = PASSING in families or code.name in source.may_pass
    return is_passing or code.group.startswith(PASSING_GROUP)


def _learn(node: ast.ClassDef, source: Source) -> None:
    source.bases[node.name] = next((_called(base) for base in node.bases), "")
    for line in node.body:
        match line:
            case ast.Assign(targets=[ast.Name("code")], value=ast.Constant(value=str(code))):
                source.defaults[node.name] = code
            case ast.Assign(targets=[ast.Name("MAY_PASS")], value=ast.Call(args=[ast.Set(names)])):
                source.may_pass = frozenset(ast.literal_eval(name) for name in names)


def _note(node: ast.AST, module: str, codes: dict[str, Code], source: Source) -> None:
    """Add what a node of a module's tree says of a code."""
    if isinstance(node, ast.Constant) and node.value in codes:
        codes[node.value].modules.add(module)
    if not isinstance(node, ast.Call) or not source.is_error(kind := _called(node.func)):
        return
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    name = _text(given["code"]) if "code" in given else source.default_of(kind)
    if name not in codes:
        return
    code = codes[name]
    code.kinds.add(kind)
    code.modules.add(module)
    sentence = next((text for text in map(_text, node.args) if " " in text), "")
    if sentence:
        code.words.append((sentence, _text(given["hint"]) if "hint" in given else ""))


def _called(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def _text(node: ast.expr) -> str:
    """A string, with `…` for what is put into it; empty for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return re.sub(r"…+", "…", "".join(_text(part) for part in parts))
        case ast.FormattedValue():
            return "…"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
    return ""


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


if __name__ == "__main__":
    main()
