"""View data -> lines on a terminal: aligned, quiet, safe, plain where colour is not wanted."""
