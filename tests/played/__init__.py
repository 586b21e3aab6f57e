"""Kernels of other systems, played on top of a process of this one.

Each offers the C functions that :mod:`nbspy.target.mach` or :mod:`nbspy.target.winapi` calls, as real C function
pointers: numbers, pointers and structs cross the border as they would there. Layouts are written down here a second
time, as offsets from the headers, so that a struct that is declared wrongly is found out.
"""
