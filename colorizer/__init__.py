"""Networks that colorize grayscale photographs: data, models, training, inference."""
