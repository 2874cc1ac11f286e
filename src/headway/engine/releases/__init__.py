"""releases: releases: made, found, and by which headway.toml they are deployed."""
