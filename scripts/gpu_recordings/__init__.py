"""The parts of `scripts/record_gpu.py`: what to record, how one is made, what is told of it."""
