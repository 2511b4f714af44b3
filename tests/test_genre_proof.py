"""What no single frame shows: networks of pairs learn it, networks of single frames cannot.

`recipes/genre_proof.py` runs every network on both kinds of films; here are those that a small
machine trains in seconds.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from reelpulse.genre.networks import GENRE_NETWORKS

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def proof() -> ModuleType:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "recipes")
        return importlib.import_module("genre_proof")


@pytest.fixture(scope="module")
def folders(proof: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {kind: proof.write_frames(kind, folder / kind, proof.Plan()) for kind in proof.STEPS}


SHORT = {"fc": 3, "motion_magnitude": 2, "flow_pair": 4}
"""Passes of networks that need few films: those that see pixels alone need many textures."""


def test_every_network_is_in_the_proof(proof: ModuleType) -> None:
    assert set(proof.NETWORKS) == set(GENRE_NETWORKS)
    for name, how in proof.NETWORKS.items():
        assert how.single == GENRE_NETWORKS[name].spec.single


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["amount", "direction"])
@pytest.mark.parametrize("network", SHORT)
def test_it_learns_what_it_sees_and_no_more(
    proof: ModuleType, folders: dict[str, Path], kind: str, network: str
) -> None:
    how = replace(proof.NETWORKS[network], epochs=SHORT[network])
    trial = proof.prove(folders[kind], kind, network, how)
    blind = network == "fc" or (kind, network) == ("direction", "motion_magnitude")
    assert trial.expected == ("chance" if blind else "learnt")
    assert trial.holds, trial


@pytest.mark.skipif("REELPULSE_LONG" not in os.environ, reason="minutes: set REELPULSE_LONG=1")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("network", ["six_channel", "flownet_fc", "double_stack"])
def test_many_films_teach_the_others_the_direction(
    proof: ModuleType, tmp_path: Path, network: str
) -> None:
    frames = proof.write_frames("direction", tmp_path / "frames", proof.PLAN)
    trial = proof.prove(frames, "direction", network)
    assert trial.accuracy > proof.LEARNT, trial


def test_the_table_says_what_did_not_come_out(proof: ModuleType) -> None:
    trials = [
        proof.Trial("amount", "flow_pair", 0.7, 192, 6, 9.0),
        proof.Trial("direction", "motion_magnitude", 0.5, 192, 3, 9.0),
    ]
    assert not trials[0].holds
    first, second = proof.table(trials).split("\n")[2:]
    assert first.endswith("learnt: NOT SO |")
    assert second.endswith("chance |")
