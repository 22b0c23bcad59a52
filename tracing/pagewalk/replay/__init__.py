"""Events -> states: what every engine of a trace held at any step, and whether it was legal."""
