"""What a training run that was killed left behind, so that the next one can go on with it."""

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

from colorizer.device import processor
from colorizer.files import replacing
from colorizer.params import Section
from colorizer.training import Epoch

# A digest for each kind of thing that a run's result depends on.
Origin = dict[str, str]


def origin(sections: Mapping[str, Section], files: list[Path], device: torch.device) -> Origin:
    """Digests of the params, of the data in `files`, of the project's code and of PyTorch.

    The code is every module of the project that is loaded, the machine the kind of processor
    and the versions of what computes on it.
    """
    params = {name: section.model_dump(mode="json") for name, section in sections.items()}
    machine = f"{processor(device)}, torch {torch.__version__}, numpy {np.__version__}"
    return {
        "params": _digest(json.dumps(params, sort_keys=True).encode()),
        "data": _digest(*map(_file_digest, files)),
        "code": _digest(*map(_file_digest, _project_files())),
        "machine": _digest(machine.encode()),
    }


def save_checkpoint(
    path: Path, of: Origin, tensors: Mapping[str, Tensor], history: list[Epoch]
) -> None:
    """Write a checkpoint whole, in place of the one before."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    saved = {"origin": of, "history": history, "tensors": _tensor_digest(contiguous)}
    metadata = {"checkpoint": json.dumps(saved)}
    with replacing(path) as (partial,):
        partial.write_bytes(save(contiguous, metadata))


def load_checkpoint(path: Path, of: Origin) -> tuple[dict[str, Tensor], list[Epoch]] | str:
    """Read the checkpoint of a run of the same origin: its tensors and its history.

    Where there is none of that origin, say in words why.
    """
    if not path.is_file():
        return "there is no checkpoint"
    try:
        with safe_open(path, framework="pt") as file:
            saved = json.loads(file.metadata()["checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        others = [kind for kind, digest in of.items() if saved["origin"][kind] != digest]
        history = [Epoch(*row) for row in saved["history"]]
        if saved["tensors"] != _tensor_digest(tensors):  # the machine lost power, say
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
    """The files of the loaded modules that lie beside this one or beside its folder."""
    root = Path(__file__).parents[1]
    # Some modules have no file, or none yet.
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(path for path in map(Path, filter(None, files)) if path.parent.parent == root)


def _file_digest(path: Path) -> bytes:
    digest = sha256(path.name.encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _digest(*parts: bytes) -> str:
    return sha256(b"".join(parts)).hexdigest()
