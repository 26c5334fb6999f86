from models.plots import new_figure, plain, save_figure


def test_a_title_with_any_name_can_be_drawn(tmp_path):
    figure, _ = new_figure(2, 1)
    figure.suptitle(plain("M\udcfcller $x^{\n$.zip"))
    save_figure(figure, tmp_path / "M\udcfcller.png")
    assert (tmp_path / "M\udcfcller.png").read_bytes().startswith(b"\x89PNG")
