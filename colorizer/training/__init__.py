"""Losses, optimizers, augmentation and the training loop."""
