"""What each way of varying pictures and sounds brings to speech emotion: an ablation.

The small network on RAVDESS, trained anew for each way: folds apart by speaker, the same
passes, rate and seed. Each line stands beside the one with nothing varied: the difference of
the UAR, with 95 % over redrawn speakers. What is done is kept in ``--work``, and a stopped run goes
on; passes of one network at this size take seconds, so there is no GPU in it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from common import SHARED, machine, parser, table, work_folder

from reelpulse.files import write_json
from reelpulse.learn.figures import ahead_by, scores_of
from reelpulse.settings import SpeechTrainSettings
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.prepare import prepare
from reelpulse.speech.train import train

WAYS: dict[str, dict[str, object]] = {
    "nothing": {"augment": ("none",), "variants": 0},
    "time mask": {"augment": ("none", "time_masks=1"), "variants": 0},
    "frequency mask": {"augment": ("none", "frequency_masks=1"), "variants": 0},
    "shift": {"augment": ("none", "shift_share=0.5"), "variants": 0},
    "erasing": {"augment": ("none", "erase_share=0.25"), "variants": 0},
    "those four": {"variants": 0},
    "those and mixup 0.2": {"augment": ("mixup=0.2",), "variants": 0},
    "those and speed": {"sound": ("noise=0", "room=0"), "variants": 4},
    "those and noise": {"sound": ("speed=0", "room=0"), "variants": 4},
    "those and room": {"sound": ("speed=0", "noise=0"), "variants": 4},
    "those, speed, noise and room": {"variants": 4},
}


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--work", type=Path, help="folder that keeps what is trained")
    made.add_argument("--corpus", default="ravdess", help="and its layout (default: %(default)s)")
    made.add_argument("--epochs", type=int, default=20, help="passes (default: %(default)s)")
    made.add_argument("--folds", type=int, default=3, help="folds (default: %(default)s)")
    made.add_argument("--way", action="append", choices=WAYS, help="only this way; again for more")
    arguments = made.parse_args()
    work = work_folder(arguments) / f"{arguments.corpus}-{arguments.folds}-{arguments.epochs}"
    data = Path(arguments.data or os.environ.get("REELPULSE_TEST_DATA") or SHARED / "data")
    speech = work / "speech"
    if not (speech / "table.csv").exists():
        prepare(data / arguments.corpus, speech, arguments.corpus)
    common = SpeechTrainSettings(
        network="small",
        every_fold=True,
        folds=arguments.folds,
        epochs=arguments.epochs,
        smoothing=0.1,
        dropout=0.3,
    )
    done = {}
    for name in ("nothing", *(way for way in arguments.way or WAYS if way != "nothing")):
        kept = work / f"{name}.json"
        if not kept.exists():
            found = train(speech, work / "way.onnx", common, **WAYS[name])
            tested = found.tested
            order = np.argsort(tested.names)
            told = {
                "labels": tested.labels[order].tolist(),
                "predicted": tested.predicted[order].tolist(),
                "speakers": tested.speakers[order].tolist(),
                "seconds": found.fitted.epoch_seconds,
            }
            write_json(kept, told)
        done[name] = json.loads(kept.read_text(encoding="utf-8"))
        print(name, flush=True)
    plain = done["nothing"]
    lines = []
    for name, told in done.items():
        labels, predicted, speakers = (
            np.asarray(told[key]) for key in ("labels", "predicted", "speakers")
        )
        score = scores_of(labels, predicted, speakers, len(EMOTIONS))["uar"]
        gain = ahead_by(
            labels, predicted, np.asarray(plain["predicted"]), speakers, len(EMOTIONS), "uar"
        )
        text = "" if told is plain else f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        lines.append((name, f"{score.value:.3f} ({score.low:.3f}–{score.high:.3f})", text))
    print(f"\nMachine: {machine()}\n")
    print(table(("varied", "UAR", "beside nothing"), lines))


if __name__ == "__main__":
    main()
