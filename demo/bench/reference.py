"""The loop that people use today, as the reference: the `mtcnn` package and Keras' `Model.predict`
on every frame."""

import os
import time
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demo.bench.clips import video_source
from demo.display.overlay import annotate
from demo.frames import Faces
from models.manifest import load_manifest
from trackers.boxes import iou

MIN_SCORE = 0.95  # a detection of the reference counts as a face from this score
SAME_FACE_IOU = 0.5  # two boxes are one face from this overlap


class Reference(NamedTuple):
    """A pass of the reference; boxes are per frame (N, 4) float32, xyxy, pixels."""

    fps: float  # without decoding
    faces: list[np.ndarray]  # boxes with MIN_SCORE
    detections: list[np.ndarray]  # all boxes, whatever their score


def run_reference(clip: str, model: str, quiet: bool) -> Reference:
    """Run the reference over the clip with a network of the zoo. `quiet`: no progress bar."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mtcnn import MTCNN

    from models.crops.align import crop_faces
    from models.crops.preprocess import network_input
    from models.zoo import load_keras

    manifest = load_manifest(model)
    network, detector = load_keras(manifest), MTCNN()
    detector.detect_faces(np.zeros((64, 64, 3), np.uint8))  # the first call builds its graphs
    sure, every, seconds = [], [], 0.0
    with video_source(clip) as source:
        for frame in tqdm(source, "reference", source.count, disable=quiet):
            start = time.perf_counter()
            rgb = np.ascontiguousarray(frame.image[..., ::-1])
            rows = detector.detect_faces(rgb, box_format="xyxy", output_type="numpy")
            # columns: 0 index, 1-4 box, 5 score, 6-10 x and 11-15 y of the points
            rows = np.asarray(rows, np.float32).reshape(-1, 16)
            every.append(rows[:, 1:5])
            rows = rows[rows[:, 5] > MIN_SCORE]
            points = np.stack([rows[:, 6:11], rows[:, 11:16]], axis=2)
            crops = crop_faces(frame.image, rows[:, 1:5], points, manifest.input)
            faces = Faces.detected(rows[:, 1:5], rows[:, 5], points)
            if len(crops):
                network.predict(network_input(crops, manifest.input), verbose=0)
            annotate(frame.image, faces)
            seconds += time.perf_counter() - start
            sure.append(rows[:, 1:5])
    return Reference(len(sure) / seconds, sure, every)


def share_matched(boxes: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Share of the boxes (N, 4) of all frames that overlap one of the others (M, 4) of the same
    frame by SAME_FACE_IOU."""
    matched = [
        (iou(a, b).max(axis=1, initial=0) >= SAME_FACE_IOU).sum()
        for a, b in zip(boxes, others, strict=True)
    ]
    return float(sum(matched) / max(sum(map(len, boxes)), 1))
