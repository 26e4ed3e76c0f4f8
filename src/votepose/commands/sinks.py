"""Creates the sinks for the options of `votepose predict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from votepose.commands.predict_config import PredictConfig
from votepose.errors import VoteposeError
from votepose.io.files import DRAWING_SUFFIXES, prepare_folder
from votepose.io.inputs import Input
from votepose.io.results.writer import Results
from votepose.outputs.angle_table import FOLDER as PLOTS
from votepose.outputs.angle_table import AngleTable
from votepose.outputs.joint_angles import Joints, choose_angles
from votepose.outputs.names import require_apart
from votepose.outputs.pictures import ContactSheet, Crops, DrawnPictures
from votepose.outputs.recorded import Recorded
from votepose.outputs.sink import Sink
from votepose.skeleton import Skeleton
from votepose.video.codecs import Source, choose_target
from votepose.video.drawing import DrawnVideos
from votepose.video.follow import FOLDER as CLIPS
from votepose.video.follow import FollowedPerson
from votepose.video.streams import import_av
from votepose.video.window import Window


def make_sinks(
    config: PredictConfig,
    inputs: Sequence[Input],
    results: Results,
    skeleton: Skeleton,
    note: Callable[[str], None],
) -> list[Sink]:
    """All sinks of a run. Nothing is written yet, but the folders for crops and sheets are created and checked.

    Args:
        config: a configuration that has passed `check_inputs`.
        inputs: inputs of the run.
        results: results of the run, whose sink comes first, see `Recorded`.
        skeleton: skeleton of the poses.
        note: called with each message for the user about a drawing.

    Raises:
        VoteposeError: if an option cannot be used.
    """
    video, sinks = config.video, list[Sink]([Recorded(results)])
    if video.video_codec:
        choose_target(import_av(), video.video_codec, Source())  # report a wrong one now, not after the first frame
    if not config.no_draw:
        sinks += [DrawnPictures(), DrawnVideos(video.video_codec, not video.realtime, video.part.start > 0, note)]
    if config.angles is not None:
        require_apart(inputs, config.out / PLOTS, "--out")
        sinks.append(AngleTable(config.out, _angles(config.angles, skeleton), results))
    if config.crops is not None:
        require_apart(inputs, config.crops, "--crops")
        sinks.append(Crops(config.crops))
    if config.contact_sheet is not None:
        _require_sheet(config.contact_sheet, inputs)
        sinks.append(ContactSheet(config.contact_sheet, len(inputs)))
    if video.follow is not None:
        require_apart(inputs, config.out / CLIPS, "--out")
        sinks.append(FollowedPerson(video.follow, config.out / CLIPS, not config.no_draw, video.video_codec))
    if video.show:
        sinks.append(Window())
    if config.crops is not None:
        prepare_folder(config.crops, "--crops")
    if config.contact_sheet is not None:
        prepare_folder(config.contact_sheet.parent, "--contact-sheet")
    return sinks


def _angles(text: str, skeleton: Skeleton) -> dict[str, Joints]:
    try:
        return choose_angles([name.strip() for name in text.split(",")], skeleton)
    except VoteposeError as error:
        raise VoteposeError(f"--angles {text}: {error}") from None


def _require_sheet(path: Path, inputs: Sequence[Input]) -> None:
    if path.suffix.lower() not in DRAWING_SUFFIXES:
        raise VoteposeError(f"--contact-sheet {path}: should be a file ending in {', '.join(DRAWING_SUFFIXES)}")
    if any(one.is_file and one.path.absolute() == path.absolute() for one in inputs):
        raise VoteposeError(f"--contact-sheet {path}: is one of the inputs; choose another file")
