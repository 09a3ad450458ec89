"""Figures as Markdown: medians with their range, ratios, and what was aimed at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

MEBI = 1024 * 1024


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range."""
    middle, low, high = (f"{v:.{digits}f}" for v in (median(values), min(values), max(values)))
    return f"{middle} ({low}, {high})" if len(values) > 1 else middle


def column(runs: Sequence[dict[str, Any]], name: str, unit: float = 1) -> list[float]:
    """One figure of all runs."""
    return [run[name] / unit for run in runs]


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Of the medians."""
    return median(above) / median(below)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def aim(value: float, most: float, unit: str = "") -> str:
    """A figure beside the most it should be."""
    word = "met" if value <= most else "missed"
    return f"{value:.3g}{unit} (aim: at most {most:g}{unit}, {word})"


def heading(document: dict[str, Any]) -> str:
    """What, on what, when: machine, tools and load."""
    machine, load = document["machine"], document["load"]
    cores, memory = machine["cores"], machine["memory_bytes"] / MEBI / 1024
    tools = ", ".join(f"{name} {version}" for name, version in document["tools"].items())
    return "\n".join(
        [
            f"## {document['bench']}",
            "",
            f"{machine['processor']}, {cores} cores, {memory:.0f} GiB, {machine['platform']}.",
            f"Load (1, 5, 15 minutes) before {load['before']}, after {load['after']}.",
            f"{tools}.",
        ]
    )


def encoding(document: dict[str, Any], setup: dict[str, Any]) -> str:
    """The comparison of shapes with all that belongs to it."""
    mode = "average bit rate" if document["average_bit_rate"] else "capped CRF 23"
    rungs = ", ".join(f"{r['height']}p {r['bitrate'] // 1000}k" for r in setup["rungs"])
    about = f"{setup['seconds']} s of {setup['source_height']}p, {setup['preset']}, {mode},"
    parts = [f"{about} {setup['rounds']} rounds; {rungs}. Medians (least, most).", _costs(document)]
    parts += [_minimum(document["runs"].get("minimum")), _share(document["runs"].get("ours"))]
    parts += [_quality(document, setup), _passthrough(document.get("passthrough"))]
    return "\n\n".join(part for part in parts if part)


def _costs(document: dict[str, Any]) -> str:
    runs, titles = document["runs"], document["titles"]
    first = next(iter(runs.values()))
    head = ["shape", "CPU s", "wall s", "peak RSS MiB", "served MiB", "left MiB"]
    rows = []
    for name, own in runs.items():
        row = [titles[name], spread(column(own, "cpu_seconds"))]
        row += [spread(column(own, "wall_seconds")), _mebi(own, "peak_rss_bytes", 0)]
        row += [_mebi(own, "output_bytes"), _mebi(own, "left_bytes")]
        pairs = [(column(first, figure), column(own, figure)) for figure in COMPARED]
        row += [f"{ratio(*pair):.2f}" for pair in pairs]
        if name == "minimum":
            # Its parts run one after another, and what they make is thrown away.
            row[2] = row[4] = row[5] = row[7] = "-"
        rows.append(row)
    base = titles[next(iter(runs))]
    return table([*head, f"CPU, {base} / this", "wall, same"], rows)


COMPARED = ("cpu_seconds", "wall_seconds")


def _mebi(runs: Sequence[dict[str, Any]], name: str, digits: int = 1) -> str:
    return f"{median(column(runs, name, MEBI)):.{digits}f}"


def _minimum(runs: list[dict[str, Any]] | None) -> str:
    if not runs:
        return ""
    labels = [step["label"] for step in runs[0]["steps"]]
    seconds = [
        spread([run["steps"][n]["cpu_seconds"] for run in runs], 2) for n in range(len(labels))
    ]
    return table(["part of the minimum", "CPU s"], zip(labels, seconds, strict=True))


def _share(runs: list[dict[str, Any]] | None) -> str:
    if not runs:
        return ""
    shares = [100 * (1 - run["encoder_cpu_seconds"] / run["cpu_seconds"]) for run in runs]
    return f"All but the FFmpeg encodes: {spread(shares)} % of ours; {aim(median(shares), 4, ' %')}"


def _quality(document: dict[str, Any], setup: dict[str, Any]) -> str:
    found = document.get("quality")
    if not found:
        return ""
    names = list(found)
    rows = []
    for rung in (f"{r['height']}p" for r in setup["rungs"]):
        cells = [found[name][rung] for name in names]
        words = [
            f"{c['mean']:.1f} / {c['percentile_5']:.1f}, {c['bitrate'] // 1000}" for c in cells
        ]
        rows.append([rung, *words])
    head = ["VMAF mean / 5th percentile, kbit/s", *(document["titles"][name] for name in names)]
    return f"{table(head, rows)}\n\nEvery {setup['vmaf_step']}th frame, of the last round."


def _passthrough(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    if "skipped" in found:
        return f"Passthrough: not measured, {found['skipped']}."
    runs = found["runs"]
    pairs = [(column(runs["require"], name), column(runs["never"], name)) for name in COMPARED]
    head = ["job", "CPU s", "wall s"]
    rows = [[mode, *(spread(column(own, n)) for n in COMPARED)] for mode, own in runs.items()]
    cpu, wall = (aim(ratio(*pair), found["target"]) for pair in pairs)
    return f"{table(head, rows)}\n\nPassthrough against encoding: CPU {cpu}, wall {wall}."
