"""Every default, once: the groups of settings.

Each group is a frozen dataclass. The command line takes its options and help texts from the fields'
metadata, the TOML file (``--config``) its keys, and the library its keyword arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelpulse.settings.field import BITS, setting
from reelpulse.settings.genre import GenreTrainSettings


@dataclass(frozen=True)
class AnalyzeSettings:
    """How a video is measured and whom to follow.

    The fields in `RESOLVE_ONLY` do not change what is measured, only what is made of it.
    """

    fps: float = setting(2.0, "Ticks a second, for long videos.")
    ticks: int | None = setting(
        None,
        "Spread this many ticks evenly over the clip or range instead (15 for a labelled clip).",
    )
    range: str | None = setting(
        None, "Measure only this part: START-END, as seconds or [h:]m:s.", metavar="START-END"
    )
    stream: tuple[str, ...] = setting(
        ("face", "loudness", "laughter"),
        "A measurement to make besides these (embedding, speech, motion), or one of these alone"
        " (--stream loudness); give it again for more.",
    )
    detector: str = setting("auto", "Face detector: auto, yunet, dlib or mtcnn.")
    identity: str = setting(
        "auto", "Who is who: auto, mobilefacenet, sface, dlib, none, or an ONNX file."
    )
    emotion: str = setting(
        "auto", "Face emotion: auto, enet_b0_8_va_mtl, builtin, or an ONNX file of that shape."
    )
    laughter: str = setting("auto", "Laughter: auto, yamnet, builtin, or an ONNX file.")
    speech: str = setting(
        "auto",
        "Emotion of voices, with --stream speech: auto, builtin, or an ONNX file that speech train"
        " wrote.",
    )
    detect_size: int = setting(640, "Longer side, in pixels, of the picture searched for faces.")
    person: tuple[str, ...] = setting(
        (), "Photo of the person to follow; give it again for more photos.", metavar="PHOTO"
    )
    region: str | None = setting(
        None,
        "Follow a face inside this part of the picture: x,y,w,h in pixels, or in shares of 1.",
        metavar="X,Y,W,H",
    )
    audio_track: int = setting(0, "Which sound track to hear, counted from 0.")
    forget_faces: bool = setting(False, "Leave face embeddings (biometric data) out of the file.")


RESOLVE_ONLY = frozenset({"person", "region", "forget_faces"})


@dataclass(frozen=True)
class MomentSettings:
    """How moments are taken from a score a tick."""

    top: int | None = setting(
        None, "At most this many moments. [default: 10; with a model, what --per-hour gives]"
    )
    min_score: float | None = setting(
        None,
        "Leave out moments whose peak scores less (0 to 1). [default: 0.1; with a model, none]",
    )
    per_hour: float = setting(
        12.0, "With a model: its threshold is set so that this many moments an hour are found."
    )
    precision: float | None = setting(
        None,
        "With a model that was tried on labelled videos: take the threshold at which this share of"
        " its moments was right, instead of --per-hour.",
    )
    shortest: float = setting(5.0, "Shortest scored span, in seconds.")
    longest: float = setting(7.0, "Longest scored span, in seconds.")
    pre_roll: float = setting(
        4.0, "Seconds of the clip before the scored span: the joke precedes the laugh."
    )
    post_roll: float = setting(1.0, "Seconds of the clip after the scored span.")
    weight: tuple[str, ...] = setting(
        (),
        "Change a part of tension: loudness, laughter, arousal, valence, expression or together;"
        " again for more.",
        metavar="PART=NUMBER",
    )


LANGUAGES = ("en", "ko")
PROXIES = ("auto", "always", "never")


@dataclass(frozen=True)
class ReportSettings:
    """How a file for people is written."""

    lang: str | None = setting(
        None, "Language of the report. [default: the locale's]", metavar="|".join(LANGUAGES)
    )
    proxies: str = setting(
        "auto",
        "Small clips of the moments inside the report; auto: where a browser cannot play the video,"
        " or it lies far from the page.",
        metavar="|".join(PROXIES),
    )


TASKS = ("auto", "binary", "levels", "score")
SAMPLES = ("timeline", "clip")
SHORT = ("pad", "repeat")


@dataclass(frozen=True)
class ClipSettings:
    """How labelled clips become a dataset."""

    task: str = setting(
        "auto",
        "What the labels are: binary (funny, ordinary), levels (funny, ordinary, boring) or a score"
        " from 0 to 10; auto reads it from them.",
        metavar="|".join(TASKS),
    )
    length: str = setting(
        "even",
        "How a clip of any length becomes steps: even (spread over the clip), linear (ticks at"
        " --rate, brought to even steps), pad, pad-front (ticks at --rate, zeros after or before"
        " them), cut-head, cut-tail, cut-both (5 s of ticks, the rest cut from that end).",
    )
    steps: int | None = setting(
        None, "Steps of a clip. [default: 15; 14 where clips are padded, 10 where they are cut]"
    )
    rate: float = setting(2.0, "Ticks a second, of videos analysed for ranges, and of lengths.")
    short: str = setting(
        "pad",
        "A clip shorter than what clips are cut to: padded with zeros, or repeated.",
        metavar="|".join(SHORT),
    )
    sample: str = setting(
        "timeline",
        "A range of a long video: taken from the whole video's timeline, or measured by itself as"
        " a short clip is.",
        metavar="|".join(SAMPLES),
    )
    max_gap: float = setting(5.0, "Bridge what was not measured for up to this many seconds.")
    most_missing: float = setting(
        0.3, "Leave out a clip of which this share or more was not measured (0 to 1)."
    )
    column: tuple[str, ...] = setting(
        (),
        "Keep only this column, or group of columns (face, sound, emotions, ...); again for more.",
    )
    embeddings: bool = setting(
        False, "Keep the mean and spread of the face embeddings of each clip too."
    )


TIMES = ("none", "delta", "encoding")
MISSING = ("fill", "drop")
BASELINES = ("auto", "none", "video")


@dataclass(frozen=True)
class TrainSettings:
    """How a classifier of moments is trained."""

    network: str = setting(
        "conv1d",
        "conv1d, lstm, gru, conv1d_lstm, mlp, xgboost, random_forest or svm.",
    )
    inputs: tuple[str, ...] = setting(
        (), "Use only this column, or group of columns (face, sound, ...); again for more."
    )
    where: tuple[str, ...] = setting(
        (),
        "Use only clips with this fact, such as person=Kim or duration<=7; again for more.",
        metavar="FACT=VALUE",
    )
    baseline: str = setting(
        "auto",
        "Take values as they are, or less what is usual for the person in that video; auto: where"
        " every clip knows that.",
        metavar="|".join(BASELINES),
    )
    time: str = setting(
        "none",
        "Give networks the time too: seconds since the step before, or its sine and cosine.",
        metavar="|".join(TIMES),
    )
    missing: str = setting(
        "fill",
        "Steps that were not measured: bridged, or left out so that the time shows the gap.",
        metavar="|".join(MISSING),
    )
    param: tuple[str, ...] = setting(
        (),
        "A number of the network itself, such as dropout=0.3 or depth=4; again for more.",
        metavar="NAME=NUMBER",
    )
    embeddings: bool = setting(
        False, "Give xgboost, random_forest and svm the clips' face embeddings too."
    )
    pca: int = setting(0, "Reduce what those three see to this many principal components; 0: no.")
    epochs: int = setting(120, "At most this many passes over the clips.")
    patience: int = setting(20, "Stop when this many passes bring nothing better.")
    batch: int = setting(32, "Clips a step of training.")
    rate: float = setting(3e-3, "Learning rate.")
    decay: float = setting(1e-2, "Weight decay.")
    mixup: float = setting(0.2, "Blend pairs of clips, by this alpha of the beta distribution.")
    jitter: float = setting(0.1, "Noise added to the normalised values, as a standard deviation.")
    balance: bool = setting(True, "Let each class weigh the same, however many clips it has.")
    folds: int = setting(5, "Folds of the cross-validation, apart by video and person.")
    seed: int = setting(0, "Of every random draw.")


SPLITS = ("speaker", "speaker_sentence", "leave_one_speaker_out", "random")
SCHEDULES = ("cosine", "constant")
OPTIMISERS = ("adamw", "sgd")
NORMALISATIONS = ("corpus", "imagenet")


@dataclass(frozen=True)
class SpeechTrainSettings:
    """How a network is trained on a prepared corpus.

    The defaults are those of the best published figures on acted Korean speech, as far as they are
    known; but for the split, which is by speaker.
    """

    network: str = setting(
        "convnext_small",
        "Network: resnet18, convnext_tiny, convnext_small, convnext_base, convnext_large,"
        " vit_base_patch16_224, efficientnet_b0 or small.",
    )
    pretrained: bool = setting(
        True, "Begin with weights that were trained on ImageNet, where they can be had."
    )
    split: str = setting(
        "speaker",
        "What training and test do not share: speaker, speaker_sentence, leave_one_speaker_out (as"
        " many folds as speakers), or random, which flatters: speakers and sentences are in both.",
        metavar="|".join(SPLITS),
    )
    folds: int = setting(5, "Into so many parts the corpus is dealt; one is tested on.")
    fold: int = setting(0, "Which of them, counted from 0.")
    every_fold: bool = setting(False, "Test on every fold in turn, with a fit for each.")
    epochs: int = setting(20, "Passes over the training clips.")
    patience: int | None = setting(
        None, "Stop when so many passes bring nothing better. [default: never]"
    )
    batch: int = setting(32, "Clips at once.")
    accumulate: int = setting(
        1, "Batches that one step is made of: as a larger batch, where memory is small."
    )
    optimiser: str = setting("adamw", "How weights are changed.", metavar="|".join(OPTIMISERS))
    rate: float | None = setting(
        None, "The highest learning rate. [default: 0.0001; of small, 0.002]"
    )
    decay: float = setting(0.05, "Weight decay.")
    schedule: str = setting(
        "cosine",
        "The rate: cosine rises from a hundredth and falls to it again.",
        metavar="|".join(SCHEDULES),
    )
    warmup: float = setting(0.1, "Share of all steps in which the rate of cosine rises.")
    smoothing: float = setting(0.0, "Label smoothing: how much of each label is all classes'.")
    balance: bool = setting(False, "Let each class weigh the same, however many clips it has.")
    dropout: float = setting(0.0, "Share of what the last layer is given that is left out.")
    bits: str = setting(
        "auto",
        "Of what is computed: mixed precision on a GPU, or where it is asked for.",
        metavar="|".join(BITS),
    )
    devices: int = setting(1, "GPUs to train on.")
    threads: int | None = setting(
        None, "Threads on a CPU. [default: as many as there are cores; of small, 1]"
    )
    normalise: str = setting(
        "corpus",
        "By the mean and deviation of the pictures trained on, or ImageNet's.",
        metavar="|".join(NORMALISATIONS),
    )
    picture: tuple[str, ...] = setting(
        (),
        "Draw the pictures otherwise: size=224, seconds=3 or none (stretched), margin=2 or none"
        " (the border stays), trim_db=30 or none, floor_db=-80; again for more.",
        metavar="NAME=VALUE",
    )
    augment: tuple[str, ...] = setting(
        (),
        "Vary the pictures otherwise, such as time_mask=0.2 or mixup=0.2, or none, not at all;"
        " again for more.",
        metavar="NAME=NUMBER|none",
    )
    variants: int | None = setting(
        None,
        "Draw each clip so many more times with its sound changed (faster or slower, with noise, in"
        " a room), and train on one of them as it falls. [default: 0; of small, 4]",
    )
    sound: tuple[str, ...] = setting(
        (),
        "Change those sounds otherwise: speed=0.1, noise=0.5, quietest_noise=35, loudest_noise=10,"
        " room=0.5, longest_room=0.6; again for more.",
        metavar="NAME=NUMBER",
    )
    seed: int = setting(0, "Of everything that is drawn.")


Settings = (
    AnalyzeSettings
    | MomentSettings
    | ReportSettings
    | ClipSettings
    | TrainSettings
    | SpeechTrainSettings
    | GenreTrainSettings
)

WEIGHTS = {
    "loudness": 0.15,
    "laughter": 0.15,
    "arousal": 0.06,
    "valence": 0.12,
    "expression": 0.12,
    "together": 0.4,
}
"""Share of each part of tension in a score of 1; ``together`` is sound and face at once."""
