"""States -> data: steps, block tables, the life of a request, and why it waited.

Everything here is a pure function of a trace and returns frozen values that can become JSON.
Formatting is `pagewalk.term`'s business; request ids are the engine's internal ids, exactly.
"""
