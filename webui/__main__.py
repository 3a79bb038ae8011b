"""`python -m webui`. The engine process imports this module too, so nothing may happen but under the guard."""

from webui.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
