"""What networks of genres are given, what they give, and how they were published."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genre_models import textured
from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.genre.motion import FlowSpec, flow, magnitude
from reelpulse.genre.networks import GENRE_NETWORKS, PairSpec, prepare_pair
from reelpulse.genre.presets import PRESETS
from reelpulse.genre.settings import plan
from reelpulse.genre.spec import drawn_pair, normalised
from reelpulse.settings import GenreTrainSettings

BOTH = PairSpec(
    (16, 24), 2, flow=True, magnitude=True, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 1.0),
    magnitude_mean=0.01, magnitude_std=0.005,
)  # fmt: skip

every_network = pytest.mark.parametrize("name", GENRE_NETWORKS)


def small(name: str) -> PairSpec:
    """What a network is given, as small as it takes it."""
    least = GENRE_NETWORKS[name].least
    return replace(GENRE_NETWORKS[name].spec, size=(max(least, 24), max(least, 32)))


# What they are given


def test_frames_are_normalised_one_behind_the_other() -> None:
    first = np.full((40, 60, 3), (255, 0, 51), np.uint8)
    second = np.full((40, 60, 3), (0, 51, 255), np.uint8)
    found = prepare_pair(first, second, BOTH)
    assert list(found) == ["frames", "flow", "magnitude"]
    assert {name: (v.dtype, v.shape) for name, v in found.items()} == {
        name: (np.dtype(np.float32), shape) for name, shape in BOTH.shapes().items()
    }
    expected = [0.9 / 0.5, -0.2 / 0.25, (0.2 - 0.3) / 1, -0.1 / 0.5, 0, 0.7]
    np.testing.assert_allclose(found["frames"].mean((1, 2)), expected, atol=1e-6)
    one = prepare_pair(first, None, PairSpec((16, 24)))
    assert list(one) == ["frames"]
    assert one["frames"].shape == (3, 16, 24)


def test_flow_is_given_in_shares_of_the_picture_and_the_magnitude_normalised() -> None:
    first, second = textured(0), textured(8)
    found = prepare_pair(first, second, BOTH)
    middle = found["flow"][:, 4:-4, 4:-4]
    assert middle[0].mean() == pytest.approx(8 / 320, rel=0.15)
    assert abs(middle[1].mean()) < 0.003
    expected = (magnitude(flow(first, second)) - 0.01) / 0.005
    assert found["magnitude"][0] == pytest.approx(expected, rel=1e-5)


def test_what_lies_on_disk_is_turned_into_the_same_by_numpy_and_torch() -> None:
    torch = pytest.importorskip("torch")
    first, second = textured(0), textured(5)
    drawn = {name: v[None] for name, v in drawn_pair(first, second, BOTH).items()}
    assert [v.dtype for v in drawn.values()] == [np.uint8, np.float16, np.float32]
    tensors = normalised({name: torch.from_numpy(v) for name, v in drawn.items()}, BOTH)
    for name, value in prepare_pair(first, second, BOTH).items():
        np.testing.assert_allclose(tensors[name].numpy()[0], value, atol=1e-5)


def test_a_lone_picture_and_two_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="needs two pictures"):
        prepare_pair(textured(), None, BOTH)
    with pytest.raises(DataError, match="one size, not of 320x240 and 64x48"):
        prepare_pair(textured(), textured(size=(64, 48)), BOTH)


def test_a_spec_comes_back_from_a_file() -> None:
    spec = replace(BOTH, flow_spec=FlowSpec("farneback", 128))
    assert PairSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    for name, value in [("size", [0, 8]), ("frames", 3), ("std", [0, 1, 1]), ("mean", [1])]:
        with pytest.raises(ModelError, match="does not say what its network is given"):
            PairSpec.from_dict({**spec.as_dict(), name: value})


def test_still_pairs_have_a_deviation_to_divide_by() -> None:
    spec = PairSpec(magnitude=True).with_magnitudes([0.0, 0.0])
    assert spec.magnitude_std > 0
    assert PairSpec().with_magnitudes([1, 3]).magnitude_mean == 2


# What they give


@every_network
def test_a_network_gives_a_number_a_class_and_learns(name: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    spec = small(name)
    network = GENRE_NETWORKS[name].build(spec, 5, False)
    given = {key: torch.randn(2, *shape) for key, shape in spec.shapes().items()}
    logits = network.train()(*given.values())
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_one_frame_is_taken_as_both_by_flownet() -> None:
    torch = pytest.importorskip("torch")
    network = GENRE_NETWORKS["flownet_fc"].build(small("flownet_fc"), 3, False).eval()
    one = torch.randn(2, 3, 24, 32)
    both = network(torch.cat([one, one], 1))
    assert torch.equal(network(one), both)
    chosen = plan(GenreTrainSettings(), {"network": "flownet_fc", "one_frame": True})
    assert chosen.spec.single
    with pytest.raises(SettingsError, match="is for flownet_fc"):
        plan(GenreTrainSettings(), {"network": "six_channel", "one_frame": True})


def kept_weights(name: str, folder: Path) -> dict[str, object]:
    """Write weights where pretrained ones are looked for."""
    import timm
    from safetensors.torch import save_file

    facts = timm.get_pretrained_cfg(name)
    state = timm.create_model(name).state_dict()
    save_file(state, folder / f"{facts.architecture}.{facts.tag}.safetensors")
    return dict(state)


def test_six_channels_begin_with_the_filters_of_three_repeated_and_halved(
    models_folder: Path,
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    filters = kept_weights("inception_v3", models_folder)["Conv2d_1a_3x3.conv.weight"]
    network = GENRE_NETWORKS["six_channel"].build(small("six_channel"), 3, True)
    found = network.state_dict()["Conv2d_1a_3x3.conv.weight"]
    assert torch.allclose(found, torch.cat([filters, filters], 1) / 2)


def test_our_own_leaves_pretrained_weights_as_they_are(models_folder: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    kept_weights("mobilenetv4_conv_small", models_folder)
    spec = small("flow_pair")
    network = GENRE_NETWORKS["flow_pair"].build(spec, 3, True).train()
    before = {key: value.clone() for key, value in network.image.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    given = {key: torch.randn(2, *shape) for key, shape in spec.shapes().items()}
    network(*given.values()).square().sum().backward()
    optimiser.step()
    after = network.image.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


# How they are trained


def test_presets_are_the_published_rows() -> None:
    published = {
        "fc": (50, 36.7, "68x120"),
        "vgg16": (100, 44.1, "224x224"),
        "resnet50": (30, 48.4, "224x224"),
        "flownet_fc": (60, 51.8, "224x224"),
        "inception_v3": (20, 59.2, "224x224"),
        "six_channel": (20, 53.8, "299x299"),
        "double_stack": (50, 52.7, "299x299"),
        "motion_magnitude": (50, 55.2, "299x299"),
    }
    for name, (epochs, right, size) in published.items():
        preset = PRESETS[name]
        assert (preset.network, preset.epochs, preset.published, preset.size) == (
            name, epochs, right, size
        )  # fmt: skip
    for name in ("inception_v3", "six_channel", "double_stack", "motion_magnitude"):
        preset = PRESETS[name]
        assert (preset.optimiser, preset.rate) == ("adam", 1e-4)
        assert preset.batch == (128 if name == "inception_v3" else 64)
    for name in ("vgg16", "resnet50"):
        preset = PRESETS[name]
        assert (preset.optimiser, preset.rate, preset.batch) == ("sgd", 1e-3, 128)
    assert (PRESETS["flownet_fc"].rate, PRESETS["flownet_fc"].step_decay) == (0.01, 0.96)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_all_that_a_training_needs(name: str) -> None:
    found = plan(GenreTrainSettings(), {"preset": name})
    preset = PRESETS[name]
    assert (found.network, found.epochs, found.batch) == (
        preset.network, preset.epochs, preset.batch
    )  # fmt: skip
    assert "x".join(map(str, found.spec.size)) == preset.size


@every_network
def test_a_network_is_trained_as_the_preset_of_its_name(name: str) -> None:
    assert PRESETS[GENRE_NETWORKS[name].preset].network == name
    found = plan(GenreTrainSettings(), {"network": name, "epochs": 2, "rate": 0.5})
    assert (found.epochs, found.rate) == (2, 0.5)
    assert found.settings.preset == GENRE_NETWORKS[name].preset
    assert found.batch == PRESETS[found.settings.preset].batch


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"network": "inceptoin_v3"}, "did you mean `inception_v3`"),
        ({"preset": "vgg"}, "did you mean `vgg16`"),
        ({"preset": "vgg16", "network": "fc"}, "is of vgg16, not of fc"),
        ({"size": "big"}, "give height and width"),
        ({"size": "60"}, "inception_v3 takes pictures of 75 points or more"),
        ({"size": "99999"}, "both sides must lie between"),
        ({"batch": 1}, "`batch` must lie between 2"),
        ({"rate": 0.0}, "`rate` must lie between"),
        ({"optimiser": "sdg"}, "did you mean `sgd`"),
        ({"split": "film", "fold": 5}, "there is no fold 5"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as caught:
        plan(GenreTrainSettings(), changes)
    assert "\n" not in str(caught.value)
