"""The reference: today's loop."""

import numpy as np
import pytest

from demo.bench.reference import run_reference, share_matched

BOXES = np.array([[0, 0, 10, 10], [50, 0, 60, 10]], np.float32)


def test_boxes_match_from_half_an_overlap_in_the_same_frame():
    near, far = (BOXES[:1] + np.array([x, 0, x, 0]) for x in (2, 4))  # IoU 8/12 and 6/14
    nothing = np.zeros((0, 4), np.float32)
    assert share_matched([BOXES], [near]) == 0.5
    assert share_matched([BOXES], [far]) == 0
    assert share_matched([near], [BOXES]) == 1
    assert share_matched([BOXES, nothing], [nothing, BOXES]) == 0
    assert share_matched([nothing], [BOXES]) == 0


def test_the_loop_finds_the_faces_of_a_clip(clip):
    pytest.importorskip("mtcnn")
    reference = run_reference(str(clip), "ssrnet-joint", quiet=True)
    assert reference.fps > 0
    assert [len(boxes) for boxes in reference.faces] == [2] * 20
    for boxes, every in zip(reference.faces, reference.detections, strict=True):
        assert len(every) >= len(boxes)
    left = reference.faces[0][:, 0].min()
    assert 80 < left < 230  # of the portrait that is pasted there
