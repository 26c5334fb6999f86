"""Ids that stay with their boxes from frame to frame: Kalman box, association, SORT."""
