"""From a corpus to one flat folder: sound at 16 kHz, and a table of who says what and how."""

from __future__ import annotations

import csv
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reelpulse.errors import DataError, SettingsError, at
from reelpulse.files import Busy, atomic_path, only_one, readable, write_json
from reelpulse.learn.workers import spread
from reelpulse.speech.corpus import COLUMNS, JOURNAL, REPORT, SUFFIX, TABLE, class_counts
from reelpulse.speech.extract import Done, Job, PrepareSettings, extract, jobs, stamp
from reelpulse.speech.layouts import find_recordings

log = logging.getLogger(__name__)

OnProgress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

_TABLE_SECONDS = 20.0
"""How often the table is written while work goes on."""

_CLIPPED = 0.001
"""A recording with a larger share of samples at full scale is named."""

_MOST_NAMED = 10


@dataclass(frozen=True)
class Prepared:
    """What became of a corpus.

    Parameters
    ----------
    folder : Path
    counts : dict of str to int
        Recordings by class.
    speakers : int
    seconds : float
        Of sound.
    fresh : int
        Recordings done now, not in an earlier run.
    problems : tuple of str
        A line for each recording that could not be taken.
    notes : tuple of str
        What else stands out.
    """

    folder: Path
    counts: dict[str, int]
    speakers: int
    seconds: float
    fresh: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return sum(self.counts.values())


@dataclass
class _Work:
    """All that is known of a run while it goes on."""

    folder: Path
    jobs: dict[str, Job]
    done: dict[str, Done] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def prepare(
    corpus: str | Path,
    out: str | Path,
    layout: str = "aihub",
    *,
    settings: PrepareSettings | None = None,
    progress: OnProgress | None = None,
    workers: int | None = None,
) -> Prepared:
    """Take the sound out of a corpus' recordings, and list them in a table.

    A recording that was done before, from the same file, is not done again. What cannot be used is
    a problem in a line, and the others go on. A script that calls this needs the usual
    ``if __name__ == "__main__":``, because other processes help.

    Parameters
    ----------
    corpus : str or Path
        The folder; for the layout ``csv`` the table.
    out : str or Path
        Where ``<speaker>_<number>.flac``, ``table.csv`` and ``prepare.json`` go.
    layout : str
        Key of `reelpulse.speech.layouts.LAYOUTS`.
    settings : PrepareSettings, optional
    progress : callable, optional
    workers : int, optional
        Processes; as many as this one may use cores without it.

    Returns
    -------
    Prepared

    Raises
    ------
    SettingsError
        On an unknown layout, or fewer than one process.
    DataError
        When the corpus is not there or holds nothing of this layout, or the folder cannot be
        written, is another corpus', or is being written by another run.
    """
    if workers is not None and workers < 1:
        raise SettingsError(f"workers={workers} must be 1 or more")
    corpus, out, settings = Path(corpus), Path(out), settings or PrepareSettings()
    found = find_recordings(corpus, layout)
    root = corpus.parent if corpus.is_file() else corpus
    if out.exists() and not out.is_dir():
        raise DataError(at(out, "is a file; give a folder with -o"))
    if out.exists() and out.samefile(root):
        raise DataError(at(out, "is the corpus itself; give another folder with -o"))
    about = {
        "layout": layout,
        "corpus": readable(str(corpus.resolve())),
        "settings": asdict(settings),
    }
    work = _Work(out, {job.name: job for job in jobs(found.recordings, root, out, settings)})
    with _alone(out):
        before = _read_journal(out, about)
        _take_over(work, before)
        old = len(work.done)
        with suppress(OSError):  # until it is written again, the folder is not whole
            (out / REPORT).unlink()
        _extract_all(work, about, progress, workers)
        kept, twins, conflicts = _without_twins(work)
        _write_table(work, kept)
        _remove(out, {done.name for done in before}.union(work.done).difference(kept))
        recordings = [work.jobs[name].recording for name in kept]
        result = Prepared(
            folder=out,
            counts=class_counts(recording.label for recording in recordings),
            speakers=len({recording.speaker for recording in recordings}),
            seconds=sum(float(work.done[name].measured["duration"]) for name in kept),
            fresh=len(work.done) - old,
            problems=(*found.problems, *(work.failed[n] for n in sorted(work.failed)), *conflicts),
            # Gaps come last: nearly every speaker of a large corpus has some.
            notes=(*found.notes, *_notes(work, kept), *twins, *found.gaps),
        )
        summary = {"clips": result.counts, "problems": result.problems, "notes": result.notes}
        write_json(out / REPORT, {**about, **summary})
    return result


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    try:
        with only_one(out / TABLE, out.name):
            yield
    except Busy:
        problem = "another run is at it: wait until that has ended, or give another -o"
        raise DataError(at(out, problem)) from None


def _read_journal(out: Path, about: dict[str, Any]) -> list[Done]:
    """What earlier runs have done here, with the same settings.

    Raises
    ------
    DataError
        When they were at another corpus.
    """
    try:
        lines = (out / JOURNAL).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(at(out / JOURNAL, f"cannot be read ({error}); give another -o")) from None
    entries = []
    for line in lines:
        with suppress(ValueError):  # the last line of a run that was killed
            entries.append(json.loads(line))
    if not entries:
        return []
    head, *rest = entries
    try:
        for key in ("corpus", "layout"):
            if head[key] != about[key]:
                problem = f"holds sound of another {key}, {head[key]}; give another -o"
                raise DataError(at(out, problem))
        if head != about:
            log.info("%s: the settings have changed, all is done anew", out)
            rest = [{**entry, "stamp": (0, 0)} for entry in rest]
        return [Done(**{**entry, "stamp": tuple(entry["stamp"])}) for entry in rest]
    except (KeyError, TypeError):
        raise DataError(at(out / JOURNAL, "is not what was left here; give another -o")) from None


