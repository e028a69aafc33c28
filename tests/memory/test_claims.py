"""Claims: of one worker only, in this process and in others, and free when their process dies."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cogitate.errors import StoreError
from cogitate.memory.claims import Claims

TAKER = """
import sys, time
from pathlib import Path
from cogitate.memory.claims import Claims
claims = Claims(Path(sys.argv[1]))
print([claims.take(number) for number in (1, 2, 3)], flush=True)
time.sleep(60)
"""


def test_a_claim_is_of_one_worker_until_it_is_given_back(tmp_path: Path) -> None:
    first, second = Claims(tmp_path / "claims"), Claims(tmp_path / "claims")
    assert first.take(7)
    assert not second.take(7)
    assert second.take(8)
    first.free(7)
    assert second.take(7)
    first.close()
    second.close()


def test_closing_one_store_of_a_process_leaves_the_claims_of_another(tmp_path: Path) -> None:
    """Closing any descriptor of a file would drop all locks that the process has on it."""
    first, second = Claims(tmp_path / "claims"), Claims(tmp_path / "claims")
    assert second.take(2)
    first.close()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKER, str(tmp_path / "claims")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "[True, False, True]"
    process.kill()
    process.communicate()
    second.close()


def test_what_a_killed_process_had_claimed_is_free(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TAKER, str(tmp_path / "claims")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "[True, True, True]"
    claims = Claims(tmp_path / "claims")
    assert not claims.take(2)
    assert claims.take(4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert claims.take(2)
    claims.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="see that its folder may be written"):
        Claims(tmp_path / "nowhere" / "claims")
