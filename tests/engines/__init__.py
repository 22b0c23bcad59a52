"""Real engines for tests: a forked child per case, the cases, and what must be true of a trace."""
