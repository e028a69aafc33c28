"""Kills at random instants; `crashes.py` is what kills and judges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it cannot fork")


def crashes(*options: str) -> subprocess.CompletedProcess[str]:
    script = str(Path(__file__).with_name("crashes.py"))
    return subprocess.run(
        [sys.executable, script, *options], capture_output=True, text=True, check=False
    )


def test_a_few_kills_lose_nothing_and_double_nothing() -> None:
    done = crashes("--kills", "10", "--problems", "20")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] == 10


@pytest.mark.slow
def test_kills_of_processes_that_spill_lose_nothing_and_double_nothing() -> None:
    done = crashes("--kills", "200", "--spill-after", "20")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == 200
    assert told["shards"] >= 20


@pytest.mark.slow
def test_five_hundred_kills_lose_nothing_and_double_nothing() -> None:
    done = crashes("--kills", "500", "--problems", "200")  # else many fall between two stores
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == 500
    assert told["between"] >= 400
    assert told["midway"] >= 400


@pytest.mark.slow
def test_a_store_that_acknowledges_before_it_commits_is_found_out() -> None:
    done = crashes("--kills", "60", "--early")
    assert done.returncode == 1
    assert "lost or changed" in done.stderr
