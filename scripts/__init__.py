"""Tools beside the pipeline."""