def _take_over(work: _Work, before: Iterable[Done]) -> None:
    """Keep what was done before, where the file it is from and its sound are still there."""
    for done in before:
        job = work.jobs.get(done.name)
        if job and job.source == done.source and stamp(job.recording.path) == done.stamp:
            work.done[done.name] = done
    # What is left out for its twin has no sound of its own, unless the twin has lost it.
    while lost := [n for n in _without_twins(work)[0] if not work.jobs[n].path.is_file()]:
        for name in lost:
            del work.done[name]


def _remove(out: Path, names: Iterable[str]) -> None:
    """Remove sound that an earlier run or this one wrote, and that is not in the table."""
    for name in names:
        with suppress(OSError):
            (out / f"{name}{SUFFIX}").unlink()


def _extract_all(
    work: _Work, about: dict[str, Any], progress: OnProgress | None, workers: int | None
) -> None:
    """Do what is not done, noting each in the journal; the table is there however it ends."""
    if work.done:
        log.info("%d of %d are done already", len(work.done), len(work.jobs))
    journal = work.folder / JOURNAL
    with atomic_path(journal) as temporary:
        lines = [about, *(asdict(done) for done in work.done.values())]
        temporary.write_text("".join(map(_line, lines)), encoding="utf-8")
    try:
        with journal.open("a", encoding="utf-8") as file:
            for done in _outcomes(work, progress, workers):
                file.write(_line(asdict(done)))
                file.flush()
    except OSError as error:
        raise DataError(at(journal, f"cannot be written ({error.strerror})")) from None
    except BaseException:
        with suppress(DataError):
            _write_table(work, work.done)
        raise


def _outcomes(work: _Work, progress: OnProgress | None, workers: int | None) -> Iterator[Done]:
    """What is newly done, as it is done."""
    written = time.monotonic()
    todo = [job for name, job in work.jobs.items() if name not in work.done]
    for job, outcome in spread(extract, todo, workers):
        if isinstance(outcome, Done):
            work.done[job.name] = outcome
            yield outcome
        else:
            crashed = at(job.recording.path, "ended the process that decoded it: it is damaged")
            work.failed[job.name] = outcome or crashed
        if progress:
            progress(len(work.done) + len(work.failed), len(work.jobs))
        if time.monotonic() - written > _TABLE_SECONDS:
            _write_table(work, work.done)
            written = time.monotonic()


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _without_twins(work: _Work) -> tuple[list[str], list[str], list[str]]:
    """Names without those of the same sound; a note for each twin, a problem where labels differ.

    Of sound with two labels nothing is kept: nobody can tell which is right.
    """
    same: dict[str | float, list[str]] = defaultdict(list)
    for name in work.jobs:
        if name in work.done:
            same[work.done[name].measured["checksum"]].append(name)
    dropped, notes, problems = set[str](), [], []
    for names in same.values():
        recordings = [work.jobs[name].recording for name in names]
        labels = sorted({recording.label for recording in recordings})
        if len(labels) > 1:
            dropped.update(names)
            shown = ", ".join(str(recording.path) for recording in recordings)
            problems.append(f"{shown}: one sound with the labels {' and '.join(labels)}: left out")
            continue
        dropped.update(names[1:])
        notes += [
            at(twin.path, f"is the same sound as {recordings[0].path}: left out")
            for twin in recordings[1:]
        ]
    kept = [name for name in work.jobs if name in work.done and name not in dropped]
    return kept, notes, problems


def _notes(work: _Work, kept: Sequence[str]) -> Iterator[str]:
    """What stands out among the recordings taken."""
    clipped = [name for name in kept if float(work.done[name].measured["clipped"]) > _CLIPPED]
    if clipped:
        more = f" and {len(clipped) - _MOST_NAMED} more" if len(clipped) > _MOST_NAMED else ""
        yield f"clipped (over 0.1 % at full scale): {', '.join(clipped[:_MOST_NAMED])}{more}"
    counts = class_counts(work.jobs[name].recording.label for name in kept)
    empty = [label for label, count in counts.items() if not count]
    if empty:
        yield f"no recording of: {', '.join(empty)}"
    for name in kept:
        path, damaged = work.jobs[name].recording.path, work.done[name].damaged
        if name != work.jobs[name].wanted:
            yield at(path, f"its name was taken: its sound is {name}{SUFFIX}")
        if damaged:
            yield at(path, f"{damaged} packets of its sound do not decode: listen to it")


def _write_table(work: _Work, names: Iterable[str]) -> None:
    wanted = set(names)
    with (
        atomic_path(work.folder / TABLE) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for name, job in work.jobs.items():
            if name in wanted:
                writer.writerow(
                    {
                        "name": name,
                        "speaker": job.recording.speaker,
                        "sentence": job.recording.sentence,
                        "label": job.recording.label,
                        "source": job.source,
                        **work.done[name].measured,
                    }
                )
