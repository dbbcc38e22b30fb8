"""Who wants what: subscribers, their endpoints with secrets and event types, and API keys."""
