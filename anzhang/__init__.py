"""anzhang (安章): a bureau's network-and-information-security measures as running software."""

__version__ = "0.1.0"
