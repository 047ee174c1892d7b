from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import lab2rgb, rgb2lab

from colorizer.inference.prediction import predict
from colorizer.models.colorizer import Colorizer, normalize
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams
from colorizer.training.trainer import Trainer, stops_early
from colorizer.training.validation import SplitTensors, validate
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
    return Colorizer(ModelParams(**(params | changes)), 12)


def start(network, training, validation, **changes) -> Trainer:
    return Trainer(network, TrainParams(**(PARAMS | changes)), 12, training, validation)


def run(network, training, validation, **changes) -> Trainer:
    result = start(network, training, validation, **changes)
    while not result.ended:
        result.run_epoch()
    result.load_best_weights()
    return result


def epochs_by_definition(errors: list[float], patience: int) -> int:
    """The rule of the report's script, which counts epochs in a row without a lower error."""
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


def test_an_equal_error_is_not_an_improvement():
    assert stops_early([0.5, 0.5], patience=1)
    assert not stops_early([0.5, 0.4], patience=1)
    assert not stops_early([0.5], patience=1)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_an_epoch_equals_the_recipe_of_the_report(training, validation, weight_decay):
    """The recipe written plainly: (N, C, H, W) floats, mean squared error, SGD by hand."""
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


def test_errors_decrease(training, validation):
    result = run(build(), training, validation, epochs=30, patience=30)
    assert len(result.history) == 30
    assert result.history[-1].train_mse < result.history[0].train_mse / 4
    assert result.best.val_margin_error < result.history[0].val_margin_error


def test_the_weights_of_the_best_epoch_are_loaded(training, validation):
    network = build()
    result = run(network, training, validation, epochs=25, patience=25, learning_rate=0.6)
    errors = [epoch.val_margin_error for epoch in result.history]
    assert result.best == result.history[errors.index(min(errors))]
    assert result.best != result.history[-1], "the case needs a best epoch before the last"
    mse, margin_error = validate(network, SplitTensors.of(validation, CPU), 12)
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
    (prediction,) = predict(network, [torch.from_numpy(validation.gray)], flip_tta=False)
    assert prediction.isnan().all()


RECIPES = {
    "sgd": {"optimizer": "sgd", "weight_decay": 0.01},
    "momentum, plateau": {"optimizer": "sgd", "momentum": 0.9, "lr_schedule": "plateau"},
    "adam, cosine": {"optimizer": "adam", "lr_schedule": "cosine", "learning_rate": 0.01},
    "adamw, one cycle": {"optimizer": "adamw", "lr_schedule": "one_cycle", "loss": "margin"},
    "rmsprop, augmentation": {
        "optimizer": "rmsprop",
        "horizontal_flip": True,
        "max_shift": 2,
        "loss": "l1",
    },
    "ema": {"ema_decay": 0.9, "loss": "huber"},
    "chroma bins": {"loss": "cross_entropy"},
    "lab, augmentation": {"loss": "l1", "horizontal_flip": True, "max_shift": 2},
    "bfloat16": {
        "loss": "cross_entropy",
        "contrast_weight": 1.0,
        "precision": "bfloat16",
        "ema_decay": 0.9,
    },
}
# Changes of section model for each recipe; the others train the default.
MODELS = {
    "chroma bins": UNET_WITH_BINS | {"dropout": 0.2},
    "lab, augmentation": {"color_space": "lab", "batch_norm": "hidden"},
    "bfloat16": UNET_WITH_BINS | {"batch_norm": "hidden"},
}
DEFAULT_MODEL = {"batch_norm": "hidden", "dropout": 0.2}


def test_ema_weights_diverge_with_the_weights(training, validation):
    network = build()
    result = run(network, training, validation, learning_rate=1e6, epochs=9, ema_decay=0.9)
    assert result.diverged
    assert result.history[-1][1:4] == (4.0, 4.0, 1.0)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("interrupted_after", [1, 2, 4])
def test_a_resumed_run_ends_with_the_same_bits(training, validation, interrupted_after, recipe):
    options = {"epochs": 5, "learning_rate": 0.01} | RECIPES[recipe]
    model = MODELS.get(recipe, DEFAULT_MODEL)
    whole_network = build(**model)
    whole = run(whole_network, training, validation, **options)

    first = start(build(**model), training, validation, **options)
    for _ in range(interrupted_after):
        first.run_epoch()
    tensors = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    history = list(first.history)

    network = build(seed=99, **model)
    second = start(network, training, validation, **options)
    second.load_state_dict(tensors, history)
    torch.testing.assert_close(second.state_dict(), tensors, rtol=0, atol=0)
    while not second.ended:
        second.run_epoch()
    second.load_best_weights()
    assert second.history == whole.history
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, whole_network.state_dict()[name])


