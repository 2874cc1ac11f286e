"""wire: what comes in and goes out as text: the contract file, reports. Turns text into values, or all its faults."""
