"""How large a demo is, and the least in which every planted breach has its place."""

DEVICES, DAYS = 8000, 30
FEWEST_DEVICES, FEWEST_DAYS = 400, 8
