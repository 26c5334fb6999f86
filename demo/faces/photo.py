"""The faces of photos: each is a picture of its own, nothing is tracked or smoothed."""

from dataclasses import replace

import numpy as np

from demo.faces.anonymize import Anonymizer
from demo.faces.detectors import Detector
from demo.faces.looks import search_photo
from demo.frames import Analysis, Faces, Frame
from demo.timing import Stopwatch
from models.crops.align import crop_faces
from models.crops.spec import InputSpec
from models.inference.calibration import age_range
from models.inference.estimator import Estimator


class PhotoPipeline:
    """Finds and labels the faces of photos. Ids number the faces of each photo from 1."""

    def __init__(
        self,
        detector: Detector,
        estimator: Estimator,
        anonymize: str | None = None,
        spec: InputSpec | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """`anonymize`: a key of `anonymize.STYLES`; `spec` of the crops (None: as the network was
        trained)."""
        self._detector, self._estimator = detector, estimator
        self._spec = spec or estimator.input
        self._anonymizer = None if anonymize is None else Anonymizer(anonymize)
        self._stopwatch = stopwatch or Stopwatch()

    def process(self, frame: Frame) -> Analysis:
        """The photo with its faces, ages and genders. With `anonymize`, the returned frame is a
        copy with covered heads."""
        with self._stopwatch.stage("detect"):
            thorough = self._anonymizer is not None
            found, candidates = search_photo(self._detector, frame.image, thorough)
        faces = Faces.detected(found.boxes, found.scores, found.points)
        with self._stopwatch.stage("estimate"):
            crops = crop_faces(frame.image, faces.boxes, faces.points, self._spec)
            ages, male_probs = self._estimator.predict(crops)
        ids = np.arange(1, len(faces) + 1, dtype=np.int64)
        low, high = age_range(self._estimator.calibration, ages)
        faces = replace(
            faces, ids=ids, ages=ages, male_probs=male_probs, age_low=low, age_high=high
        )
        analysis = Analysis(frame, faces, candidates)
        if self._anonymizer:
            with self._stopwatch.stage("cover"):
                analysis = self._anonymizer.cover(analysis)
        return analysis
