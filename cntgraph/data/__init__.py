"""Networks that come with the package: toys for examples, and real trained ones for the demo."""
