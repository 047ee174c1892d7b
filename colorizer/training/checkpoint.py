"""Checkpoints, from which an interrupted training run continues to the same bytes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colorizer.device import bfloat16_unit, processor_name
from colorizer.files import atomic_write
from colorizer.params import Params

PACKAGE = Path(__file__).parents[1]


def run_identity(params: Params, files: Iterable[Path], device: torch.device) -> dict[str, str]:
    """What the result of a training run depends on: params, digest of inputs and code, machine."""
    sections = params.model_dump_json(include={"metric", "model", "train"})
    digest = hashlib.sha256()
    for file in [*sorted(files), *sorted(PACKAGE.rglob("*.py"))]:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    machine = [processor_name(device), bfloat16_unit(device), torch.__version__, np.__version__]
    return {"params": sections, "inputs": digest.hexdigest(), "machine": ", ".join(machine)}


def save_checkpoint(path: Path, identity: dict[str, str], state: dict[str, Any]) -> None:
    """Replace the checkpoint at `path` atomically by the state of a Trainer."""
    with atomic_write(path) as (partial,):
        torch.save(identity | {"state": state}, partial)


def load_checkpoint(path: Path, identity: dict[str, str]) -> dict[str, Any] | None:
    """The state in the checkpoint of an interrupted run with this identity, else None."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # there is none, or it is damaged: unpickling may then raise anything
        return None
    same = isinstance(checkpoint, dict) and identity.items() <= checkpoint.items()
    return checkpoint["state"] if same else None
