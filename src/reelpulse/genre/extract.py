"""Pairs of consecutive frames out of a film: drawn at random, read exactly, written and listed."""

from __future__ import annotations

import logging
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reelpulse.errors import DataError, MediaError, SettingsError, at
from reelpulse.files import Busy, only_one, readable
from reelpulse.genre.classes import SPLITS, TRAIN
from reelpulse.genre.frames import FrameAccess, FrameTimes, frame_times
from reelpulse.genre.listing import Row, alone, list_pairs, write_table
from reelpulse.genre.pictures import RGB, write_picture
from reelpulse.genre.ranges import Range, draw, parse_ranges
from reelpulse.media import VideoFacts, probe

log = logging.getLogger(__name__)

FORMATS = ("png", "jpg")
UNFINISHED = ".unfinished"
"""Folder of pictures of films that are not extracted to their end."""

_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_MOST_BYTES = 180
"""Of genre and film together: a file's name holds 255."""

_DIGITS = 3
_WRITERS = 2
_AHEAD = 4
"""Pictures that may wait to be written."""

OnProgress = Callable[[float, int, str], None]
"""Called with how many pairs are done, of how many, and the film's name."""


@dataclass(frozen=True)
class Extracted:
    """What was done.

    Parameters
    ----------
    folder : Path
    genre, film, split : str
    pairs : int
        Of this film, now in the folder.
    fresh : int
        How many of them were written now; none where all was there.
    failed : int
        Pairs drawn that did not decode, for which others were drawn.
    seeks : int
        In the film.
    """

    folder: Path
    genre: str
    film: str
    split: str
    pairs: int
    fresh: int
    failed: int = 0
    seeks: int = 0


@dataclass(frozen=True)
class _Job:
    """A film to extract, everything checked."""

    path: Path
    facts: VideoFacts
    folder: Path
    genre: str
    film: str
    split: str
    suffix: str
    source: str
    drawn: str

    @property
    def home(self) -> str:
        return f"{self.genre}_{self.split}"

    @property
    def staging(self) -> Path:
        return self.folder / UNFINISHED / f"{self.home}_{_file_name(self.film)}"

    def names(self, pair: int) -> tuple[str, str]:
        """File names of a pair, counted from 1."""
        stem = f"{self.genre}_{_file_name(self.film)}_"
        first, second = (
            f"{stem}{number:0{_DIGITS}d}{self.suffix}" for number in (2 * pair - 1, 2 * pair)
        )
        return first, second


def extract(
    path: str | Path,
    folder: str | Path,
    *,
    genre: str,
    film: str | None = None,
    split: str = TRAIN,
    ranges: str | None = None,
    pairs: int = 300,
    format: str = "png",
    seed: int = 0,
    force: bool = False,
    progress: OnProgress | None = None,
) -> Extracted:
    """Draw pairs of consecutive frames from a film and add them to a folder.

    First frames are drawn without replacement from the frames of odd number, counted from 1
    through the film, that lie in a range together with the next frame; so no frame is in two pairs.
    A stopped run goes on; a film that is there drawn the same way is left as it is.

    Parameters
    ----------
    path : str or Path
        The film.
    folder : str or Path
        Of frames; made where it is not there.
    genre : str
    film : str, optional
        Its name; that of the file where None.
    split : str
        ``"train"`` or ``"test"``.
    ranges : str, optional
        ``START-END,START-END``, in the film's time; the whole film where None.
    pairs : int
        How many.
    format : str
        ``"png"`` (lossless) or ``"jpg"`` (of quality 95).
    seed : int
        Of the drawing.
    force : bool
        Replace the pairs of a film of this name, once the new ones are there.
    progress : callable, optional

    Raises
    ------
    SettingsError
        When a range cannot be read, lies past the end, or the pairs do not fit.
    MediaError
        When the film cannot be read, or too little of it decodes.
    DataError
        When the folder cannot be written or has another film of this name.
    """
    folder = Path(folder)
    film = _checked_name("film", film if film is not None else Path(path).stem)
    genre = _checked_name("genre", genre)
    for name, value, known in (("split", split, SPLITS), ("format", format, FORMATS)):
        if value not in known:
            raise SettingsError(f"the {name} {value!r} is unknown: {' or '.join(known)}")
    if pairs < 1:
        raise SettingsError(f"{pairs} pairs: ask for at least 1")
    facts = probe(path)
    if not facts.video:
        raise MediaError(at(path, "has no video stream: pairs of frames need a film's picture"))
    with _of_film(path):
        asked = parse_ranges(ranges, facts.duration)
    job = _Job(
        path=Path(path),
        facts=facts,
        folder=folder,
        genre=genre,
        film=film,
        split=split,
        suffix=f".{format}",
        source=readable(f"{facts.name} {facts.fingerprint}"),
        drawn=f"{pairs} by seed {seed} from {','.join(r.text for r in asked)}",
    )
    there = _there(job)
    if there and not force:
        return _kept(job, there)
    if there:
        log.info("%s: its %d pairs are replaced", film, len(there))
    try:
        with only_one(job.staging, "extract"):
            return _extract(job, asked, pairs, seed, progress)
    except Busy:
        problem = f"another run is extracting {film}; wait for it"
        raise DataError(at(folder, problem)) from None
    finally:
        with suppress(OSError):
            job.staging.parent.rmdir()  # where nothing unfinished is left


