"""Whatever text a client gives, in whatever field: it is refused, or it stays one text.

No command gets another word, another filter or another output by it, and nothing is written
outside the root of assets.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

import clips
from adaptation.adapters.ffmpeg import encode_argv
from adaptation.context import Context
from adaptation.engine.clients import CallbackStyle
from adaptation.engine.letters import shaped
from adaptation.errors import ParameterError
from adaptation.media.package import package_command
from adaptation.media.rendition import FIELDS
from adaptation.wiring import deploy
from adaptation.workflows.material import Material, read_material
from adaptation.workflows.parameters import (
    CommonParameters,
    EncodingParameters,
    check_encoding,
    confined,
    is_web,
)
from adaptation.workflows.profiles import Profiles
from hostile_words import HOSTILE

PLAIN = "plain"
ASSETS, SOURCES = Path("/srv/assets"), Path("/srv/sources")
SCRATCH = Path("/srv/scratch")
RUNGS = [
    {"name": "small", "height": 90, "bitrate": 100},
    {"name": "tiny", "height": 60, "bitrate": 60},
]
GIVEN: dict[str, Any] = {
    "url": "film.mp4", "output_folder": "film", "renditions": RUNGS, "preset": "ultrafast",
}  # fmt: skip
OPEN_ENDED = {"custom_data", "metadata"}
"""What holds any JSON."""
Found = TypeVar("Found")
Place = tuple[str | int, ...]
"""The names and numbers that lead to a field."""


def places_of(schema: dict[str, Any]) -> Iterator[Place]:
    """Every place of the parameters that may hold a text, found in their schema."""
    for name, field in schema["properties"].items():
        kinds = json.dumps(field)
        if name in OPEN_ENDED:
            yield from [(name, "key"), (name, "key", 0)]
        elif name == "renditions":
            yield from [(name, 1, inner) for inner in sorted(FIELDS)] + [(name, 1, "unknown")]
        elif '"array"' in kinds:
            yield (name, 0)
        elif '"string"' in kinds or '"enum"' in kinds or "$ref" in kinds:
            yield (name,)
        else:
            yield (name,)  # a number or a flag: a text must be refused


PLACES = tuple(places_of(EncodingParameters.model_json_schema()))


def put(place: Place, words: str) -> dict[str, Any]:
    """The parameters with a text in one place."""
    parameters = deepcopy(GIVEN)
    name, *inner = place
    match inner:
        case []:
            parameters[str(name)] = words
        case [int(number), str(field)]:
            parameters[str(name)][number][field] = words
        case [int()]:
            parameters[str(name)] = [words]
        case ["key"]:
            parameters[str(name)] = {words: 1}
        case _:
            parameters[str(name)] = {"key": [words]}
    return parameters


def attempt(call: Callable[..., Found], *words: Any) -> Found | None:
    """What a call gives; None: it is refused with a remedy, and in no other way."""
    try:
        return call(*words)
    except ParameterError as refusal:
        if not refusal.hint or not refusal.code:
            raise
        return None


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """`testsrc2` 320x180 with a tone, 1.2 s."""
    clip = clips.make_plain(tmp_path_factory.mktemp("clip"))
    return read_material(clip, clips.tools())


@dataclass(frozen=True)
class Judge:
    """Makes the commands of a job and compares them with those of a plain one."""

    material: Material
    profiles: Profiles

    def document(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters as a confined client's job has them."""
        known = confined(parameters, "", SOURCES)
        return check_encoding(known, ASSETS, self.profiles)

    def commands(self, document: dict[str, Any]) -> list[list[str]]:
        """The words of each command, places that the job names for themselves."""
        context, url = Context(document), document["url"]
        source = SCRATCH / "source" if is_web(url) else Path(url)
        plan = self.material.plan(context, 1)
        argvs = [plan.chunk_arguments(chunk, source, SCRATCH) for chunk in plan.chunks]
        argvs += [plan.sound_arguments(one, source, SCRATCH / "a.mp4") for one in plan.sounds]
        argvs.append(plan.copy_arguments(source, SCRATCH / "copy.mp4"))
        known = {
            f"file:{SCRATCH / rung.name}.mp4": f"RUNG {n}" for n, rung in enumerate(plan.ladder)
        }
        known[f"file:{source}"] = "SOURCE"
        return [
            [known.get(word, word) for word in encode_argv(argv, clips.tools())] for argv in argvs
        ]


@pytest.fixture(scope="module")
def judge(material: Material) -> Judge:
    return Judge(material, Profiles.among(None))


def test_there_are_enough_texts_and_every_field_is_a_place() -> None:
    assert len(HOSTILE) >= 200
    assert {place[0] for place in PLACES} == set(EncodingParameters.model_fields)
    assert set(CommonParameters.model_fields) < {place[0] for place in PLACES}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_no_command_changes_by_what_a_text_says(judge: Judge, place: Place) -> None:
    plain = judge.commands(judge.document(deepcopy(GIVEN)))
    accepted = 0

    for words in HOSTILE:
        document = attempt(judge.document, put(place, words))
        told = None if document is None else attempt(judge.commands, document)
        if document is None or told is None:
            continue
        accepted += 1
        output = Path(document["output_folder"])
        assert output.is_relative_to(ASSETS), words
        assert output != ASSETS, words
        assert Path(document["url"]).is_relative_to(SOURCES) or is_web(document["url"]), words
        assert told == plain, words

    if place[0] in {"content_id", *OPEN_ENDED}:
        assert accepted > 100, "these hold nearly any text"


