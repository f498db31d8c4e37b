"""Running an installation: initialize, supervise, check, back up, restore, upgrade, bundle."""
