"""What the bytes of a CPython process mean.

No system calls in this room: every byte comes through ``nbspy.target.memory.RemoteMemory``, so that most of it is
tested on memory made by hand. Whatever is read is untrusted: sizes and counts are bounded before they are used.
"""
