"""Multi-object tracking: ids for boxes across frames, with SORT and its Kalman filter."""
