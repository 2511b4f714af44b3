"""What the networks of speech and genre cost: training, answering, memory; on pictures of noise.

Each network is measured in a process of its own: steps of training on all cores (forwards,
backwards, a step of the optimiser), then the exported ONNX model on one. Weights are random, which
costs the same. Memory is the most that the process held while it trained.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
from common import machine, median, table

CLASSES = 7


def speech_network(name: str) -> tuple[Any, list[np.ndarray]]:
    from reelpulse.speech.networks import SPEECH_NETWORKS

    network = SPEECH_NETWORKS[name]
    shape = (network.spec.channels, *network.spec.size)
    return network.build(network.spec, CLASSES, 0.0, False), [np.zeros(shape, np.float32)]


def genre_network(name: str) -> tuple[Any, list[np.ndarray]]:
    from reelpulse.genre.networks import GENRE_NETWORKS

    network = GENRE_NETWORKS[name]
    given = [np.zeros(shape, np.float32) for shape in network.spec.shapes().values()]
    return network.build(network.spec, CLASSES, False), given


ROOMS = {"speech": speech_network, "genre": genre_network}


def measure(room: str, name: str, batch: int, times: int) -> dict[str, Any]:
    """Examples a second and megabytes, in this process."""
    import torch

    from reelpulse.learn.onnx_file import from_torch, runner

    module, one = ROOMS[room](name)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(batch, *part.shape)).astype(np.float32) for part in one]
    tensors = [torch.from_numpy(array) for array in arrays]
    labels = torch.from_numpy(rng.integers(0, CLASSES, batch))
    optimiser = torch.optim.AdamW(module.parameters(), 1e-5)
    seconds = []
    module.train()
    for _ in range(times + 1):
        begin = time.perf_counter()
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(*tensors), labels).backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    weights = sum(value.numel() for value in module.parameters())
    module.eval()
    names = [f"input{number}" for number in range(len(arrays))]
    proto = from_torch(module, {key: part[:2] for key, part in zip(names, arrays, strict=True)})
    answer = runner(proto)
    single = {key: part[:1] for key, part in zip(names, arrays, strict=True)}
    answered = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        answer(single)
        answered.append(time.perf_counter() - begin)
    return {
        "weights": weights / 1e6,
        "trained": batch / median(seconds[1:]),
        "answered": 1 / median(answered[1:]),
        "megabytes": peak,
    }


def main() -> None:
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    made.add_argument("room", choices=ROOMS)
    made.add_argument("--network", action="append", help="only this; again for more")
    made.add_argument("--batch", type=int, default=8, help="examples (default: %(default)s)")
    made.add_argument("--times", type=int, default=3, help="steps (default: %(default)s)")
    made.add_argument("--alone", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.alone:
        print(json.dumps(measure(options.room, options.alone, options.batch, options.times)))
        return
    if options.room == "speech":
        from reelpulse.speech.networks import SPEECH_NETWORKS as NETWORKS
    else:
        from reelpulse.genre.networks import GENRE_NETWORKS as NETWORKS
    lines = []
    for name in options.network or NETWORKS:
        command = [sys.executable, __file__, options.room, "--alone", name]
        command += ["--batch", str(options.batch), "--times", str(options.times)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            lines.append((name, ended.stderr.strip().splitlines()[-1], "", "", ""))
            continue
        told = json.loads(ended.stdout.splitlines()[-1])
        lines.append(
            (
                name,
                f"{told['weights']:.1f}",
                f"{told['trained']:.1f}",
                f"{told['answered']:.1f}",
                f"{told['megabytes']:.0f}",
            )
        )
    print(f"{machine()} Batches of {options.batch}.\n")
    head = ("network", "million weights", "trained a second", "answered a second", "MB")
    print(table(head, lines))


if __name__ == "__main__":
    main()
