from pathlib import Path

import numpy as np
import pytest

from tests import fuzz
from tests.fuzz_inputs import KINDS, mutated

needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc")


def test_the_same_seed_damages_a_file_in_the_same_way():
    good = bytes(range(256)) * 8
    first, again, other = (mutated(good, good, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first == again != other
    assert first != good


@needs_proc
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused_in_one_line(kind):
    outcomes, failures = fuzz.fuzz(kind, seed=7, count=16)
    assert failures == []
    assert sum(outcomes.values()) == 16
