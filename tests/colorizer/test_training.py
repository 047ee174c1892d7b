import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colorizer.network import Colorizer, ModelParams, scaled
from colorizer.prediction import predict
from colorizer.training import Pictures, Training, TrainParams, stops_early, validate
from tests.conftest import UNET_WITH_BINS, draw_photos, small_params

CPU = torch.device("cpu")
PARAMS = small_params()["train"] | {"seed": 7, "epochs": 4}


@pytest.fixture
def training(make_split):
    return make_split(draw_photos(12, seed=0), "train")  # batches of 5, 5 and 2


@pytest.fixture
def validation(make_split):
    return make_split(draw_photos(6, seed=1), "val")


def build(seed: int = 0, **changes) -> Colorizer:
    params = small_params()["model"]
    torch.manual_seed(seed)
    return Colorizer(ModelParams(**(params | changes)))


def start(network, training, validation, **changes) -> Training:
    return Training(network, TrainParams(**(PARAMS | changes)), 12, training, validation)


def run(network, training, validation, **changes) -> Training:
    result = start(network, training, validation, **changes)
    while not result.ended:
        result.run_epoch()
    result.keep_best()
    return result


def epochs_by_definition(errors: list[float], patience: int) -> int:
    """The report's rule, as its script counts: epochs in a row that are no better than the best."""
    best, waited = float("inf"), 0
    for epoch, error in enumerate(errors, start=1):
        waited = 0 if error < best else waited + 1
        best = min(error, best)
        if waited == patience:
            return epoch
    return len(errors)


@given(
    st.lists(st.integers(0, 6).map(lambda sixths: sixths / 6), min_size=1, max_size=30),
    st.integers(1, 6),
)
def test_early_stopping_follows_its_definition(errors, patience):
    lengths = range(1, len(errors) + 1)
    stops = [length for length in lengths if stops_early(errors[:length], patience)]
    assert (stops or [len(errors)])[0] == epochs_by_definition(errors, patience)


def test_an_equal_error_is_no_better():
    assert stops_early([0.5, 0.5], patience=1)
    assert not stops_early([0.5, 0.4], patience=1)
    assert not stops_early([0.5], patience=1)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_follows_the_recipe_of_the_report(training, validation, weight_decay):
    """Against the recipe written plainly: (N, C, H, W) floats, mean squared error, SGD by hand."""
    trained, reference = build(seed=1), build(seed=1)
    (epoch,) = run(trained, training, validation, weight_decay=weight_decay, epochs=1).history

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
    result = run(build(), training, validation, epochs=30, patience=30)
    assert len(result.history) == 30
    assert result.history[-1].train_mse < result.history[0].train_mse / 4
    assert result.best.val_margin_error < result.history[0].val_margin_error


def test_the_network_kept_is_that_of_the_best_epoch(training, validation):
    network = build()
    result = run(network, training, validation, epochs=25, patience=25, learning_rate=0.6)
    errors = [epoch.val_margin_error for epoch in result.history]
    assert result.best == result.history[errors.index(min(errors))]
    assert result.best != result.history[-1], "the case needs a best epoch before the last"
    mse, margin_error = validate(network, Pictures.of(validation, CPU), 12)
    assert (mse, margin_error) == (result.best.val_mse, result.best.val_margin_error)


def test_stops_after_patience_epochs_without_a_lower_error(training, validation):
    # A step too small to move any value across the margin: no epoch improves on the first.
    result = run(build(), training, validation, learning_rate=1e-12, patience=2, epochs=9)
    assert [epoch.epoch for epoch in result.history] == [1, 2, 3]
    assert result.best.epoch == 1


@pytest.mark.parametrize("rate", [10.0, 1e3, 1e6])
def test_a_diverged_run_stops_with_the_errors_of_black_for_white(training, validation, rate):
    network = build()
    result = run(network, training, validation, learning_rate=rate, epochs=9)
    assert result.diverged
    assert result.best is None
    assert len(result.history) < 9
    assert result.history[-1][1:4] == (4.0, 4.0, 1.0)
    assert all(epoch.train_mse <= 4 for epoch in result.history)
    (prediction,) = predict(network, [torch.from_numpy(validation.gray)], flips=False)
    assert prediction.isnan().all()


RECIPES = {
    "sgd": {"optimizer": "sgd", "weight_decay": 0.01},
    "momentum, plateau": {"optimizer": "sgd", "momentum": 0.9, "schedule": "plateau"},
    "adam, cosine": {"optimizer": "adam", "schedule": "cosine", "learning_rate": 0.01},
    "adamw, one cycle": {"optimizer": "adamw", "schedule": "one_cycle", "loss": "margin"},
    "rmsprop, moved": {"optimizer": "rmsprop", "flips": True, "shifts": 2, "loss": "l1"},
    "mean of weights": {"average": 0.9, "loss": "huber"},
    "bins": {"loss": "cross_entropy"},
}
NETWORKS = {"bins": UNET_WITH_BINS | {"dropout": 0.2}}  # of recipes that need one of their own


