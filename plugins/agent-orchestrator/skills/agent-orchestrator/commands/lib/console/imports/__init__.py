"""Progress, report and watching of an import on a terminal, also for what hooks have noted."""
