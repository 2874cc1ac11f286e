"""drivers: the outside world, one module or folder per kind. Does what it is told; decides nothing."""
