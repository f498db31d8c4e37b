"""What runs rules: it loads Arrow and the vault, so only who judges imports it, and nothing here binds a name."""
