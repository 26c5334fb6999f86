"""The Kalman boxes of SORT (Bewley et al. 2016, section 3.2), all tracks as one array.

State (u, v, s, r, u', v', s'): centre u, v in pixels, area s, aspect r = width / height, and the
change per frame of the first three; the aspect stays constant. The measurement is (u, v, s, r).
"""

import numpy as np

F = np.eye(7) + np.eye(7, k=4)  # u += u', v += v', s += s'
H = np.eye(4, 7)
R = np.diag([1.0, 1.0, 10.0, 10.0])
P_BIRTH = np.diag([10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4])  # velocities are unknown at birth
Q = np.diag([1.0, 1.0, 1.0, 1.0, 1e-2, 1e-2, 1e-4])  # for steps of one frame


class KalmanBoxes:
    """Boxes that move with constant velocity and change area linearly, one row each."""

    def __init__(self) -> None:
        self.x = np.zeros((0, 7))  # states
        self.P = np.zeros((0, 7, 7))  # their covariances

    def __len__(self) -> int:
        return len(self.x)

    def add(self, boxes: np.ndarray) -> None:
        """Add rows at rest on boxes (N, 4) xyxy, pixels, whose sides must be positive."""
        births = np.zeros((len(boxes), 7))
        births[:, :4] = measurements(boxes)
        self.x = np.vstack([self.x, births])
        self.P = np.concatenate([self.P, np.tile(P_BIRTH, (len(boxes), 1, 1))])

    def keep(self, mask: np.ndarray) -> None:
        """Drop the rows outside of a mask (T,) bool."""
        self.x, self.P = self.x[mask], self.P[mask]

    def predict(self) -> None:
        """Advance by one frame. An area about to vanish stops shrinking instead."""
        self.x[self.x[:, 2] + self.x[:, 6] <= 0, 6] = 0
        self.x = self.x @ F.T
        self.P = F @ self.P @ F.T + Q

    def update(self, rows: np.ndarray, boxes: np.ndarray) -> None:
        """Correct rows (N,) with measured boxes (N, 4) xyxy, whose sides must be positive."""
        x, spread = self.x[rows], self.P[rows]
        gain = spread @ H.T @ np.linalg.inv(H @ spread @ H.T + R)  # (N, 7, 4)
        x += (gain @ (measurements(boxes) - x @ H.T)[:, :, None])[:, :, 0]
        rest = np.eye(7) - gain @ H
        # Joseph's form, which stays positive definite
        spread = rest @ spread @ rest.transpose(0, 2, 1) + gain @ R @ gain.transpose(0, 2, 1)
        self.x[rows], self.P[rows] = x, spread

    def rescale(self, width: float, height: float) -> None:
        """Continue in frames `width` times as wide and `height` times as high."""
        area = width * height
        self.x *= np.array([width, height, area, width / height, width, height, area])

    @property
    def boxes(self) -> np.ndarray:
        """The states as boxes (T, 4) float64 xyxy, pixels."""
        centres, area, aspect = self.x[:, :2], self.x[:, 2], self.x[:, 3]
        width = np.sqrt(area * aspect)
        half = np.column_stack([width, area / width]) / 2
        return np.hstack([centres - half, centres + half])


def measurements(boxes: np.ndarray) -> np.ndarray:
    """Rows (u, v, s, r) (N, 4) float64 for boxes (N, 4) xyxy."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
    width, height = (corners[:, 1] - corners[:, 0]).T
    return np.column_stack([corners.mean(axis=1), width * height, width / height])
