"""The workflow `contact_sheet`: one JPEG with up to sixteen pictures of a video."""

from pathlib import Path

from pydantic import Field

from adaptation.workflows import extension as ours


class Parameters(ours.CommonParameters):
    """What a client may say."""

    url: str = Field(max_length=4000, description="The source: a path or an address.")
    output_folder: str | None = Field(None, description="Where sheet.jpg appears.")
    every_seconds: float = Field(10.0, gt=0, le=3600, description="Seconds between pictures.")


@ours.step("transcode")
def contact_sheet(context: ours.Context, run: ours.Run) -> ours.Context:
    """Draw the pictures, and put the sheet into its folder, whole."""
    sheet, source = run.scratch / "sheet.jpg", ours.source_path(context, run)
    look = f"fps=1/{context['every_seconds']}:round=up,scale=240:-2,tile=4x4"
    command = ["-i", f"file:{source}", "-vf", look, "-frames:v", "1", str(sheet)]
    ours.encode(command, run.resources.tools, expected_seconds=0, limits=ours.Limits(run.cancelled))
    ours.LocalStorage(Path(context.folder_out)).put_file(sheet, "sheet.jpg")
    return context


def register(registry: ours.Registry) -> None:
    """Make the workflow and its task known."""
    registry.add_tasks(contact_sheet)
    ours.add_workflow(
        registry,
        "contact_sheet",
        "One JPEG with up to sixteen pictures of a video.",
        parameters=Parameters,
        author=lambda given: ours.chain(ours.download_file.s(**given), contact_sheet.s()),
        example={"url": "https://example.org/film.mp4"},
    )
