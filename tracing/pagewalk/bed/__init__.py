"""A kind of engine -> one that runs here: tiny models on disk, their settings, a bare scheduler."""
