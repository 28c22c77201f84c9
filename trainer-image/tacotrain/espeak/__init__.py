"""espeak-ng as a tool: speech with word timings, and phonemes.

The library is GPL-3 and comes with the `espeakng-loader` wheel. It is loaded only by `tacotrain.espeak.child`, a program
of its own that talks JSON lines; `tacotrain.espeak.client` starts it.
"""
