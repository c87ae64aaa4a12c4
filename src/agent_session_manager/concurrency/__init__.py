"""What runs beside the event loop: the writer, and waking those who wait for it."""
