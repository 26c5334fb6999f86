"""MTCNN, the face detector."""
