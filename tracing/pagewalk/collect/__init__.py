"""Trace directories of several hosts, here or at URLs -> one trace directory."""
