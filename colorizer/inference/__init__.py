"""Trained networks on splits and on photographs of any size."""
