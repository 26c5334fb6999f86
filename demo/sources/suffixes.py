"""What names of files end in, by kind. Finding files needs no decoder."""

PHOTO_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".avif", ".tif", ".tiff")
}
UNSUPPORTED_SUFFIXES = {
    *(".heic", ".heif", ".hif", ".jxl", ".jp2", ".gif"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
}
VIDEO_SOURCE_SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".wmv", ".flv"),
    *(".3gp", ".ogv", ".mts", ".m2ts", ".mjpeg", ".mjpg"),
}
