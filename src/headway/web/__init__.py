"""web: pages for people, complete without JavaScript. Translates only."""
