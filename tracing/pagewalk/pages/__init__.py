"""Traces and views -> pages: one HTML file that holds a trace, its story and the player.

Pages may see views, source and trace; they never see the engine.
"""
