"""Text front-ends: from what people write to symbol ids, and back."""
