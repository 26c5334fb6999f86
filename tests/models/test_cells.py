import pytest

from models.cells import harmless, original


@pytest.mark.parametrize(
    "start", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]
)
def test_text_that_a_spreadsheet_would_run_is_shown_as_text(start):
    assert harmless(f"{start}.jpg") == f"'{start}.jpg"
    assert original(harmless(start)) == start


@pytest.mark.parametrize("value", [-1, -0.5, None, "-1", "-0.5e-3", "+7", "a=1", "", "'quoted'"])
def test_numbers_and_other_text_stay(value):
    assert harmless(value) == value
    if isinstance(value, str):
        assert original(harmless(value)) == value
