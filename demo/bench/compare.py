"""Compare two passes over a clip face by face, to see what saving work costs."""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from demo.bench.clips import video_source
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.frames import Faces
from demo.networks import Networks
from trackers.sort import associate

SAME_FACE_IOU = 0.5  # two boxes are one face from this overlap
EVERYTHING = Settings(detect_every=1, every_crop=True)


@dataclass(frozen=True)
class Comparison:
    """A pass against the full pass, which searches every frame and estimates every face.

    Faces are paired by overlap. Ages and genders are the shown ones, of the pairs that have them in
    both passes; nan if there is no such pair. The fields are keys of the report.
    """

    present: float  # share of the full pass's faces that the pass found
    added: float  # share of the pass's faces that the full pass does not have
    age_mean: float  # absolute difference in years
    age_p95: float
    age_end_mean: float  # in the last pair of every person: where the running mean ended
    age_end_max: float
    male_mean: float  # absolute difference of the probabilities
    male_p95: float
    other_gender: float  # share of pairs that are shown with different genders
    ids: tuple[int, int]  # people in the pass and in the full pass
    id_switches: tuple[int, int]  # a person of the other pass continues under another id
    gender_flips: tuple[int, int]  # a person's shown gender changes


def compare_with_every_frame(
    clip: str, networks: Networks, settings: Settings, quiet: bool
) -> Comparison:
    """Compare a pass over the clip with a pass that does everything on every frame. `quiet`: no
    progress bars."""
    passes = []
    for chosen in (settings, EVERYTHING):
        with video_source(clip) as source:
            pipeline = Pipeline(*networks, source.fps, chosen)
            frames = tqdm(source, "comparison", source.count, disable=quiet)
            passes.append([pipeline.process(frame).faces for frame in frames])
    return compare(*passes)


def compare(faces: list[Faces], full: list[Faces]) -> Comparison:
    """Compare the faces of two passes over the same frames, at least one."""
    pairs = [_pair(a, b) for a, b in zip(faces, full, strict=True)]
    ids, full_ids = (np.concatenate([pair[k].ids for pair in pairs]) for k in (0, 1))
    ages = np.concatenate([a.ages - b.ages for a, b in pairs])
    male_probs = np.concatenate([a.male_probs - b.male_probs for a, b in pairs])
    other = np.concatenate([(a.male_probs >= 0.5) != (b.male_probs >= 0.5) for a, b in pairs])
    aged, gendered = np.isfinite(ages), np.isfinite(male_probs)
    years, chances = np.abs(ages[aged]), np.abs(male_probs[gendered])
    last = dict(zip(full_ids[aged].tolist(), years.tolist(), strict=True))
    ends = np.array(list(last.values()))
    return Comparison(
        present=_share(len(full_ids), sum(map(len, full))),
        added=1 - _share(len(ids), sum(map(len, faces))),
        age_mean=_mean(years),
        age_p95=_p95(years),
        age_end_mean=_mean(ends),
        age_end_max=float(ends.max()) if len(ends) else float("nan"),
        male_mean=_mean(chances),
        male_p95=_p95(chances),
        other_gender=_mean(other[gendered]),
        ids=(_people(faces), _people(full)),
        id_switches=(_changes(full_ids, ids), _changes(ids, full_ids)),
        gender_flips=(_flips(faces), _flips(full)),
    )


def _pair(a: Faces, b: Faces) -> tuple[Faces, Faces]:
    """The faces that both have, in the same order."""
    rows, columns = associate(a.boxes, b.boxes, SAME_FACE_IOU)
    return a[rows], b[columns]


def _people(frames: list[Faces]) -> int:
    return len({person for faces in frames for person in faces.ids.tolist() if person > 0})


def _changes(people: np.ndarray, values: np.ndarray) -> int:
    """How often a person's value differs from the person's last one; rows of unknown people and
    values (-1) are skipped."""
    last: dict[int, int] = {}
    changes = 0
    for person, value in zip(people.tolist(), values.tolist(), strict=True):
        if person < 0 or value < 0:
            continue
        changes += last.get(person, value) != value
        last[person] = value
    return changes


def _flips(frames: list[Faces]) -> int:
    ids = np.concatenate([faces.ids for faces in frames])
    male_probs = np.concatenate([faces.male_probs for faces in frames])
    return _changes(ids, np.where(np.isnan(male_probs), -1, male_probs >= 0.5))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _p95(values: np.ndarray) -> float:
    return float(np.percentile(values, 95)) if len(values) else float("nan")
