"""Rows of sweeps as their runs leave them."""

import pytest

from experiments.comparisons import AT_8
from experiments.rows import Row
from experiments.sweeps import SWEEPS_FILE, Run, read_sweeps
from tests.conftest import REPOSITORY

SEEDS = (483, 484, 485)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return read_sweeps(REPOSITORY / SWEEPS_FILE, "faces")


def row(place: str, seed: int, error: float, **others: str) -> Row:
    sweep, _, point = place.partition("/")
    return {
        "name": f"faces-{sweep}-{point}-{seed}",
        "sweep": sweep,
        "point": point,
        "seed": str(seed),
        "params": f"of {place} {seed}",
        "commit": "abcdef0123",
        "machine": "x86_64",
        "queued": "",
        "finished": "",
        "best_epoch": "7",
        "diverged": "0",
        "train_mse": "0.01",
        "val_mse": "0.02",
        "margin_error": str(error),
        "psnr": "23",
        "ssim": "0.9",
        "gain_over_table": "0.01",
        "table_margin_error": "0.2347",
        "gray_margin_error": "0.7362",
        "first_margin_error": "0.8",
        **others,
    }


def rows_of(place: str, *errors: float) -> list[Row]:
    return [row(place, seed, error) for seed, error in zip(SEEDS, errors, strict=False)]


def histories(*names: str) -> list[Row]:
    return [
        {"name": name, "epoch": str(epoch), "val_margin_error": str(1 / epoch)}
        for name in names
        for epoch in (1, 2)
    ]


BASE = rows_of(AT_8, 0.25, 0.25, 0.25)
