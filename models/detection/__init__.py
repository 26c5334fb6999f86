"""The face detector, MTCNN."""
