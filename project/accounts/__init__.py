"""Who uses the API: tokens with scopes, and how much each may ask."""