def test_a_mean_of_weights_diverges_with_them(training, validation):
    network = build()
    result = run(network, training, validation, learning_rate=1e6, epochs=9, average=0.9)
    assert result.diverged
    assert result.history[-1][1:4] == (4.0, 4.0, 1.0)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("interrupted_after", [1, 2, 4])
def test_a_run_goes_on_where_another_was_interrupted(
    training, validation, interrupted_after, recipe
):
    options = {"epochs": 5, "learning_rate": 0.01} | RECIPES[recipe]
    model = NETWORKS.get(recipe, {"batch_norm": True, "dropout": 0.2})
    whole_network = build(**model)
    whole = run(whole_network, training, validation, **options)

    first = start(build(**model), training, validation, **options)
    for _ in range(interrupted_after):
        first.run_epoch()
    tensors = {name: tensor.clone() for name, tensor in first.tensors().items()}
    history = list(first.history)

    network = build(seed=99, **model)
    second = start(network, training, validation, **options)
    second.take_over(tensors, history)
    torch.testing.assert_close(second.tensors(), tensors, rtol=0, atol=0)
    while not second.ended:
        second.run_epoch()
    second.keep_best()
    assert second.history == whole.history
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, whole_network.state_dict()[name])


def test_the_same_seed_gives_the_same_weights_and_another_one_others(training, validation):
    results = []
    for seed in (7, 7, 8):
        network = build()
        run(network, training, validation, epochs=1, seed=seed)
        results.append(network.body[0].weight.detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_batch_norm_learns_from_training_images_and_no_others(training, validation, make_split):
    other = make_split(255 - draw_photos(6, seed=9), "other")
    statistics = []
    for held_out in (validation, other):
        network = build(batch_norm=True)
        started = start(network, training, held_out)
        for _ in range(2):
            started.run_epoch()
        statistics.append(network.body[1].running_mean)
        assert network.body[1].num_batches_tracked == 3 * 2
    assert torch.equal(*statistics)
    assert statistics[0].any()


def test_without_running_averages_batch_norm_validates_as_the_report_did(training, validation):
    network = build(batch_norm=True, running_averages=False)
    assert not any("running" in name for name in network.state_dict())
    epoch = start(network, training, validation, epochs=1).run_epoch()
    gray, rgb = scaled(torch.from_numpy(validation.gray[:]).unsqueeze(-1)), validation.rgb[:]
    with torch.no_grad():
        prediction = network.train()(gray)  # the report never left this mode
    difference = prediction.permute(0, 2, 3, 1).numpy() - (rgb / 127.5 - 1)
    assert epoch.val_mse == pytest.approx(np.square(difference).mean(), rel=1e-5)


def test_validation_is_one_total_not_a_mean_of_batches(validation, monkeypatch):
    network, pictures = build(), Pictures.of(validation, CPU)
    whole = validate(network, pictures, 12)
    monkeypatch.setattr("colorizer.training.PICTURES_AT_ONCE", 4)  # batches of 4 and 2
    assert validate(network, pictures, 12) == pytest.approx(whole, abs=1e-6)


def test_the_mean_of_weights_follows_its_definition(training, validation):
    """mean <- kept * mean + (1 - kept) * weights after each step, kept rising to what is asked."""
    network = build()
    kept, steps = 0.7, []
    step = torch.optim.SGD.step

    def recorded(self, *arguments):
        step(self, *arguments)
        steps.append(network.body[0].weight.detach().clone())

    mean = network.body[0].weight.detach().clone()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(torch.optim.SGD, "step", recorded)
        run(network, training, validation, average=kept, epochs=1)
    for number, weight in enumerate(steps):
        share = min(kept, (1 + number) / (10 + number))
        mean = share * mean + (1 - share) * weight
    torch.testing.assert_close(network.body[0].weight.detach(), mean)


def test_the_history_has_the_rates_of_the_schedule(training, validation):
    result = run(build(), training, validation, schedule="cosine", epochs=4, patience=9)
    rates = [epoch.learning_rate for epoch in result.history]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < rates[0] / 10


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "margin"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_learns_with_every_loss_and_optimizer(training, validation, loss, optimizer):
    result = run(
        build(color_space="ycbcr"),
        training,
        validation,
        loss=loss,
        optimizer=optimizer,
        learning_rate=0.3 if optimizer == "sgd" else 0.01,
        epochs=40,
        patience=40,
    )
    assert result.best.val_mse < result.history[0].val_mse


@pytest.mark.parametrize("network", ["plain", "unet"])
def test_learns_bins_of_chroma(training, validation, network):
    as_plain = (
        {}
        if network == "unet"
        else {"halvings": 0, "doublings": 0, "squares": 1, "positions": False}
    )
    result = run(
        build(**UNET_WITH_BINS | {"network": network} | as_plain),
        training,
        validation,
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=0.01,
        epochs=40,
        patience=40,
    )
    # Color follows from gray here, so that it can be told nearly exactly.
    assert result.history[0].val_margin_error > 0.5
    assert result.best.val_margin_error < 0.4
    assert result.best.train_mse < result.history[0].train_mse / 4


def test_momentum_belongs_to_some_optimizers(training, validation):
    with pytest.raises(ValueError, match=r"optimizer adam has its own; should be 0\.0"):
        start(build(), training, validation, optimizer="adam", momentum=0.9)