def test_no_command_changes_by_what_a_source_says_of_its_language(judge: Judge) -> None:
    given = judge.document(deepcopy(GIVEN))
    plain = judge.commands(given)
    descriptor = package_command("audio", "input.mp4", 4, "xx")
    for words in HOSTILE:
        tracks = tuple(replace(track, language=words) for track in judge.material.source.audio)
        said = replace(judge.material, source=replace(judge.material.source, audio=tracks))
        told = [
            ["language=und" if is_language(word) else word for word in argv]
            for argv in replace(judge, material=said).commands(given)
        ]
        assert told == plain, words
        named = package_command("audio", "input.mp4", 4, words)
        assert named[1:] == descriptor[1:], words
        assert len(named[0].split(",")) - len(descriptor[0].split(",")) in {0, 1}, words
        assert named[0].partition(",lang=")[0] == descriptor[0], words
        assert named[0].partition(",lang=")[2].isalpha() or named == descriptor, words


def is_language(word: str) -> bool:
    return re.fullmatch("language=[A-Za-z]{2,3}", word) is not None


def test_no_descriptor_changes_by_the_name_of_a_file() -> None:
    plain = package_command("video", PLAIN, 4)
    for words in HOSTILE:
        try:
            told = package_command("video", words, 4)
        except ValueError:
            continue
        fields = told[0].split(",")
        assert fields[0] == f"in={words}"
        assert [",".join(["in=plain", *fields[1:]]), *told[1:]] == plain


def test_a_callback_tells_a_text_as_it_was_given() -> None:
    template = '{"id": {{ content_id | tojson }}, "data": {{ custom_data | tojson }}}'
    for words in HOSTILE:
        fields = {"content_id": words, "custom_data": {words: [words]}}
        assert json.loads(shaped(fields, None)) == fields
        told = json.loads(shaped(fields, template))
        assert told == {"id": words, "data": {words: [words]}}


@pytest.mark.parametrize("kind", ["task", "job"])
def test_a_template_is_refused_or_gives_json_and_nothing_else(kind: Any) -> None:
    fields = {"content_id": PLAIN, "custom_data": None}
    for words in HOSTILE:
        style = CallbackStyle(templates={kind: words})
        body = attempt(lambda style=style: style.check() or shaped(fields, style.templates[kind]))
        if body is not None:
            json.loads(body)
            assert "class" not in body, words


def test_a_header_is_refused_or_stays_one_line() -> None:
    for words in HOSTILE:
        for headers in ({words: "x"}, {"X-Token": words}):
            style = CallbackStyle(headers=headers)
            if attempt(lambda style=style: style.check() or style) is None:
                continue
            ((name, value),) = headers.items()
            line = f"{name}: {value}"
            assert line.isascii()
            assert len(line.splitlines()) == 1, words
            assert ":" not in name


WHOLE = [
    {
        "url": "a,b=c;d'e\"f %05d $(touch owned) [0:v] -i x.mp4",
        "output_folder": "x,output=owned;$(touch owned) %d {{7}} '[v]'",
        "content_id": "<script>'; DROP TABLE job; --\u202e$(touch owned)",
    },
    {"url": "concat:a|b.mp4"},
]


@pytest.mark.parametrize("texts", WHOLE, ids=["many", "concat"])
def test_a_job_with_such_texts_writes_nothing_outside_the_root(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: dict[str, str]
) -> None:
    sources, elsewhere = tmp_path / "sources", tmp_path / "elsewhere"
    elsewhere.mkdir()
    clips.make_plain(sources).rename(sources / texts["url"])
    monkeypatch.setenv("ADAPTATION_SOURCE_ROOT", str(sources))
    monkeypatch.setenv("ADAPTATION_OUTPUT_ROOT", str(tmp_path / "assets"))
    monkeypatch.chdir(elsewhere)
    given = {**GIVEN, "renditions": RUNGS[1:], **texts}
    before = tree(tmp_path)
    deployment = deploy()
    deployment.engine.prepare()

    definition = deployment.registry.workflow("encoding_workflow")
    job = deployment.engine.submit("encoding_workflow", definition.confine(given, ""))
    with deployment.engine.running(2, job.id):
        while not (job := deployment.store.job(job.id)).ended:
            deployment.store.positions([job.id])
    deployment.close()

    assert job.succeeded, job.error
    new = tree(tmp_path) - before
    folder = tmp_path / "assets" / str(given["output_folder"])
    assert (folder / "master.m3u8").is_file()
    assert {path for path in new if not path.startswith("assets")} == set()
    assert {path.split("/")[1] for path in new if "/" in path} == {folder.name}


def tree(folder: Path) -> set[str]:
    """The paths of all that lies in a folder."""
    return {
        os.path.relpath(Path(place, name), folder)
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }
