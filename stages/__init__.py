"""The stages of dvc.yaml, a script each."""

import colorizer  # noqa: F401 before PyTorch, which reads a setting of threads when it is loaded
