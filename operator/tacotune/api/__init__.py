"""The public face: pydantic models of TTSStudy, and the names, conditions and documents derived from them.

Every other package may import this one; it imports nothing of tacotune and does no I/O.
"""