def test_weights_depend_on_the_seed_only(training, validation):
    results = []
    for seed in (7, 7, 8):
        network = build()
        run(network, training, validation, epochs=1, seed=seed)
        results.append(network.body[0].weight.detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_batch_norm_statistics_depend_on_training_images_only(training, validation, make_split):
    other = make_split(255 - draw_photos(6, seed=9), "other")
    statistics = []
    for held_out in (validation, other):
        network = build(batch_norm="hidden")
        started = start(network, training, held_out)
        for _ in range(2):
            started.run_epoch()
        statistics.append(network.body[1].running_mean)
        assert network.body[1].num_batches_tracked == 3 * 2
    assert torch.equal(*statistics)
    assert statistics[0].any()


def test_without_running_stats_batch_norm_validates_by_batch_statistics_as_in_the_report(
    training, validation
):
    network = build(batch_norm="all", track_running_stats=False, eval_batch_size=4)
    assert not any("running" in name for name in network.state_dict())
    epoch = start(network, training, validation, epochs=1).run_epoch()
    gray, rgb = normalize(torch.from_numpy(validation.gray[:]).unsqueeze(-1)), validation.rgb[:]
    with torch.no_grad():  # the report never left this mode; batches of 4 and 2
        prediction = torch.cat([network.train()(batch) for batch in gray.split(4)])
    difference = prediction.permute(0, 2, 3, 1).numpy() - (rgb / 127.5 - 1)
    assert epoch.val_mse == pytest.approx(np.square(difference).mean(), rel=1e-5)


def test_lab_is_learned_from_the_prepared_lab(training, validation):
    """Nothing but lab differs, and what is learned differs with it: L*, or a* and b*."""
    weights = []
    for channels in ([], [0], [1, 2]):
        lab = training.lab[:].copy()
        lab[..., channels] = lab[..., channels] / 2 + 10
        network = build(color_space="lab")
        run(network, replace(training, lab=lab), validation, epochs=1)
        weights.append(network.body[0].weight.detach())
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_step_in_lab_follows_the_gradient_of_the_error_of_a_and_b(training, validation):
    """The recipe written plainly, on scikit-image's lab of the same photographs."""
    trained, reference = build(seed=1, color_space="lab"), build(seed=1, color_space="lab")
    (epoch,) = run(trained, training, validation, epochs=1, batch_size=12).history
    lab = torch.from_numpy(rgb2lab(training.rgb[:])).float().permute(0, 3, 1, 2)
    output = reference.body(lab[:, :1] / 50 - 1)
    ((output - lab[:, 1:] / 110) ** 2).mean().backward()
    for ours, theirs in zip(trained.parameters(), reference.parameters(), strict=True):
        expected = theirs.detach() - 0.1 * theirs.grad
        torch.testing.assert_close(ours.detach(), expected, rtol=1e-3, atol=1e-5)
    a_and_b = output.detach().permute(0, 2, 3, 1).numpy() * 110
    rgb = lab2rgb(np.concatenate([lab[:, :1].permute(0, 2, 3, 1).numpy(), a_and_b], axis=-1))
    squared = np.square(2 * rgb - training.rgb / 127.5)  # scikit-image clips rgb to 0..1
    assert epoch.train_mse == pytest.approx(squared.mean(), rel=0.02)


def test_validation_errors_do_not_depend_on_the_batch_size(validation):
    tensors = SplitTensors.of(validation, CPU)
    whole, parts = (validate(build(eval_batch_size=size), tensors, 12) for size in (6, 4))
    assert parts == pytest.approx(whole, abs=1e-6)


def test_ema_weights_equal_their_definition(training, validation):
    """ema <- decay * ema + (1 - decay) * weights after each step; decay rises to ema_decay."""
    network = build()
    ema_decay, steps = 0.7, []
    step = torch.optim.SGD.step

    def recorded(self, *arguments):
        step(self, *arguments)
        steps.append(network.body[0].weight.detach().clone())

    ema = network.body[0].weight.detach().clone()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(torch.optim.SGD, "step", recorded)
        run(network, training, validation, ema_decay=ema_decay, epochs=1)
    for number, weight in enumerate(steps):
        decay = min(ema_decay, (1 + number) / (10 + number))
        ema = decay * ema + (1 - decay) * weight
    torch.testing.assert_close(network.body[0].weight.detach(), ema)


def test_the_history_has_the_learning_rates_of_the_schedule(training, validation):
    result = run(build(), training, validation, lr_schedule="cosine", epochs=4, patience=9)
    rates = [epoch.learning_rate for epoch in result.history]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < rates[0] / 10


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "margin"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_the_error_decreases_with_every_loss_and_optimizer(training, validation, loss, optimizer):
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
def test_the_error_decreases_with_chroma_bins(training, validation, network):
    changes = (
        {}
        if network == "unet"
        else {"depth": 0, "output_stride": 1, "patch_size": 1, "coord_channels": False}
    )
    result = run(
        build(**UNET_WITH_BINS | {"network": network} | changes),
        training,
        validation,
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=0.01,
        epochs=40,
        patience=40,
    )
    # Color is a function of gray here, so that it can be predicted nearly exactly.
    assert result.history[0].val_margin_error > 0.5
    assert result.best.val_margin_error < 0.4
    assert result.best.train_mse < result.history[0].train_mse / 4


def test_momentum_with_an_optimizer_that_has_betas_is_refused(training, validation):
    with pytest.raises(ValueError, match=r"optimizer adam has its own; should be 0\.0"):
        start(build(), training, validation, optimizer="adam", momentum=0.9)


def test_the_rows_of_a_batch_are_prefetched_while_the_one_before_it_is_trained_on(
    training, validation, monkeypatch
):
    events = []
    load = Trainer._load_images

    def prefetch(array, rows):
        events.append(("prefetch", "gray" if array is training.gray else "rgb", rows))

    def load_images(trainer, batch):
        events.append(("train", batch.tolist()))
        return load(trainer, batch)

    monkeypatch.setattr("colorizer.training.trainer.prefetch_rows", prefetch)
    monkeypatch.setattr(Trainer, "_load_images", load_images)
    start(build(), training, validation).run_epoch()
    first, second, third = (event[1] for event in events if event[0] == "train")
    assert events == [
        ("prefetch", "gray", first),
        ("prefetch", "rgb", first),
        ("prefetch", "gray", second),
        ("prefetch", "rgb", second),
        ("train", first),
        ("prefetch", "gray", third),
        ("prefetch", "rgb", third),
        ("train", second),
        ("train", third),
    ]
    assert sorted(first + second + third) == list(range(12))


def test_only_what_is_read_in_random_order_is_advised_as_such(training, validation, monkeypatch):
    advised = []
    monkeypatch.setattr("colorizer.training.trainer.expect_random_reads", advised.append)
    start(build(color_space="lab"), training, validation, loss="mse")
    assert [id(array) for array in advised] == [id(training.lab), id(training.rgb)]


@pytest.mark.parametrize(
    ("loss", "model"),
    [
        ("mse", {"kernels": 16, "conv_layers": 3, "batch_norm": "all"}),
        ("mse", {"kernels": 16, "conv_layers": 3, "batch_norm": "hidden"}),
        ("margin", {"kernels": 16, "conv_layers": 3, "color_space": "ycbcr"}),
        ("l1", {"kernels": 16, "conv_layers": 3, "color_space": "lab"}),
        ("cross_entropy", UNET_WITH_BINS | {"batch_norm": "hidden"}),
        ("cross_entropy", UNET_WITH_BINS | {"kernels": 16}),
    ],
)
def test_bfloat16_differs_by_rounding_only(training, validation, loss, model):
    """Its numbers have 8 significant bits, float32 has 24; a bin is one or the other."""
    tolerance = 0.15 if loss == "cross_entropy" else 0.03
    # Small steps: running statistics, which begin far off, let differences of weights grow.
    options = {"loss": loss, "epochs": 3, "optimizer": "adam", "learning_rate": 0.001}
    networks = {precision: build(**model) for precision in ("float32", "bfloat16")}
    exact, rounded = (
        run(network, training, validation, precision=precision, **options).history
        for precision, network in networks.items()
    )
    assert rounded != exact
    for ours, theirs in zip(rounded, exact, strict=True):
        assert ours.train_mse == pytest.approx(theirs.train_mse, rel=tolerance)
        assert ours.val_mse == pytest.approx(theirs.val_mse, rel=tolerance)
    assert all(weight.dtype == torch.float32 for weight in networks["bfloat16"].parameters())
