"""Four trainings on a prepared corpus of speech, each with more of what helps: a published ladder.

The published column is of acted Korean speech (AI Hub, set 259: 100 actors, seven emotions), with
ConvNeXt-Small. How its figures were averaged, how its data were split, its learning rate and its
batch size are not stated, so that the two columns stand beside each other and no more: ours are of
the corpus that is given here, macro averages, of speakers that were not trained on unless
``--split random`` is asked for.

    reelpulse speech prepare CORPUS --layout aihub -o speech/
    python recipes/speech_ladder.py speech/ -o ladder.json
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import reelpulse
from reelpulse.errors import ReelpulseError
from reelpulse.files import write_json
from reelpulse.settings import SPLITS, SpeechTrainSettings, as_dict
from reelpulse.speech.corpus import load_corpus
from reelpulse.speech.networks import SPEECH_NETWORKS
from reelpulse.speech.settings import checked
from reelpulse.speech.train import train

FIGURES = ("macro_f1", "precision", "recall")
LAST = SpeechTrainSettings()
"""The last rung is what training does by default."""

SHORT_EPOCHS = 10
"""Of the rungs before the last; of the first it is inferred, not stated."""


@dataclass(frozen=True)
class Rung:
    """A training: what it adds, how it differs from the last, and its published figures."""

    about: str
    published: tuple[float, float, float]
    changes: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0


RUNGS = (
    Rung(
        "fine-tuned, ImageNet's mean, pictures as they are",
        (0.6886, 0.6970, 0.6882),
        {
            "normalise": "imagenet",
            "picture": ("margin=none",),
            "augment": ("none",),
            "schedule": "constant",
        },
        SHORT_EPOCHS / LAST.epochs,
    ),
    Rung(
        "+ own mean, border cut, masks, shift, erasing",
        (0.8399, 0.8416, 0.8407),
        {"schedule": "constant"},
        SHORT_EPOCHS / LAST.epochs,
    ),
    Rung("+ warm-up and cosine", (0.8665, 0.8672, 0.8662), {}, SHORT_EPOCHS / LAST.epochs),
    Rung("+ twice the epochs", (0.9083, 0.9088, 0.9083)),
)


def climb(
    speech: Path, work: Path, settings: SpeechTrainSettings, logs: Path | None = None
) -> list[dict[str, Any]]:
    """Train each rung; what an earlier run finished under the same settings is taken from it.

    Parameters
    ----------
    speech : Path
        A prepared corpus.
    work : Path
        Folder of the models and figures.
    settings : SpeechTrainSettings
        Of the last rung; the others differ from it as `RUNGS` says.
    logs : Path, optional
        Folder for TensorBoard.
    """
    corpus = load_corpus(speech).fingerprint
    rows = []
    for number, rung in enumerate(RUNGS, 1):
        # A rung's own options follow those given, and so count.
        both: dict[str, Any] = {
            name: (*getattr(settings, name), *rung.changes[name])
            for name in ("picture", "augment")
            if name in rung.changes
        }
        epochs = max(1, round(settings.epochs * rung.share))
        chosen = checked(settings, {**rung.changes, **both, "epochs": epochs})
        kept = work / f"rung{number}.json"
        found = read(kept, chosen, corpus)
        if found is None:
            print(f"rung {number}: {rung.about}", file=sys.stderr, flush=True)
            trained = train(
                speech, work / f"rung{number}.onnx", chosen,
                logs=None if logs is None else logs / f"rung{number}",
            )  # fmt: skip
            found = trained.as_dict()
            write_json(kept, found)
        rows.append(
            {
                "rung": number,
                "what": rung.about,
                "published": dict(zip(FIGURES, rung.published, strict=True)),
                "ours": {name: found["test"]["scores"][name] for name in FIGURES},
                "seconds": found["seconds"],
                "epochs": found["epochs"],
                "settings": found["settings"],
                "data": found["data"],
            }
        )
    return rows


def read(path: Path, settings: SpeechTrainSettings, corpus: str) -> dict[str, Any] | None:
    """Figures of a rung that an earlier run finished with the same settings and corpus."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = found["settings"] == as_dict(settings) and found["data"]["fingerprint"] == corpus
        return found if same and found["reelpulse"] == reelpulse.__version__ else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def table(rows: list[dict[str, Any]], settings: SpeechTrainSettings) -> str:
    """Lay the two columns side by side: F1, precision, recall."""
    parts = rows[0]["data"]["parts"]
    lines = [
        f"{settings.network}, split by {settings.split}: {parts['train']['clips']} clips trained"
        f" on, {parts['test']['clips']} of {parts['test']['speakers']} speakers tested",
        "",
        "| rung | what | published: F1, precision, recall | ours: F1 (95 %), precision, recall |",
        "|---|---|---|---|",
    ]
    for row in rows:
        published = ", ".join(f"{row['published'][name]:.4f}" for name in FIGURES)
        (f1, low, high), *others = (row["ours"][name] for name in FIGURES)
        interval = "" if low is None else f" ({low:.3f} to {high:.3f})"
        ours = ", ".join([f"{f1:.4f}{interval}", *(f"{value:.4f}" for value, *_ in others)])
        lines.append(f"| {row['rung']} | {row['what']} | {published} | {ours} |")
    lines += [
        "",
        "The published corpus, split, averaging, learning rate and batch size differ or are not"
        " known.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the four rungs and print them beside the published ones."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("speech", type=Path, help="a folder that `reelpulse speech prepare` made")
    parser.add_argument("-o", "--output", type=Path, help="JSON of all figures")
    parser.add_argument("--work", type=Path, help="folder of models and figures, to go on from")
    parser.add_argument("--logs", type=Path, help="folder for TensorBoard")
    parser.add_argument("--network", default=LAST.network, choices=list(SPEECH_NETWORKS))
    parser.add_argument("--split", default=LAST.split, choices=SPLITS)
    parser.add_argument("--epochs", type=int, default=LAST.epochs, help="of the last rung")
    for name in ("folds", "fold", "batch", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(LAST, name))
    parser.add_argument("--picture", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args(arguments)
    names = ("network", "split", "epochs", "folds", "fold", "batch", "seed")
    given = {name: getattr(options, name) for name in names}
    try:
        settings = checked(LAST, {**given, "picture": tuple(options.picture)})
        work = options.work or options.speech / "ladder"
        rows = climb(options.speech, work, settings, options.logs)
        if options.output is not None:
            write_json(options.output, {"rungs": rows})
    except ReelpulseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(rows, settings))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
