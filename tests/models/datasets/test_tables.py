import pytest

from models.datasets.labels import Pictures
from models.datasets.source import Source
from models.datasets.tables import Table
from models.errors import ModelError


@pytest.mark.parametrize(
    "text",
    [
        "file,split\na.png,test\n",
        "file , split\r\n a.png, test \r\n",
        "\ufefffile,\tsplit\na.png\t,\u00a0test\n\n , \n",
        'file, "split"\n"a.png" , "test"\n',
    ],
)
def test_space_around_names_and_cells_does_not_count(text):
    table = Table(text, "labels.csv")
    assert table.columns == ["file", "split"]
    assert list(table) == [{"file": "a.png", "split": "test"}]


def test_cells_that_are_missing_are_empty_and_cells_without_a_column_are_left_out():
    assert list(Table("a,b\n1\n1,2,3\n", "x")) == [{"a": "1", "b": ""}, {"a": "1", "b": "2"}]


def test_a_tab_separates_cells_and_is_not_space_around_one():
    assert list(Table("a\tb\tc\n1\t\t3\n", "x", "\t")) == [{"a": "1", "b": "", "c": "3"}]


def test_columns_that_are_missing_are_named_beside_those_there_are():
    table = Table("File,split \n", "x.zip: labels.csv")
    with pytest.raises(ModelError) as error:
        table.check({"file", "split", "age"})
    assert str(error.value) == (
        "x.zip: labels.csv has no column age and file: its columns are 'File', 'split'"
    )
    with pytest.raises(ModelError, match="its columns are none"):
        Table("", "x").check({"file"})


def test_a_damaged_line_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"^x line 2 is damaged: field larger than field limit"):
        list(Table(f"a\n{'1' * 200_000}\n", "x"))
    with pytest.raises(ModelError, match=r"^x line 1 is damaged"):
        Table("1" * 200_000, "x")


def test_labels_and_lists_are_read_without_the_space_around_cells(tmp_path):
    (tmp_path / "labels.csv").write_text("file, split ,age,fold\n a.png , test , 34 , 2 \n")
    (sample,) = Pictures(tmp_path).samples
    assert (sample.file, sample.split, sample.age, sample.fold) == ("a.png", "test", 34.0, 2)
    (row,) = Source(tmp_path, "labels").rows("labels.csv", {"split"})
    assert row == {"file": "a.png", "split": "test", "age": "34", "fold": "2"}
