import io

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from colorizer.data.color import luma
from colorizer.device import NO_BFLOAT16_UNIT
from colorizer.models.colorizer import Colorizer
from colorizer.params import ModelParams, TrainParams
from colorizer.training import trainer as trainer_module
from colorizer.training.trainer import Epoch, Trainer
from tests.conftest import UNET_WITH_BINS, draw_photos, small_params

MARGIN = 12
PARAMS = small_params()["train"] | {"seed": 7, "epochs": 4}


@pytest.fixture
def splits(make_split):
    """12 photographs for training, in batches of 5, 5 and 2, and 6 for validation."""
    return make_split(draw_photos(12, seed=0), "train"), make_split(draw_photos(6, seed=1), "val")


def start(splits, network: Colorizer, **changes: object) -> Trainer:
    return Trainer(network, TrainParams(**PARAMS | changes), MARGIN, *splits)


def run(splits, network: Colorizer, **changes: object) -> Trainer:
    trainer = start(splits, network, **changes)
    for number, _ in enumerate(trainer.run(), start=1):
        assert len(trainer.history) == number
    return trainer


def build(seed: int = 0, **changes: object) -> Colorizer:
    torch.manual_seed(seed)
    return Colorizer(ModelParams(**small_params()["model"] | changes), MARGIN)


def on_unit_scale(images: np.ndarray) -> torch.Tensor:
    """(N, H, W, C) of 0..255 to (N, C, H, W) of [-1, 1]."""
    return torch.from_numpy(images / 127.5 - 1).float().permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("errors", "patience", "expected"),
    [
        ([0.5, 0.5], 1, True),
        ([0.5, 0.6, 0.4], 2, False),
        ([0.5, 0.4, 0.7, 0.6], 2, True),
    ],
)
def test_training_ends_after_patience_epochs(splits, errors, patience, expected):
    trainer = start(splits, build(), patience=patience, epochs=9)
    trainer.history += [Epoch(1, 0.1, 0.1, error, 0.1) for error in errors]
    assert trainer.ended == expected


@pytest.mark.parametrize(("weight_decay", "momentum"), [(0.0, 0.0), (0.1, 0.9)])
def test_an_epoch_equals_the_recipe_of_the_report(splits, weight_decay, momentum):
    """The recipe written plainly: (N, C, H, W) floats, mean squared error, SGD by hand."""
    # Of these kernels, convolutions in bfloat16 would not be within the tolerance.
    trained, reference = (build(kernels=16, conv_layers=3) for _ in range(2))
    (epoch,) = run(splits, trained, weight_decay=weight_decay, momentum=momentum, epochs=1).history
    gray, rgb = on_unit_scale(splits[0].gray[..., None]), on_unit_scale(splits[0].rgb)
    squared, velocity = 0.0, [torch.zeros_like(weight) for weight in reference.parameters()]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(PARAMS["seed"]))
    for batch in order.split(5):
        loss = ((reference(gray[batch]) - rgb[batch]) ** 2).mean()
        gradients = torch.autograd.grad(loss, [*reference.parameters()])
        for weight, gradient, v in zip(reference.parameters(), gradients, velocity, strict=True):
            v.mul_(momentum).add_(gradient + weight_decay * weight.detach())
            weight.data -= 0.1 * v
        squared += loss.item() * len(batch)
    assert epoch.train_mse == pytest.approx(squared / 12, rel=1e-5)
    torch.testing.assert_close(trained.state_dict(), reference.state_dict(), rtol=1e-4, atol=1e-6)


