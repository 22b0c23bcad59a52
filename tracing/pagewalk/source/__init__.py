"""vLLM source -> what this release holds: probe targets and exits, by syntax trees alone."""
