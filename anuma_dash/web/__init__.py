"""The web core: what every page needs, and no feature."""
