"""What happened and how it gets there: events, deliveries, attempts."""