@contextmanager
def _of_film(path: str | Path) -> Iterator[None]:
    """Name the film where its ranges are wrong: of many, it must be known which."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(at(path, str(error))) from None


def _checked_name(what: str, name: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", readable(name)).split())
    if not _file_name(name):
        raise SettingsError(f"{name!r} cannot be the name of a {what}: use letters or digits")
    if what == "genre" and (_file_name(name) != name or name.startswith(".")):
        raise SettingsError(f"the genre {name!r} cannot be the name of a folder: use letters")
    if len(name.encode("utf-8", "replace")) > _MOST_BYTES // 2:
        problem = f"the {what}'s name {name[:20]!r}… is too long for a file's name"
        raise SettingsError(f"{problem}: give a shorter one with --{what}")
    return name


def _file_name(name: str) -> str:
    """What every system takes for part of a file's name."""
    return _NOT_IN_NAMES.sub("-", name).strip(" .")


# The folder


def _there(job: _Job) -> list[Row]:
    """Rows of the table of a film of this name and genre; says where the film itself is else."""
    if not job.folder.exists():
        return []
    rows = list_pairs(job.folder).table
    for row in rows:
        other = (row["genre"], row["film"], row["split"])
        if row["source"] == job.source and other[:2] != (job.genre, job.film):
            log.warning(
                "%s: this film is there as %s/%s (%s) already: the same frames under two names",
                *(job.path, *other),
            )
            break
    mine = [row for row in rows if (row["genre"], row["film"]) == (job.genre, job.film)]
    files = {_file_name(row["film"]): row["film"] for row in rows if row["genre"] == job.genre}
    other_name = files.get(_file_name(job.film), job.film)
    if other_name != job.film:
        problem = f"{other_name!r} has the same file names as {job.film!r}: give another --film"
        raise DataError(at(job.folder, problem))
    return mine


def _kept(job: _Job, rows: Sequence[Row]) -> Extracted:
    """Leave a film as it is, where it is the one asked for; refuse where it is not."""
    row = rows[0]
    what = f"{job.genre}/{job.film}"
    if row["source"] != job.source:
        problem = (
            f"has a film {what} already, from another file ({row['source'] or 'unknown'}): give"
            " this one another --film, or --force to replace it"
        )
        raise DataError(at(job.folder, problem))
    same = row["drawn"] == job.drawn and row["split"] == job.split
    if not same or Path(row["first"]).suffix.lower() != job.suffix:
        problem = (
            f"has {what} already, drawn another way ({row['drawn']}, {row['split']},"
            f" {Path(row['first']).suffix}): --force replaces it"
        )
        raise DataError(at(job.folder, problem))
    log.info("%s: %s is there already, nothing to do", job.folder, what)
    return Extracted(job.folder, job.genre, job.film, job.split, len(rows), fresh=0)


# The film


