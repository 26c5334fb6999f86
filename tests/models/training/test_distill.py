"""Distillation: predictions of teachers."""

import json
import shutil

import numpy as np
import pytest

from models.errors import ModelError
from models.manifest import WEIGHTS
from models.training.distill import distill
from models.training.pretrained import load_teacher


def test_a_teacher_without_an_output_that_is_trained_is_refused(faces, tmp_path):
    shutil.copy(WEIGHTS / "ssrnet-joint.json", tmp_path / "ages.json")
    record = json.loads((tmp_path / "ages.json").read_text())
    del record["outputs"]["male"]
    (tmp_path / "ages.json").write_text(json.dumps(record))
    with pytest.raises(ModelError, match=r"ages.json has no output 'male': choose another"):
        distill([load_teacher(str(tmp_path / "ages.json"))], faces, np.arange(4), {"age", "male"})
