"""Sound: wav files, log-mel spectrograms, and the way back by Griffin-Lim."""
