"""`python -m headway` is the same program as the `headway` command."""

from headway.main.entry import main

if __name__ == "__main__":
    main()
