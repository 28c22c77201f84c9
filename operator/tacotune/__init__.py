"""tacotune tunes text-to-speech training: one TTSStudy, on a cluster or on one machine."""
