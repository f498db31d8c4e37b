"""Put a paper on paper: one structure (`sheet.Sheet`), two presses (`pdf` by typst, `word` by docxtpl), no Django and no regulation."""
