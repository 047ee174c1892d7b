import pandas as pd

from benchmarks.epochs import named_models, write_row


def test_a_named_model_has_the_changes_of_all_models_above_it(tmp_path):
    (tmp_path / "models.yaml").write_text("a: {m.x: 1}\nb: {m.y: 2}\nc: {m.x: 3}\n")
    a, b, c = {"m.x": 1}, {"m.x": 1, "m.y": 2}, {"m.x": 3, "m.y": 2}
    assert named_models(tmp_path / "models.yaml") == {"a": a, "b": b, "c": c}


def test_a_row_is_replaced_and_others_stay(tmp_path):
    file = tmp_path / "epochs.csv"
    slow = pd.DataFrame({"reference": [8.0, 8.0, 8.0], "ours": [9.0, 9.0, 9.0]})
    # The median of the ratios 1/2, 1 and 3 is not the ratio of the medians, 4/3.
    pairs = pd.DataFrame({"reference": [2.0, 4.0, 3.0], "ours": [1.0, 4.0, 9.0]})
    for model, seconds in (("a", slow), ("b", slow), ("a", pairs)):
        write_row(file, model, seconds, "x86_64 AVX2")
    assert file.read_text().splitlines() == [
        "model,epoch,reference_epoch,ratio,machine",
        "a,4.0,3.0,1.0,x86_64 AVX2",
        "b,9.0,8.0,1.125,x86_64 AVX2",
    ]
