"""Work spread over processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reelpulse.errors import DataError
from reelpulse.learn.workers import spread


def square_or_die(number: int) -> int:
    if number in (5, 12):
        os._exit(3)
    return number * number


def test_a_task_that_ends_its_process_is_told_from_the_others() -> None:
    got = dict(spread(square_or_die, range(20), 2))
    assert got == {n: None if n in (5, 12) else n * n for n in range(20)}


def square_or_refuse(number: int) -> int:
    if number == 5:
        raise DataError("the disk is full")
    return number * number


def test_what_a_task_raises_ends_the_work() -> None:
    with pytest.raises(DataError, match="the disk is full"):
        list(spread(square_or_refuse, range(20), 2))


def test_a_script_without_a_main_guard_works_once_and_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import logging\n"
        "logging.basicConfig(format='%(message)s')\n"
        "from reelpulse.learn.workers import spread\n"
        "print(sum(got for _, got in spread(abs, range(-20, 0), 2)))\n"
    )
    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=True
    )
    assert ended.stdout == "210\n"
    assert "if __name__" in ended.stderr
    assert "Traceback" not in ended.stderr