def test_a_step_in_lab_follows_the_gradient_of_the_error_of_a_and_b(splits):
    """The network sees L* of gray; a* and b* are those of the color photograph."""
    trained, reference = build(color_space="lab"), build(color_space="lab")
    (epoch,) = run(splits, trained, epochs=1, batch_size=12).history
    gray = np.repeat(splits[0].gray[..., None], 3, axis=-1)
    lab_of_gray, lab = (
        torch.from_numpy(rgb2lab(images)).float().permute(0, 3, 1, 2)
        for images in (gray, splits[0].rgb)
    )
    lightness, target = lab_of_gray[:, :1] / 50 - 1, lab[:, 1:] / 110
    ((reference.body(lightness) - target) ** 2).mean().backward()
    for ours, theirs in zip(trained.parameters(), reference.parameters(), strict=True):
        expected = theirs.detach() - 0.1 * theirs.grad
        torch.testing.assert_close(ours.detach(), expected, rtol=1e-3, atol=1e-5)
    squared = (reference.eval()(lightness) - on_unit_scale(splits[0].rgb)).square()
    assert epoch.train_mse == pytest.approx(squared.mean().item(), rel=1e-4)


def test_ema_weights_equal_their_definition(splits, monkeypatch):
    """ema <- decay * ema + (1 - decay) * weights after each step; decay rises to ema_decay."""
    network, steps = build(), []
    step = torch.optim.SGD.step

    def recorded(self, *arguments):
        step(self, *arguments)
        steps.append(network.body[0].weight.detach().clone())

    monkeypatch.setattr(torch.optim.SGD, "step", recorded)
    ema = network.body[0].weight.detach().clone()
    run(splits, network, ema_decay=0.15, epochs=1)
    for decay, weight in zip((1 / 10, 0.15, 0.15), steps, strict=True):
        ema = decay * ema + (1 - decay) * weight
    torch.testing.assert_close(network.body[0].weight.detach(), ema)


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_the_network_of_the_best_epoch_is_kept(splits, ema_decay):
    network = build()
    trainer = run(splits, network, epochs=20, patience=20, learning_rate=0.6, ema_decay=ema_decay)
    errors = [epoch.val_margin_error for epoch in trainer.history]
    best = trainer.history[errors.index(min(errors))]
    assert best != trainer.history[-1], "the case needs a best epoch before the last"
    prediction = network.predict(torch.from_numpy(splits[1].gray), flip_tta=False).numpy()
    distance = np.abs(prediction - splits[1].rgb)
    assert trainer.metrics() == {
        "epochs": 20,
        "best_epoch": best.epoch,
        "train_mse": best.train_mse,
        "val_mse": pytest.approx((distance**2).mean() / 127.5**2, rel=1e-5),
        "val_margin_error": pytest.approx((distance >= MARGIN).mean()),
        "diverged": 0,
    }


@pytest.mark.parametrize(("rate", "ema_decay"), [(10.0, 0.0), (10.0, 0.9), (1e6, 0.9)])
def test_a_diverged_run_ends_with_the_errors_of_black_instead_of_white(splits, rate, ema_decay):
    network = build()
    trainer = run(splits, network, learning_rate=rate, ema_decay=ema_decay, epochs=9)
    assert (epochs := len(trainer.history)) < 9
    assert trainer.history[-1][1:4] == (4.0, 4.0, 1.0)
    errors = {"train_mse": 4.0, "val_mse": 4.0, "val_margin_error": 1.0}
    assert trainer.metrics() == {"epochs": epochs, "best_epoch": 0, **errors, "diverged": 1}
    assert network.predict(torch.from_numpy(splits[1].gray), flip_tta=False).isnan().all()


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({"momentum": 0.9, "lr_schedule": "plateau"}, {"batch_norm": "all", "dropout": 0.2}),
        ({"optimizer": "rmsprop", "max_shift": 2}, {"color_space": "lab"}),
        ({"optimizer": "adam", "ema_decay": 0.9, "loss": "cross_entropy"}, UNET_WITH_BINS),
    ],
)
@pytest.mark.parametrize("interrupted_after", [2, 4])
def test_a_run_that_goes_on_ends_with_the_same_bits(splits, interrupted_after, changes, model):
    changes = {"learning_rate": 0.001} | changes
    whole_network, network = build(**model), build(seed=99, **model)
    whole = start(splits, whole_network, **changes)
    for number, _ in enumerate(whole.run(), start=1):
        if number == interrupted_after:
            torch.save(whole.state_dict(), file := io.BytesIO())
    file.seek(0)
    second = start(splits, network, **changes)
    second.load_state_dict(torch.load(file))
    assert len([*second.run()]) == 4 - interrupted_after
    assert second.history == whole.history
    assert second.metrics() == whole.metrics()
    torch.testing.assert_close(network.state_dict(), whole_network.state_dict(), rtol=0, atol=0)


