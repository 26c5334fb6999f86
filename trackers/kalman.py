"""The Kalman box of SORT (Bewley et al. 2016, section 3.2) on filterpy.

State (u, v, s, r, u', v', s'): centre u, v in pixels, area s, aspect r = width / height, and the
change per frame of the first three; the aspect stays constant. The measurement is (u, v, s, r).
"""

import numpy as np
from filterpy.kalman import KalmanFilter


class KalmanBox:
    """One box (4,) xyxy, in pixels, that moves with constant velocity and changes area linearly."""

    def __init__(self, box: np.ndarray) -> None:
        """Start at rest on `box`, whose sides must be positive."""
        self.filter = constant_velocity_filter()
        self.filter.x[:4] = measurement(box)

    def predict(self) -> None:
        """Advance by one frame. An area about to vanish stops shrinking instead."""
        x = self.filter.x
        if x[2, 0] + x[6, 0] <= 0:
            x[6, 0] = 0
        self.filter.predict()

    def update(self, box: np.ndarray) -> None:
        """Correct the state with a measured `box`, whose sides must be positive."""
        self.filter.update(measurement(box))

    def rescale(self, width: float, height: float) -> None:
        """Continue in frames `width` times as wide and `height` times as high."""
        factors = [width, height, width * height, width / height, width, height, width * height]
        self.filter.x *= np.array(factors)[:, None]

    @property
    def box(self) -> np.ndarray:
        """Return the state as (4,) float64 xyxy, pixels."""
        u, v, s, r = self.filter.x[:4, 0]
        width = np.sqrt(s * r)
        height = s / width
        return np.array([u - width / 2, v - height / 2, u + width / 2, v + height / 2])


def constant_velocity_filter() -> KalmanFilter:
    """Return the filter at state zero, with SORT's noise values, which are for one-frame steps."""
    kalman = KalmanFilter(dim_x=7, dim_z=4)
    kalman.F = np.eye(7) + np.eye(7, k=4)  # u += u', v += v', s += s'
    kalman.H = np.eye(4, 7)
    kalman.R = np.diag([1.0, 1.0, 10.0, 10.0])
    kalman.P = np.diag([10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4])  # velocities are unknown at birth
    kalman.Q = np.diag([1.0, 1.0, 1.0, 1.0, 1e-2, 1e-2, 1e-4])
    return kalman


def measurement(box: np.ndarray) -> np.ndarray:
    """Return (u, v, s, r) as a column (4, 1) float64 for a box (4,) xyxy."""
    x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
    width, height = x2 - x1, y2 - y1
    return np.array([[(x1 + x2) / 2], [(y1 + y2) / 2], [width * height], [width / height]])
