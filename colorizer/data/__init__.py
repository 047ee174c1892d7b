"""Photographs, decoded, cut, prepared and opened as arrays."""
