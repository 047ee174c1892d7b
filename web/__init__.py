"""A page that colorizes photographs with trained networks, for this machine."""
