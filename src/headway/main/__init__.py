"""main: reads the settings once and puts the parts together."""
