"""Speed and memory, measured; tables in docs/speed.md and docs/scale.md."""
