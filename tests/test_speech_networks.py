"""Every network gives logits, learns in a step, and its weights are found where they lie."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import SettingsError
from reelpulse.learn.backbones import pretrained_file
from reelpulse.learn.onnx_file import check, from_torch, runner
from reelpulse.speech.networks import SPEECH_NETWORKS
from reelpulse.speech.picture import PictureSpec

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

HUGE = [
    pytest.param(name, marks=pytest.mark.slow if name == "convnext_large" else ())
    for name in SPEECH_NETWORKS
]


def built(name: str, side: int = 32, channels: int = 3, pretrained: bool = False) -> Any:
    spec = replace(SPEECH_NETWORKS[name].spec, size=(side, side), channels=channels)
    torch.manual_seed(0)
    return SPEECH_NETWORKS[name].build(spec, 7, 0.0, pretrained)


@pytest.mark.parametrize("name", HUGE)
def test_each_gives_logits_and_a_gradient_for_all_it_has(name: str) -> None:
    network = built(name)
    logits = network(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    without = [key for key, value in network.named_parameters() if value.grad is None]
    assert without == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SPEECH_NETWORKS if name != "convnext_large"])
def test_each_can_be_exported(name: str) -> None:
    network = built(name).eval()
    given = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(given)).softmax(1).numpy()
    proto = from_torch(torch.nn.Sequential(network, torch.nn.Softmax(1)), {"input": given[:2]})
    check(proto, {"input": given}, wanted)


@pytest.mark.parametrize("name", SPEECH_NETWORKS)
def test_each_says_what_it_is_given(name: str) -> None:
    network = SPEECH_NETWORKS[name]
    assert network.about
    assert network.rate > 0
    assert network.spec.channels == (1 if name == "small" else 3)
    if name == "small":
        assert network.spec.margin is None  # a row is always the same frequency
        assert network.spec.size[0] == network.spec.mel.bands
    else:
        assert network.spec.size == (224, 224)


@pytest.mark.parametrize(("height", "width"), [(80, 192), (64, 64), (33, 50)])
def test_small_takes_any_size_and_is_small(height: int, width: int) -> None:
    spec = replace(SPEECH_NETWORKS["small"].spec, size=(height, width))
    network = SPEECH_NETWORKS["small"].build(spec, 7, 0.1, True).eval()
    assert sum(value.numel() for value in network.parameters()) < 600_000
    given = np.random.default_rng(0).standard_normal((3, 1, height, width)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(given)).numpy()
    found = runner(from_torch(network, {"input": given}))({"input": given})
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_small_knows_high_from_low() -> None:
    network = built("small", channels=1).eval()
    low, high = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    low[..., 24:, :], high[..., :8, :] = 1, 1
    with torch.no_grad():
        assert not torch.allclose(network(low), network(high), atol=1e-3)


def test_pretrained_weights_are_taken_from_the_folder_of_models(
    models_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(5)
    whole = timm.create_model("resnet18", num_classes=1000)
    save_file(whole.state_dict(), models_folder / "resnet18.a1_in1k.safetensors")
    assert pretrained_file("resnet18") == models_folder / "resnet18.a1_in1k.safetensors"
    network = built("resnet18", pretrained=True)
    assert torch.equal(network.layer3[0].conv1.weight, whole.layer3[0].conv1.weight)
    assert network.fc.weight.shape == (7, 512)
    assert caplog.messages == []


def test_where_they_cannot_be_had_one_line_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        built("resnet18", pretrained=True)
    (line,) = caplog.messages
    assert "resnet18.a1_in1k.safetensors into $REELPULSE_MODELS" in line
    assert "\n" not in line


def test_a_vision_transformer_wants_whole_patches() -> None:
    with pytest.raises(SettingsError, match="multiple of 16 a side, not of 30x30"):
        SPEECH_NETWORKS["vit_base_patch16_224"].build(PictureSpec(size=(30, 30)), 7, 0.0, False)