def test_the_history_has_the_learning_rates_of_the_schedule(splits):
    history = run(splits, build(), lr_schedule="cosine", patience=9).history
    # The rate of the last of 3 batches of each of 4 epochs.
    expected = [0.1 * (1 + np.cos(np.pi * batch / 12)) / 2 for batch in (2, 5, 8, 11)]
    assert [epoch.learning_rate for epoch in history] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "optimizer", "learning_rate", "model"),
    [
        ("mse", "sgd", 0.3, {}),
        ("l1", "adam", 0.01, {"color_space": "ycbcr"}),
        ("huber", "adamw", 0.01, {}),
        ("margin", "rmsprop", 0.01, {"color_space": "ycbcr"}),
        ("cross_entropy", "adam", 0.01, UNET_WITH_BINS),
    ],
)
def test_the_error_decreases(splits, loss, optimizer, learning_rate, model):
    """The color of these photographs follows from gray, so that it can be learned."""
    changes = {"loss": loss, "optimizer": optimizer, "learning_rate": learning_rate}
    trainer = run(splits, build(**model), **changes, epochs=40, patience=40)
    assert trainer.metrics()["val_mse"] < trainer.history[0].val_mse / 4


def test_gray_and_colors_of_a_photograph_are_moved_together(splits):
    network = build(color_space="lab")
    trainer = start(splits, network, horizontal_flip=True, max_shift=3)
    lightness, rgb, chroma = trainer._load_images(torch.arange(12))
    moved = ((rgb + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert (moved != splits[0].rgb).any(axis=(1, 2, 3)).sum() > 6
    lab = torch.from_numpy(rgb2lab(moved)).float().permute(0, 3, 1, 2)
    torch.testing.assert_close(chroma, lab[:, 1:] / 110, rtol=0, atol=1e-3)
    gray = torch.from_numpy(luma(moved) / 127.5 - 1).float().unsqueeze(1)
    torch.testing.assert_close(lightness, network.lightness(gray))


def test_rows_are_prefetched_while_the_batch_before_is_trained_on(splits, monkeypatch):
    events, forward = [], Colorizer.forward
    monkeypatch.setattr(trainer_module, "prefetch_rows", lambda _, rows: events.append(rows))
    monkeypatch.setattr(Colorizer, "forward", lambda *x: events.append("train") or forward(*x))
    start(splits, build()).run_epoch()
    first, second, third = events[0], events[2], events[5]  # of gray, then the same of rgb
    assert events[:9] == [first, first, second, second, "train", third, third, "train", "train"]
    assert sorted(first + second + third) == list(range(12))


@pytest.mark.parametrize(
    ("model", "loss", "tolerance"),
    [
        ({"kernels": 16, "conv_layers": 3}, "mse", 0.03),
        (UNET_WITH_BINS, "cross_entropy", 0.15),  # a bin is one or the other
    ],
)
def test_bfloat16_differs_by_rounding_only(splits, model, loss, tolerance, monkeypatch):
    """Its numbers have 8 significant bits, float32 has 24. Without a unit float32 is used."""

    def errors(precision, unit):
        monkeypatch.setattr(trainer_module, "bfloat16_unit", lambda _: unit)
        changes = {"loss": loss, "optimizer": "adam", "learning_rate": 0.001}
        history = run(splits, build(**model), precision=precision, **changes).history
        return np.array(history)[:, 1:3]

    exact, rounded = errors("float32", "avx512_bf16"), errors("bfloat16", "avx512_bf16")
    assert (rounded != exact).all()
    np.testing.assert_allclose(rounded, exact, rtol=tolerance)
    np.testing.assert_array_equal(errors("bfloat16", NO_BFLOAT16_UNIT), exact)
