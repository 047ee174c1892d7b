"""Checkpoints, from which an interrupted training run continues to the same bytes."""

import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from colorizer.device import bfloat16_unit, processor_name
from colorizer.files import atomic_write
from colorizer.params import Section
from colorizer.training.trainer import Epoch

# A digest for each kind of thing that the result of a run depends on.
Fingerprint = dict[str, str]


def fingerprint(
    sections: Mapping[str, Section], files: list[Path], device: torch.device
) -> Fingerprint:
    """Digests of the params, of the data in `files`, of the project's code and of the machine.

    The code is that of every loaded module of the project; the machine is the kind of processor,
    its bfloat16 unit and the versions of PyTorch and NumPy.
    """
    params = {name: section.model_dump(mode="json") for name, section in sections.items()}
    machine = (
        f"{processor_name(device)}, bfloat16 by {bfloat16_unit(device)}, "
        f"torch {torch.__version__}, numpy {np.__version__}"
    )
    return {
        "params": _digest(json.dumps(params, sort_keys=True).encode()),
        "data": _digest(*map(_file_digest, files)),
        "code": _digest(*map(_file_digest, _project_files())),
        "machine": _digest(machine.encode()),
    }


def save_checkpoint(
    path: Path, identity: Fingerprint, tensors: Mapping[str, Tensor], history: list[Epoch]
) -> None:
    """Replace the checkpoint at `path` atomically."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    facts = {"fingerprint": identity, "history": history, "tensors": _tensor_digest(contiguous)}
    with atomic_write(path) as (partial,):
        partial.write_bytes(save(contiguous, {"checkpoint": json.dumps(facts)}))


def load_checkpoint(
    path: Path, identity: Fingerprint
) -> tuple[dict[str, Tensor], list[Epoch]] | str:
    """Read tensors and history from a checkpoint with this fingerprint.

    When there is none, return the reason as text.
    """
    if not path.is_file():
        return "there is no checkpoint"
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        others = [kind for kind, digest in identity.items() if facts["fingerprint"][kind] != digest]
        history = [Epoch(*row) for row in facts["history"]]
        if facts["tensors"] != _tensor_digest(tensors):  # a power failure, for example
            raise ValueError
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return "the checkpoint cannot be read"
    if others:
        return f"the checkpoint is of other {' and '.join(others)}"
    return tensors, history


def _tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    return _digest(
        *(name.encode() + tensors[name].cpu().numpy().tobytes() for name in sorted(tensors))
    )


def _project_files() -> list[Path]:
    """Files of the loaded modules that lie in this package or in a folder beside it."""
    package = Path(__file__).parents[1]
    # Some modules have no file, or none yet.
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(
        path
        for path in map(Path, filter(None, files))
        if package in path.parents or path.parent.parent == package.parent
    )


def _file_digest(path: Path) -> bytes:
    digest = sha256(path.name.encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _digest(*parts: bytes) -> str:
    return sha256(b"".join(parts)).hexdigest()
