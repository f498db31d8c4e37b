"""The demo bureau: one small bureau that everyone can know by name. The tests' world is the same bureau."""
