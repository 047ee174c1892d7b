import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colorizer.network import ConvStack, ModelParams
from colorizer.prediction import predict
from colorizer.training import EarlyStopping, Epoch, Outcome, TrainParams, train, validate
from tests.conftest import draw_photos

PARAMS = {
    "seed": 7,
    "threads": 1,
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "batch_size": 5,
    "epochs": 4,
    "patience": 5,
}


@pytest.fixture
def training(make_split):
    return make_split(draw_photos(12, seed=0), "train")  # batches of 5, 5 and 2


@pytest.fixture
def validation(make_split):
    return make_split(draw_photos(6, seed=1), "val")


def build(seed: int = 0, **changes) -> ConvStack:
    params = {"conv_layers": 2, "kernels": 4, "kernel_size": 3, "batch_norm": False, "tanh": False}
    torch.manual_seed(seed)
    return ConvStack(ModelParams(**(params | changes)))


def run(network, training, validation, **changes) -> tuple[Outcome, list[Epoch]]:
    history: list[Epoch] = []
    params = TrainParams(**(PARAMS | changes))
    return train(network, training, validation, params, 12, history.append), history


def epochs_by_definition(errors: list[float], patience: int) -> tuple[int, int]:
    """The report's rule, word by word: the epochs run, and the epoch chosen."""
    for last in range(1, len(errors) + 1):
        if last > patience:
            before, recent = errors[: last - patience], errors[last - patience : last]
            if min(recent) >= min(before):
                break
    ran = errors[:last]
    return last, ran.index(min(ran)) + 1


@given(
    st.lists(st.integers(0, 6).map(lambda tenths: tenths / 6), min_size=1, max_size=30),
    st.integers(1, 6),
)
def test_early_stopping_follows_its_definition(errors, patience):
    stopping = EarlyStopping(patience)
    ran = chosen = 0
    for error in errors:
        ran += 1
        if stopping.improves(error):
            chosen = ran
        if stopping.stops:
            break
    assert (ran, chosen) == epochs_by_definition(errors, patience)


def test_an_equal_error_is_no_better():
    stopping = EarlyStopping(patience=1)
    assert stopping.improves(0.5)
    assert not stopping.improves(0.5)
    assert stopping.stops


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_follows_the_recipe_of_the_report(training, validation, weight_decay):
    """Against the recipe written plainly: (N, C, H, W) floats, mean squared error, SGD by hand."""
    trained, reference = build(seed=1), build(seed=1)
    _, (epoch,) = run(trained, training, validation, weight_decay=weight_decay, epochs=1)

    gray = torch.from_numpy(training.gray / 127.5 - 1).float()[:, None]
    rgb = torch.from_numpy(training.rgb / 127.5 - 1).float().permute(0, 3, 1, 2).contiguous()
    squared = 0.0
    order = torch.randperm(12, generator=torch.Generator().manual_seed(PARAMS["seed"]))
    for batch in order.split(5):
        loss = ((reference(gray[batch]) - rgb[batch]) ** 2).mean()
        reference.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in reference.parameters():
                weight -= 0.1 * (weight.grad + weight_decay * weight)
        squared += loss.item() * len(batch)
    assert epoch.train_mse == pytest.approx(squared / 12, rel=1e-5)
    for ours, theirs in zip(trained.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_learns(training, validation):
    outcome, history = run(build(), training, validation, epochs=30, patience=30)
    assert outcome.epochs == 30
    assert history[-1].train_mse < history[0].train_mse / 4
    assert outcome.best.val_margin_error < history[0].val_margin_error


def test_the_network_kept_is_that_of_the_best_epoch(training, validation):
    network = build()
    outcome, history = run(network, training, validation, epochs=25, patience=25, learning_rate=0.6)
    errors = [epoch.val_margin_error for epoch in history]
    assert outcome.best == history[errors.index(min(errors))]
    assert outcome.best != history[-1], "the case needs a best epoch before the last"
    mse, margin_error = validate(network, validation, 12)
    assert (mse, margin_error) == (outcome.best.val_mse, outcome.best.val_margin_error)


def test_stops_after_patience_epochs_without_a_lower_error(training, validation):
    # A step too small to move any value across the margin: no epoch improves on the first.
    outcome, history = run(build(), training, validation, learning_rate=1e-12, patience=2, epochs=9)
    assert [epoch.epoch for epoch in history] == [1, 2, 3]
    assert (outcome.epochs, outcome.best.epoch) == (3, 1)


def test_a_diverged_run_stops_with_the_largest_errors(training, validation):
    network = build()
    outcome, history = run(network, training, validation, learning_rate=1e6, epochs=9)
    assert outcome.best is None
    assert outcome.epochs == len(history) < 9
    assert history[-1][1:4] == (4.0, 4.0, 1.0)
    assert all(np.isfinite(value) for epoch in history for value in epoch)
    for _, prediction in predict(network, validation.gray):
        assert np.isnan(prediction).all()


def test_the_same_seed_gives_the_same_weights_and_another_one_others(training, validation):
    results = []
    for seed in (7, 7, 8):
        network = build()
        run(network, training, validation, epochs=1, seed=seed)
        results.append(network[0].weight.detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_validation_images_do_not_enter_batch_norm(training, validation, make_split):
    other = make_split(255 - draw_photos(6, seed=9), "other")
    statistics = []
    for held_out in (validation, other):
        network = build(batch_norm=True)
        run(network, training, held_out, epochs=1)
        statistics.append(network[1].running_mean)
    assert torch.equal(*statistics)


def test_validation_is_one_total_not_a_mean_of_batches(validation, monkeypatch):
    network = build()
    whole = validate(network, validation, 12)
    monkeypatch.setattr("colorizer.prediction.PICTURES_AT_ONCE", 4)  # batches of 4 and 2
    assert validate(network, validation, 12) == pytest.approx(whole, abs=1e-6)
