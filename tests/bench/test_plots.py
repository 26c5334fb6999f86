"""Where plots can be written."""

import pytest

from demo.bench.plots import check_plot
from demo.errors import UserError


@pytest.mark.parametrize("name", ["a.png", "a.PDF", "a.svg", "a.jpg"])
def test_a_plot_can_be_written_without_a_trace_yet(tmp_path, name):
    check_plot(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "a.txt", "a.mp4"])
def test_an_unknown_format_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"the name must end in \.jpg, \.pdf, \.png, \.svg$"):
        check_plot(tmp_path / name)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        check_plot(tmp_path / "file" / "a.png")
