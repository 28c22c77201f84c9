"""tacotrain trains Tacotron 2 from one JSON document and leaves one JSON document behind."""
