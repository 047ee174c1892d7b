"""Networks, their color spaces and model files."""