def _extract(
    job: _Job, asked: Sequence[Range], pairs: int, seed: int, progress: OnProgress | None
) -> Extracted:
    times = frame_times(job.path, job.facts, until=asked[-1].end)
    with _of_film(job.path):
        order = draw(asked, times.seconds, pairs, seed)
    plan = job.staging / "plan.txt"
    said = "\n".join((job.source, job.drawn, job.suffix, job.genre, job.film))
    try:
        if not plan.is_file() or plan.read_text(encoding="utf-8", errors="replace") != said:
            shutil.rmtree(job.staging, ignore_errors=True)
            job.staging.mkdir(parents=True)
            plan.write_text(said, encoding="utf-8")
    except OSError as error:
        raise DataError(at(job.staging, f"cannot be written ({error.strerror})")) from None
    wanted, spare = list(order[:pairs]), list(order[pairs:])
    done, failed, fresh, seeks = dict[int, str](), 0, 0, 0
    while wanted:
        lacking = []
        for index, scene in sorted(wanted):
            if all(_staged(job, index + side).is_file() for side in (0, 1)):
                done[index] = scene
            else:
                lacking.append((index, scene))
        access = FrameAccess(job.path, job.facts, times, [(i, i + 1) for i, _ in lacking])
        lost = 0
        for (index, scene), good in zip(lacking, _written(job, access, lacking), strict=True):
            if good:
                done[index] = scene
                fresh += 1
            else:
                lost += 1
            if progress is not None:
                progress(len(done), pairs, job.film)
        failed, seeks = failed + lost, seeks + access.seeks
        wanted, spare = spare[:lost], spare[lost:]
    if len(done) < pairs:
        problem = f"only {len(done)} of {pairs} pairs decode: the film is damaged; ask for fewer"
        raise MediaError(at(job.path, f"{problem} or give other --ranges"))
    if failed:
        log.warning("%s: others were drawn for %d that do not decode", job.path, failed)
    _commit(job, done, times)
    return Extracted(
        job.folder, job.genre, job.film, job.split, len(done), fresh, failed=failed, seeks=seeks
    )


def _staged(job: _Job, index: int) -> Path:
    return job.staging / f"{index + 1}{job.suffix}"


def _written(job: _Job, access: FrameAccess, pairs: Sequence[tuple[int, str]]) -> Iterator[bool]:
    """Write the pictures of each pair while the next are decoded; whether there were any."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        waiting = list[Future[None]]()

        def write(index: int, rgb: RGB) -> None:
            waiting.append(pool.submit(write_picture, _staged(job, index), rgb))
            while len(waiting) > _AHEAD:
                waiting.pop(0).result()

        for (index, _), pictures in zip(pairs, access, strict=True):
            for side, picture in enumerate(pictures or ()):
                write(index + side, picture.rgb)
            yield pictures is not None
        for future in waiting:
            future.result()


def _commit(job: _Job, done: dict[int, str], times: FrameTimes) -> None:
    """Put the pictures in place and the film into the table; an earlier one of its name goes.

    The table never lists a picture that is not there: stopped in between, it lacks the film, and
    the next run writes anew what had moved.
    """
    rows = list[Row]()
    moves = list[tuple[Path, Path]]()
    for pair, index in enumerate(sorted(done), 1):
        names = job.names(pair)
        for side, name in enumerate(names):
            moves.append((_staged(job, index + side), job.folder / job.home / name))
        rows.append(
            {
                "genre": job.genre,
                "film": job.film,
                "split": job.split,
                "first": f"{job.home}/{names[0]}",
                "second": f"{job.home}/{names[1]}",
                "range": done[index],
                "frame": str(index + 1),
                "time_first": f"{times.seconds[index]:.6f}",
                "time_second": f"{times.seconds[index + 1]:.6f}",
                "source": job.source,
                "drawn": job.drawn,
            }
        )
    try:
        with alone(job.folder):
            listed = list_pairs(job.folder).table
            others, earlier = list[Row](), list[Row]()
            for row in listed:
                mine = (row["genre"], row["film"]) == (job.genre, job.film)
                (earlier if mine else others).append(row)
            write_table(job.folder, others)
            for row in earlier:
                for column in ("first", "second"):
                    (job.folder / row[column]).unlink(missing_ok=True)
            (job.folder / job.home).mkdir(exist_ok=True)
            for source, target in moves:
                source.replace(target)
            write_table(job.folder, [*others, *rows])
        shutil.rmtree(job.staging, ignore_errors=True)
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error}); the same command goes on"
        raise DataError(at(job.folder, problem)) from None
