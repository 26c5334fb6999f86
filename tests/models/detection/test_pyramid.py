import numpy as np
import pytest

from models.detection.pyramid import CELL, atlases, cells_along, scales


@pytest.mark.parametrize(("pixels", "cells"), [(11, 1), (12, 1), (13, 2), (14, 2), (48, 19)])
def test_cells_lie_two_pixels_apart_and_the_last_may_reach_one_pixel_beyond(pixels, cells):
    assert cells_along(pixels) == cells


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (270, 480), (1920, 1080), (33, 61)])
def test_levels_fit_into_their_atlas_and_share_no_cell(height, width):
    levels = 0
    for atlas in atlases(height, width, 20.0):
        painted = np.zeros((atlas.height, atlas.width), int)
        for level, ((x, y), (w, h)) in enumerate(zip(atlas.corners, atlas.sizes, strict=True)):
            assert x % 2 == y % 2 == 0
            assert painted[y : y + h, x : x + w].shape == (h, w)
            painted[y : y + h, x : x + w] += 1
            cells = np.argwhere(atlas.level_of_cell[0] == level) * 2
            assert len(cells) == cells_along(h) * cells_along(w)
            assert cells.min(axis=0).tolist() == [y, x]
            assert (cells.max(axis=0) + CELL <= [y + h + 1, x + w + 1]).all()
        assert painted.max() == 1
        levels += len(atlas.sizes)
    assert levels == len(scales(height, width, 20.0))


def test_the_first_atlas_is_the_largest_level_alone():
    first, rest = atlases(1080, 1920, 1080 / 34)
    assert first.sizes.tolist() == [[725, 408]]
    assert rest.sizes[0].tolist() == [514, 289]
    assert rest.height == 290
