"""Events <-> files: the types, one JSON line each, segments, and the trace they make up."""
