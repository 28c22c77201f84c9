"""The recurrent heart of the decoder: fast scans with their own backward pass, and the slow oracle they are tested against."""
