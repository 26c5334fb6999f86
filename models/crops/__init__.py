"""From a detected face to the array that a network takes."""
