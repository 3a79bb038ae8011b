"""Jobs on disk, their events and the dispatcher that feeds the engine. Runs in the front process."""
