"""Whether the emotion of the voice helps to find moments, on the streams of `composite.py`.

The same clips, networks and streams as in `learning.py`, with and without the seven columns of the
stream ``speech``. The built-in speech model has heard some of the streams' speakers in training; so
what it adds here is at most what it would add for others.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import SHARED, parser, table, use_models, work_folder
from composite import CLIPS, FOLDS, FPS, SECONDS, Stage, Stream, make_streams
from learning import HEAD, SIZES, TEACHING, clips_of, label, row, trained

from reelpulse.files import atomic_path
from reelpulse.moments.lengths import Shape
from reelpulse.settings import TrainSettings
from reelpulse.speech.model import load_speech
from reelpulse.speech.voice import load_voice
from reelpulse.streams import load_laughter
from reelpulse.timeline import Timeline

NETWORKS = ("conv1d", "lstm", "xgboost")


def with_speech(
    data: Path, part: str, seeds: Sequence[int], work: Path, streams: Sequence[Stream]
) -> list[Stream]:
    """The same streams, with the emotions of the voice; kept in the work folder."""
    model, voice = load_speech("builtin"), load_voice()
    names = tuple(f"speech_{label}" for label in model.classes)
    mark = f"{model.settings['checksum']}-{voice.name}"
    wider = []
    pairs = [(number, seed) for number in range(len(CLIPS[part])) for seed in seeds]
    for stream, (number, seed) in zip(streams, pairs, strict=True):
        kept = work / f"speech-{part}-{number}-{seed}-{mark}.npy"
        if not kept.exists():
            stage = Stage(data, part, number, seed, work)
            heard = stage.speech(np.arange(0.0, SECONDS, 1 / FPS), model, voice)
            with atomic_path(kept) as temporary, open(temporary, "wb") as file:
                np.save(file, heard)
        plain = stream.timeline
        values = np.concatenate([plain.values, np.load(kept)], axis=1)
        timeline = Timeline(plain.times, values, (*plain.columns, *names), plain.meta)
        wider.append(replace(stream, timeline=timeline))
    return wider


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--work", type=Path, help="folder that keeps what is measured")
    made.add_argument("--laughter", default="runs/laughter/fold{fold}.onnx", help="see tension.py")
    made.add_argument("--draws", type=int, default=3, help="of the clips (default: %(default)s)")
    arguments = made.parse_args()
    use_models()
    data = arguments.data or Path(os.environ.get("REELPULSE_TEST_DATA") or SHARED / "data")
    work = work_folder(arguments)
    ears = {part: load_laughter(arguments.laughter.format(fold=FOLDS[part])) for part in CLIPS}
    made_of = {"dev": TEACHING, "final": range(4)}
    plain = {
        part: make_streams(data, part, seeds, work, {"builtin": ears[part]})
        for part, seeds in made_of.items()
    }
    wide = {part: with_speech(data, part, made_of[part], work, plain[part]) for part in plain}
    voiced = np.mean([np.isfinite(s.timeline.column("speech_anger")).mean() for s in wide["final"]])
    print(f"A voice in {voiced:.0%} of the ticks.\n")
    rows = []
    for name in NETWORKS:
        for streams, what in ((plain, "without speech"), (wide, "with speech")):
            labelled = [label(stream, seed) for seed, stream in enumerate(streams["dev"])]
            clips = clips_of(labelled, Shape(), None, ears["dev"])
            settings = TrainSettings(network=name, baseline="video")
            models = trained(clips, SIZES[-1], arguments.draws, settings)
            rows.append(row(f"{name}, {what}", models, streams["final"]))
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()
