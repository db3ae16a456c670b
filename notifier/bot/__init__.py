"""The bot people talk to: asks for rates as the API does."""
