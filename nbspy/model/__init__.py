"""The model of a profile: pure values. No I/O, no processes, no threads, no widgets may enter."""
