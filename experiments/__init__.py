"""Sweeps of runs, their rows, and what reports show of them."""
