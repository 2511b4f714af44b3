"""Which face models to use: what was asked for, or the best at hand."""

from __future__ import annotations

import logging
import os
from typing import Any, Literal

from reelpulse import hub
from reelpulse.faces.detectors import Detector, dlib_model, load_detector
from reelpulse.faces.emotion import EMOTION_PREFERENCE, EmotionModel, load_emotion
from reelpulse.faces.identity import Identity, load_identity
from reelpulse.files import digest
from reelpulse.settings import AnalyzeSettings

_MOST_THREADS = 4
"""Threads for a batch of faces; decoding wants the other cores."""

Role = Literal["detector", "identity", "emotion"]

log = logging.getLogger(__name__)

ROLES: tuple[Role, ...] = ("detector", "identity", "emotion")

PREFERENCE: dict[str, tuple[str, ...]] = {
    "detector": ("yunet", "dlib"),
    "identity": ("mobilefacenet", "sface", "dlib", "none"),
    "emotion": EMOTION_PREFERENCE,
}
"""Best first, for ``auto``; the last of each needs no download."""


def choose(settings: AnalyzeSettings) -> dict[str, str]:
    """Name the model of each role, ``auto`` replaced by the best at hand.

    Returns
    -------
    dict of str to str
        ``detector``, ``identity`` and ``emotion`` to a name or a path.
    """
    return {role: _chosen(role, getattr(settings, role)) for role in ROLES}


def _chosen(role: Role, asked: str) -> str:
    if asked != "auto":
        return asked
    preference = PREFERENCE[role]
    # Those of dlib come with packages rather than from the hub.
    found = hub.best_at_hand(role, [name for name in preference if name in hub.WEIGHTS])
    if found:
        return found
    if role == "identity" and dlib_model("dlib_face_recognition_resnet_model_v1.dat"):
        return "dlib"
    return preference[-1]


def described(names: dict[str, str], settings: AnalyzeSettings) -> str:
    """One line that says what is used, and how to get better."""
    line = ", ".join(f"{role} {names[role]}" for role in ROLES)
    better = [
        best
        for role in ROLES
        if getattr(settings, role) == "auto" and names[role] != (best := PREFERENCE[role][0])
    ]
    hint = f"; better with `reelpulse models fetch {' '.join(better)}`" if better else ""
    return f"models: {line}{hint}"


def load_face_models(settings: AnalyzeSettings) -> tuple[Detector, EmotionModel, Identity | None]:
    """Load what `choose` names."""
    names = choose(settings)
    identity = None if names["identity"] == "none" else load_identity(names["identity"])
    detector = load_detector(names["detector"], settings.detect_size)
    threads = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // 2))
    emotion = load_emotion(names["emotion"], threads=threads)
    log.info("%s", described(names, settings))
    return detector, emotion, identity


def load_measured_with(stored: dict[str, Any]) -> tuple[Detector, Identity | None]:
    """Load the detector and identity model that measured a file, to look at photos the same way."""
    detector = stored["detector"]
    identity = stored["identity"]["identity"]
    return (
        load_detector(detector["detector"], int(detector["detect_size"])),
        None if identity == "none" else load_identity(identity),
    )


def still_good(settings: AnalyzeSettings, stored: dict[str, Any]) -> bool:
    """Whether faces measured before are what these settings ask for, or better.

    With ``auto``, faces measured by a better model than is at hand today are kept.
    """
    if stored.get("detector", {}).get("detect_size") != settings.detect_size:
        return False
    if "embedding" in settings.stream and not stored.get("features"):
        return False
    names = choose(settings)
    for role in ROLES:
        have = stored.get(role, {})
        name = have.get(role)
        if getattr(settings, role) == "auto":
            order = PREFERENCE[role]
            if name not in order or order.index(name) > order.index(names[role]):
                return False
        elif name != names[role]:
            return False
        path = hub.locate(name) if name in hub.WEIGHTS or name == names[role] else None
        if path is not None and have.get("checksum") not in (None, digest(path)):
            return False
    return True
