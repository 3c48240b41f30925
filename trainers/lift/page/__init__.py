"""The page of a lift study."""
