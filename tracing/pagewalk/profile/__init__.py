"""A running engine -> every function call of its processes, on the clock of the trace.

The profilers are viztracer and py-spy; this puts what they see beside the tracks of a trace.
"""
